"""How long clustering takes: 15,000 items at 200 checkpoints, beside scikit-learn's mean shift called plainly.

OMP_NUM_THREADS=2 python benchmarks/speed/difficulty.py [--items 15000] [--checkpoints 200]
"""

from __future__ import annotations

import time

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from predictor.difficulty import cluster
from predictor.difficulty.clustering import METHODS


def draw_curves(items: int, checkpoints: int, seed: int) -> np.ndarray:
    """Draw items of logistic curves over the ladder, with noise of a checkpoint and of each item."""
    generator = np.random.default_rng(seed)
    place = np.linspace(-3, 3, checkpoints)
    difficulty, slope = generator.normal(0, 2, items), generator.lognormal(0, 0.4, items)
    rise = 1 / (1 + np.exp(-slope[:, None] * (place - difficulty[:, None])))
    return np.clip(rise + 0.05 * generator.standard_normal((items, checkpoints)), 0, 1)


@click.command()
@click.option("--items", default=15000)
@click.option("--checkpoints", default=200)
@click.option("--plain/--no-plain", default=True, help="Also call scikit-learn on the curves as they are.")
def main(items: int, checkpoints: int, plain: bool) -> None:
    curves = draw_curves(items, checkpoints, 0)
    table = Table(title=f"{items} items x {checkpoints} checkpoints", title_justify="left", box=None)
    for name in ("method", "seconds", "clusters", "outliers"):
        table.add_column(name, justify="left" if name == "method" else "right")
    for method in METHODS:
        began = time.perf_counter()
        found = cluster(curves, method, seed=0)
        seconds = time.perf_counter() - began
        table.add_row(method, f"{seconds:.1f}", str(found.count), str(int(np.sum(found.labels < 0))))
    if plain:
        from sklearn.cluster import MeanShift

        part = curves[:200]
        began = time.perf_counter()
        shift = MeanShift(bandwidth=0.5 * float(np.sqrt(((part - part.mean(0)) ** 2).sum(1).mean()))).fit(part)
        seconds = time.perf_counter() - began
        table.add_row("scikit-learn, 200 of the items only", f"{seconds:.1f}", str(len(shift.cluster_centers_)), "0")
    Console().print(table)


if __name__ == "__main__":
    main()
