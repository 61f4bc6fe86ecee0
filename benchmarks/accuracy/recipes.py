"""Planted pairs of recipes: how near the compute multiplier and the crossings are, and how often intervals hold them.

    python benchmarks/accuracy/recipes.py [--draws 100]

Each draw is a pair of ladders of 15 runs (21 for crossings) with known laws and noise of 0.3% of the loss (0.01% for
crossings, which lie where two losses are nearly equal). Prints the median answer, its spread, and the share of the 80%
intervals that hold the truth. About two minutes of processor time with 100 draws.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from predictor.decisions.multiplier import Multiplier, pair_multiplier
from predictor.forecasting.panel import build_panel
from predictor.results import read_results

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.decisions.planted import CROSSING, crossing_ladders, multiplied_ladders


def answer(frame: pd.DataFrame) -> Multiplier:
    """Compare the two families of a table at 7B parameters and 140B tokens."""
    with tempfile.TemporaryDirectory() as folder:
        frame.to_csv(Path(folder) / "evals.csv", index=False)
        results = read_results(Path(folder) / "evals.csv")
    return pair_multiplier(build_panel(results, "a"), build_panel(results, "b"), 7e9, 1.4e11)


@click.command()
@click.option("--draws", default=100, show_default=True)
def main(draws: int) -> None:
    table = Table(title=f"planted pairs, {draws} draws", title_justify="left", box=None)
    for column in ("planted", "truth", "median", "spread of ln", "80% intervals that hold", "found"):
        table.add_column(column, justify="right")
    for truth in (1.35, 0.70):
        found = [answer(multiplied_ladders(truth, seed=seed)).overall for seed in range(draws)]
        row("multiplier", truth, [one.multiplier for one in found], [one.interval for one in found], draws, table)
    pairs = [answer(crossing_ladders(noise=0.0001, seed=seed)).losses[0].crossings for seed in range(draws)]
    both = [crossings for crossings in pairs if len(crossings) == 2]
    for number, truth in enumerate(CROSSING):
        seen = [crossings[number] for crossings in both if crossings[number].interval]
        row("crossing", truth, [one.flops for one in seen], [one.interval for one in seen], draws, table)
    Console(width=120).print(table)


def row(
    name: str, truth: float, values: list[float], intervals: list[tuple[float, float]], draws: int, table: Table
) -> None:
    """Add the row of one planted number."""
    held = f"{100 * np.mean([low <= truth <= high for low, high in intervals]):.0f}%"
    spread = f"{np.std(np.log(values)):.3f}"
    table.add_row(name, f"{truth:.4g}", f"{np.median(values):.4g}", spread, held, f"{len(values)} of {draws}")


if __name__ == "__main__":
    main()
