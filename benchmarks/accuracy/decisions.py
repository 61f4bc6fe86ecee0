"""How often the better of two recipes is told beforehand, on published training runs, and whether the odds are right.

    python benchmarks/accuracy/decisions.py [--testbeds ../shared/testbeds] [--only gadre] [--processes 2]

The runs of most compute are held out of all families of a testbed at once (those above the compute of 50, 65, 80 and
90 % of the runs), and each family is fitted on its others. Two held-out runs of different families that are alike in
size and compute make one decision per benchmark: which of them scored higher? `compare` answers with a probability;
beside it stand orders that need no law: by the score of each family's largest fitted run, by the scores at the largest
scale that both families were fitted at, and by the mean difference over the three largest such scales (DataDecide,
arXiv 2504.11393, found the order at one scale hard to beat).

Prints, for each testbed, the share of decisions that were right, over all benchmarks, over those that can be forecast
(no grade F), over clear cases (scores apart by more than two standard errors of their difference) and over the mean
score of those that can be forecast; the Brier score of the probabilities (0.25 is a coin's) and, last, how often the
stated probabilities came true. Under 10 minutes on two idle cores.
"""

from __future__ import annotations

import itertools
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
from predictor.decisions.comparison import rank_forecasts
from predictor.decisions.contenders import fit_contenders
from predictor.decisions.correlation import Correlation, measure_correlation
from predictor.errors import ForecastError
from predictor.forecasting import Forecaster
from predictor.forecasting.forecaster import scores_by_run
from predictor.forecasting.panel import Panel, build_panel
from predictor.results import read_results
from predictor.results.series import Series

TESTBEDS = ("gadre", "pythia", "exp_emergence")
SHARES = (0.5, 0.65, 0.8, 0.9)
# Runs are alike when their sizes and their compute differ by less, in natural logarithms.
ALIKE = 0.4
COMMON_SCALES = 3
WAYS = {
    "expected": "predictor",
    "largest": "largest run",
    "scale": "largest common scale",
    "scales": f"{COMMON_SCALES} largest common scales",
}


def ends(panel: Panel) -> dict[str, int]:
    """Number the last checkpoint of each run."""
    last = {}
    for number, name in enumerate(panel.runs):
        index = np.flatnonzero(panel.run == number)
        last[name] = int(index[np.argmax(panel.tokens[index])])
    return last


def alike(a: Panel, i: int, b: Panel, j: int) -> bool:
    return bool(abs(np.log(a.params[i] / b.params[j])) < ALIKE and abs(np.log(a.flops[i] / b.flops[j])) < ALIKE)


def common_scales(a: Panel, b: Panel, row_a: int, row_b: int) -> list[float]:
    """Give the differences of score at the scales of which both have a run, the largest first."""
    found = []
    for i, j in itertools.product(ends(a).values(), ends(b).values()):
        gap = a.score[row_a, i] - b.score[row_b, j]
        if alike(a, i, b, j) and np.isfinite(gap):
            found.append((float(a.flops[i] + b.flops[j]), float(gap)))
    return [gap for _, gap in sorted(found, reverse=True)]


def decide(name: str, folder: Path, share: float) -> pd.DataFrame:
    """Make all decisions of one hold-out; one row per (pair of runs, benchmark), the mean as benchmark None."""
    results = read_results(folder / name)
    evals = results.evals
    trained = (
        evals[evals["tokens"] > 0].groupby(["family", "run"]).agg(params=("params", "max"), tokens=("tokens", "max"))
    )
    compute = trained["params"].astype(float) * trained["tokens"].astype(float)
    limit = float(np.quantile(compute, share, method="lower"))
    held = set(compute.index[compute > limit].get_level_values("run"))
    try:
        forecasters, _ = fit_contenders(replace(results, evals=evals[~evals["run"].isin(held)]), resamples=50)
    except ForecastError as error:
        Console(stderr=True).print(f"{name}, {share:.0%}: {error}")
        return pd.DataFrame()
    panels = {family: build_panel(results, family) for family in forecasters}
    correlation = measure_correlation(forecasters)
    rows = []
    for a, b in itertools.combinations(forecasters, 2):
        for (run_a, i), (run_b, j) in itertools.product(ends(panels[a]).items(), ends(panels[b]).items()):
            if run_a in held and run_b in held and alike(panels[a], i, panels[b], j):
                rows += decisions(forecasters, panels, (a, i), (b, j), correlation)
    return pd.DataFrame(rows).assign(testbed=name, share=share)


def decisions(
    forecasters: dict[str, Forecaster],
    panels: dict[str, Panel],
    first: tuple[str, int],
    second: tuple[str, int],
    correlation: Correlation,
) -> list[dict]:
    """Decide between two runs, each named by its family and the number of its last checkpoint in the panel."""
    (a, i), (b, j) = first, second
    answers, rows = {}, {}
    for family, place in (first, second):
        answer = forecasters[family].predict(panels[family].params[place], panels[family].tokens[place])
        answers[family] = {forecast.series: forecast for forecast in answer.forecasts}
        rows[family] = {series.key: row for row, series in enumerate(panels[family].series)}
    rankings, overall, _ = rank_forecasts(answers, {a: forecasters[a], b: forecasters[b]}, correlation)
    found = []
    for ranking in rankings:
        key = Series(ranking.task, ranking.metric, ranking.num_fewshot)
        truth = panels[a].score[rows[a][key], i] - panels[b].score[rows[b][key], j]
        if not np.isfinite(truth) or truth == 0:
            continue
        error = np.hypot(panels[a].stderr[rows[a][key], i], panels[b].stderr[rows[b][key], j])
        known = [forecasters[family].panel for family in (a, b)]
        own = [{series.key: row for row, series in enumerate(panel.series)}[key] for panel in known]
        gaps = common_scales(*known, *own)
        pair = ranking.pairs[0]
        found.append(
            {
                "task": ranking.task,
                "truth": truth,
                "clear": abs(truth) > 2 * error,
                "trusted": all(one.grade != "F" for one in ranking.standings),
                "probability": pair.probability if pair.a == a else 1 - pair.probability,
                "expected": pair.difference if pair.a == a else -pair.difference,
                "width": pair.intervals["80"][1] - pair.intervals["80"][0],
                "inside": abs(truth - (pair.difference if pair.a == a else -pair.difference))
                <= (pair.intervals["80"][1] - pair.intervals["80"][0]) / 2,
                "largest": last(known[0], own[0]) - last(known[1], own[1]),
                "scale": gaps[0] if gaps else np.nan,
                "scales": float(np.mean(gaps[:COMMON_SCALES])) if gaps else np.nan,
            }
        )
    trusted = [one for one in found if one["trusted"]]
    if overall is not None and trusted:
        pair = overall.pairs[0]
        mean = {
            name: float(np.mean([one[name] for one in trusted])) for name in ("truth", "largest", "scale", "scales")
        }
        expected = pair.difference if pair.a == a else -pair.difference
        width = pair.intervals["80"][1] - pair.intervals["80"][0]
        found.append(
            {
                "task": None,
                **mean,
                "clear": False,
                "trusted": False,
                "probability": pair.probability if pair.a == a else 1 - pair.probability,
                "expected": expected,
                "width": width,
                "inside": abs(mean["truth"] - expected) <= width / 2,
            }
        )
    return found


def last(panel: Panel, row: int) -> float:
    score, _, compute = scores_by_run(panel, row)
    return float(score[np.argmax(compute)])


def right(table: pd.DataFrame, way: str) -> str:
    """Give the share of decisions that a way got right, a tie counting half."""
    told = table[way].to_numpy(float)
    share = np.where(told == 0, 0.5, np.sign(told) == np.sign(table["truth"].to_numpy(float)))
    return "-" if len(share) == 0 or np.isnan(told).any() else f"{100 * share.mean():.1f}"


def print_accuracy(found: pd.DataFrame) -> None:
    table = Table(title="decisions that were right, in percent", title_justify="left", box=None, header_style="bold")
    for name in ("testbed", "benchmarks", "decisions", *WAYS.values(), "Brier", "inside 80 %"):
        table.add_column(name, justify="left" if name in ("testbed", "benchmarks") else "right")
    for name, own in found.groupby("testbed", sort=False):
        single = own[own["task"].notna()]
        kinds = {
            "all": single,
            "forecastable": single[single["trusted"]],
            "forecastable, clear": single[single["trusted"] & single["clear"]],
            "their mean": own[own["task"].isna()],
        }
        for kind, part in kinds.items():
            happened = (part["truth"] > 0).to_numpy(float)
            table.add_row(
                str(name),
                kind,
                str(len(part)),
                *(right(part, way) for way in WAYS),
                f"{((part['probability'] - happened) ** 2).mean():.3f}",
                f"{100 * part['inside'].mean():.0f} %",
            )
    Console(width=160).print(table)


def print_reliability(found: pd.DataFrame) -> None:
    table = Table(title="stated probability, and how often it came true", title_justify="left", box=None)
    for name in ("stated", "came true", "decisions"):
        table.add_column(name, justify="right")
    single = found[found["task"].notna()]
    stated = np.maximum(single["probability"], 1 - single["probability"])
    came = (single["probability"] > 0.5) == (single["truth"] > 0)
    for low, high in itertools.pairwise((0.5, 0.6, 0.7, 0.8, 0.9, 1.0)):
        band = (stated > low) & (stated <= high)
        if band.any():
            table.add_row(f"{100 * stated[band].mean():.0f} %", f"{100 * came[band].mean():.0f} %", str(band.sum()))
    Console(width=160).print(table)


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--only", type=click.Choice(TESTBEDS), multiple=True, help="Only these testbeds.")
@click.option("--processes", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write every decision as a Parquet table.")
def main(testbeds: Path, only: tuple[str, ...], processes: int, out: Path | None) -> None:
    jobs = [(name, share) for name in only or TESTBEDS for share in SHARES]
    with ProcessPoolExecutor(processes) as pool:
        tables = list(pool.map(decide, *zip(*((name, testbeds, share) for name, share in jobs), strict=True)))
    found = pd.concat([one for one in tables if len(one)], ignore_index=True)
    if out:
        found.to_parquet(out)
    print_accuracy(found)
    print_reliability(found)


if __name__ == "__main__":
    main()
