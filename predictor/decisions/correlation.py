"""How the errors of forecasts go together, between families and between benchmarks, as their hold-outs show it."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from predictor.decisions.common_scales import ALIKE
from predictor.forecasting import Forecaster

# Correlations before anything is seen (medians over pairs of families of published ladders, benchmarks/accuracy), and
# how many pairs of held-out runs they count for.
_FAMILIES, _BENCHMARKS = 0.35, 0.1
_PRIOR_PAIRS = 5.0
_MOST = 0.95


@dataclass(frozen=True)
class Correlation:
    """Correlations of forecast errors, the same for all pairs.

    The same laws are carried to the same distance for every family, and all models answer the same items, so that two
    families are mostly missed on the same side: their difference is known better than either score.

    Attributes:
        families: between two families on one benchmark.
        benchmarks: between two benchmarks, of the differences between two families.
        pairs: number of pairs of held-out runs behind them; with none they are what published ladders show.
    """

    families: float = _FAMILIES
    benchmarks: float = _BENCHMARKS
    pairs: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the numbers by name."""
        return {"families": self.families, "benchmarks": self.benchmarks, "held_out_pairs": self.pairs}


def measure_correlation(forecasters: Mapping[str, Forecaster]) -> Correlation:
    """Measure them on the held-out runs that two families have in common: like in size, compute and distance.

    Errors are taken in units of their root mean square on each benchmark. The correlation between families is the
    moment about zero, not about the mean: a law that misses both on the same side is what it is about. Few pairs are
    blended with what published ladders show.
    """
    products, squares, pairs = 0.0, 0.0, 0
    cross, own = 0.0, 0.0
    errors = {name: held_out_errors(one) for name, one in forecasters.items()}
    for first, second in itertools.combinations(errors, 2):
        both = errors[first].merge(errors[second], on="key", suffixes=("_a", "_b"))
        for name in ("size", "compute", "reach"):
            both = both[(both[f"{name}_a"] - both[f"{name}_b"]).abs() < ALIKE]
        if both.empty:
            continue
        power = both.assign(power=(both["error_a"] ** 2 + both["error_b"] ** 2) / 2).groupby("key")["power"]
        scale = np.sqrt(np.maximum(power.transform("mean").to_numpy(float), 1e-12))
        a, b = both["error_a"].to_numpy(float) / scale, both["error_b"].to_numpy(float) / scale
        # Each pair of families counts by its pairs of runs, not by how often a run was held out.
        alike = int(both.groupby(["run_a", "run_b"]).ngroups)
        products += alike * float((a * b).mean())
        squares += alike * float(np.sqrt((a**2).mean() * (b**2).mean()))
        pairs += alike
        apart = both.assign(gap=a - b).groupby(["run_a", "run_b", "hold_out_a", "hold_out_b"])["gap"]
        total, squared, size = apart.sum(), apart.apply(lambda gap: (gap**2).sum()), apart.size()
        if (seen := float((squared * (size - 1)).sum())) > 0:
            cross += alike * float((total**2 - squared).sum()) / seen
            own += alike
    between = products / squares if squares > 0 else 0.0
    across = cross / own if own else 0.0
    return Correlation(
        families=float(np.clip((pairs * between + _PRIOR_PAIRS * _FAMILIES) / (pairs + _PRIOR_PAIRS), 0.0, _MOST)),
        benchmarks=float(np.clip((own * across + _PRIOR_PAIRS * _BENCHMARKS) / (own + _PRIOR_PAIRS), 0.0, _MOST)),
        pairs=pairs,
    )


def held_out_errors(forecaster: Forecaster) -> pd.DataFrame:
    """Return the errors of a forecaster's own backtest: what it said of held-out runs less what they scored.

    Returns:
        one row per (hold-out, run, benchmark): hold_out, run, key (benchmark), error, and the logarithms size (of
        parameters), compute (of FLOPs) and reach (of the compute over the largest fitted run's).
    """
    panel = forecaster.panel
    columns = ["hold_out", "run", "key", "error", "size", "compute", "reach"]
    if forecaster.history.empty:
        return pd.DataFrame(columns=columns)
    table = forecaster.combination.held_out_forecasts(forecaster.history)
    number = {name: place for place, name in enumerate(panel.runs)}
    last = np.array(
        [np.flatnonzero(panel.run == i)[np.argmax(panel.tokens[panel.run == i])] for i in range(len(panel.runs))]
    )
    place = last[table["run"].map(number).to_numpy(int)]
    keys = [panel.series[row].columns for row in table["series"].to_numpy(int)]
    table = table.assign(
        key=pd.Series(keys, index=table.index, dtype=object),
        error=table["forecast"] - table["truth"],
        size=np.log(panel.params[place]),
        compute=np.log(panel.flops[place]),
        reach=np.log(table["ratio"].to_numpy(float)),
    )
    return table[columns]
