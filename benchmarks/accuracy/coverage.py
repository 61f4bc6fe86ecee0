"""How often the stated intervals hold the true coefficients: every law, from noisy draws of known ones.

    python benchmarks/accuracy/coverage.py [--seeds 200] [--laws a,b] [--profile] [--processes 2]

For each law the coefficients and the design of `tests/laws/cases.py` give exact values, to which each seed adds normal
noise: 0.3 % for laws fitted by logarithms, else 0.5 % of the values' range. Prints the share of the 80 % intervals that
hold the truth, over all coefficients and for the one that fares worst and best. An honest share lies between 72 % and
88 %. With `--profile` the profile-likelihood intervals are counted too, which takes some times longer. About ten
minutes on two cores with 200 seeds.
"""

from __future__ import annotations

import sys
import zlib
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from predictor.fitting import fit_law, profile_intervals
from predictor.laws import LAWS, get_law

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests.laws.cases import CASES

LEVEL = 0.8
HONEST = (0.72, 0.88)


def coverage(name: str, seeds: int, profile: bool) -> tuple[np.ndarray, np.ndarray, int]:
    """Give the share of intervals that hold each coefficient, by covariance and profile, and how many ended badly."""
    law, case = get_law(name), CASES[name]
    exact = law.evaluate(case.truth, case.inputs)
    held, held_by_profile, bad = [], [], 0
    for seed in range(seeds):
        # Laws must not share their noise, or one unlucky seed would count for all.
        noise = np.random.default_rng([seed, zlib.crc32(name.encode())]).standard_normal(exact.size)
        drawn = exact * np.exp(0.003 * noise) if law.fit_scale == "log" else exact + 0.005 * np.ptp(exact) * noise
        fit = fit_law(law, case.inputs, drawn, starts=4)
        bad += fit.status != "converged"
        found = fit.covariance_intervals(LEVEL)
        held.append([found[key][0] <= value <= found[key][1] for key, value in case.truth.items()])
        if profile:
            found = profile_intervals(fit, LEVEL).intervals
            held_by_profile.append([found[key][0] <= value <= found[key][1] for key, value in case.truth.items()])
    return np.mean(held, axis=0), np.mean(held_by_profile, axis=0) if profile else np.array([np.nan]), bad


def _row(shares: np.ndarray) -> list[str]:
    return [f"{100 * value:.1f} %" for value in (shares.mean(), shares.min(), shares.max())]


@click.command()
@click.option("--seeds", default=200, show_default=True, help="Draws of each law.")
@click.option("--laws", help="Some laws only, by name.")
@click.option("--profile", is_flag=True, help="Count profile-likelihood intervals too.")
@click.option("--processes", default=2, show_default=True)
def main(seeds: int, laws: str | None, profile: bool, processes: int) -> None:
    names = laws.split(",") if laws else list(LAWS)
    table = Table(title=f"80 % intervals that hold the truth, {seeds} draws", title_justify="left", box=None)
    columns = ["law", "runs", "coefficients", "all", "worst", "best"]
    for column in (*columns, *(["profile", "worst", "best"] if profile else []), "not converged", "72 to 88 %"):
        table.add_column(column, no_wrap=True, justify="left" if column == "law" else "right")
    with ProcessPoolExecutor(processes) as pool:
        for name, (shares, by_profile, bad) in zip(
            names, pool.map(partial(coverage, seeds=seeds, profile=profile), names), strict=True
        ):
            case = CASES[name]
            honest = HONEST[0] <= shares.mean() <= HONEST[1]
            runs = str(next(iter(case.inputs.values())).size)
            middle = _row(by_profile) if profile else []
            table.add_row(name, runs, str(len(case.truth)), *_row(shares), *middle, str(bad), "yes" if honest else "NO")
            Console(stderr=True).print(f"{name}: {100 * shares.mean():.1f} %")
    Console(width=150).print(table)


if __name__ == "__main__":
    main()
