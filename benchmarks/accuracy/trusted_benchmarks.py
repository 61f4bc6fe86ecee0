"""Whether the benchmarks that `predictor signal` recommends from small runs decide larger runs better than others.

    python benchmarks/accuracy/trusted_benchmarks.py [--testbeds ../shared/testbeds]

The verdicts come from the small runs alone. Then the order of two runs on a benchmark, as the small runs have it, is
held against the order that the large runs have by the headline metric: of recipes of one size where families are
recipes (open_sci_ref and gadre); where there is one family (olmo_ladder), of runs that differ in compute.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from predictor.results import Results, read_results
from predictor.results.series import fill_shots
from predictor.statistics import signal
from predictor.statistics.signal_numbers import decisions, measure, newest
from predictor.statistics.trust import AVOID, USE, WEAK, SeriesSignal

# Testbed -> largest parameters of a small run.
SMALL = {"open_sci_ref": 5e8, "gadre": 2e8, "olmo_ladder": 8e8}


def split(results: Results, largest: float) -> tuple[Results, pd.DataFrame]:
    """Part the table at a size: what the verdicts are made from, and the large runs."""
    rows = results.evals
    small = rows["params"] <= largest
    return replace(results, evals=rows[small].reset_index(drop=True)), fill_shots(rows[~small])


def of_large(own: SeriesSignal, small: Results, large: pd.DataFrame) -> tuple[float, int]:
    """Share and number of pairs of large runs whose order the small runs have right."""
    task = fill_shots(small.evals)
    shots = -1 if own.num_fewshot is None else own.num_fewshot
    seen = task[(task["task"] == own.task) & (task["metric"] == own.metric) & (task["num_fewshot"] == shots)]
    info = small.tasks[own.task]
    asked = large[(large["task"] == own.task) & (large["metric"] == info.metric) & (large["num_fewshot"] == shots)]
    if asked.empty:
        return math.nan, 0
    lower = own.metric in ("bpb", "soft_nll", "nll_answer")
    low = newest(seen.assign(value=seen["value"] * (-1 if lower else 1)))
    right, pairs = decisions(low, newest(asked))
    if pairs:
        return right / pairs, pairs
    # One family: that more compute is better is what small runs say of larger ones.
    high = newest(asked)
    numbers = measure(asked, high, 1.0, np.full(len(asked), np.nan), {})
    return (1 + numbers.over_size) / 2, len(high) * (len(high) - 1) // 2


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--all", "everything", is_flag=True, help="Print every benchmark.")
def main(testbeds: Path, everything: bool) -> None:
    shown = Console(width=120)
    table = Table(title="order of large runs that small runs have right", title_justify="left", box=None)
    for name in ("testbed", "verdict from small runs", "benchmarks", "headline right", "lowest", "best metric right"):
        table.add_column(name, justify="left" if name in ("testbed", "verdict from small runs") else "right")
    for name, largest in SMALL.items():
        small, large = split(read_results(testbeds / name), largest)
        found = signal(small)
        heads = [own for own in found.series if own.headline]
        share = {own.label: of_large(own, small, large)[0] for own in heads}
        best = {own.label: (own.verdict, of_large(own, small, large)[0]) for own in found.best()}
        for verdict in (USE, WEAK, AVOID):
            own = [share[one.label] for one in heads if one.verdict == verdict and not math.isnan(share[one.label])]
            other = [value for chosen, value in best.values() if chosen == verdict and not math.isnan(value)]
            mean = f"{np.mean(own):.0%}" if own else "-"
            table.add_row(
                name,
                verdict,
                str(len(own)),
                mean,
                f"{min(own):.0%}" if own else "-",
                f"{np.mean(other):.0%} ({len(other)})" if other else "-",
            )
        if everything:
            for one in sorted(heads, key=lambda one: -share[one.label]):
                shown.print(f"{name} {one.label}: {share[one.label]:.0%} {one.verdict}, {one.reason}")
    shown.print(table)


if __name__ == "__main__":
    main()
