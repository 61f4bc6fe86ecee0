"""How exactly a short list of items estimates a whole benchmark, beside as many items drawn at random.

    python benchmarks/accuracy/short_tests.py [--testbeds ../shared/testbeds] [--size 100]

The list is chosen on the smaller runs of `gemstones` and tried on every checkpoint of the larger ones, which it has not
seen. The whole score is the mean over all items of one of three item scores: a smooth one, exp(-loss / mean loss), and
two that are right or wrong, whether the loss of the right answer lies below two nats, or below the median loss. The
testbed has no right-or-wrong answers of its own, and it is the only one with items of an MMLU-sized task.
"""

from __future__ import annotations

from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table

from predictor.difficulty import ItemTable, choose_items, item_table
from predictor.difficulty.items import tempered
from predictor.results import read_results

HELD_OUT = (1, 2, 4, 6, 9)
SEEDS = 20
RANDOM = 200


def item_scores(table: ItemTable) -> dict[str, np.ndarray]:
    """Give the three item scores, each of shape (M, K)."""
    nats = table.measures["nats"]
    return {
        "exp(-loss / mean)": tempered(nats),
        "loss < 2 nats": (nats < 2).astype(float),
        "loss < median": (nats < np.median(nats)).astype(float),
    }


def compare(values: np.ndarray, table: ItemTable, held: int, size: int) -> tuple[float, float, float, float]:
    """Give the mean square error of our estimates, its part that is bias, that of random items, and our stated error.

    The bias is what the estimates of all lists are off by on average, and is chance in part: lists are few.
    """
    out = np.isin(table.run, table.runs[-held:])
    seen, unseen = values[~out], values[out]
    whole = unseen.mean(axis=1)
    known = table.checkpoints(~out)
    lists = [choose_items(seen, -known.measures["nats"], known.run, known.flops, size, seed) for seed in range(SEEDS)]
    missed = np.array([one.estimate(unseen) - whole for one in lists])
    ours, bias = float(np.mean(missed**2)), float(np.mean(missed.mean(axis=0) ** 2))
    generator = np.random.default_rng(0)
    drawn = (generator.choice(values.shape[1], size, replace=False) for _ in range(RANDOM))
    plain = float(np.mean([(unseen[:, items].mean(axis=1) - whole) ** 2 for items in drawn]))
    return ours, bias, plain, float(np.mean([one.error for one in lists]))


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--size", default=100)
@click.option("--task", "tasks", multiple=True, default=("mmlu", "hellaswag"))
def main(testbeds: Path, size: int, tasks: tuple[str, ...]) -> None:
    results = read_results(testbeds / "gemstones")
    output = Table(title=f"{size} items, error in points on unseen runs", title_justify="left", box=None)
    columns = (
        "task",
        "items",
        "item score",
        "runs held out",
        "ours",
        "stated",
        "random",
        "bias",
        "square, ours / random",
    )
    for name in columns:
        output.add_column(name, justify="left" if name in ("task", "item score") else "right")
    for task in tasks:
        table = item_table(results, task)
        for name, values in item_scores(table).items():
            for held in HELD_OUT:
                ours, bias, plain, stated = compare(values, table, held, size)
                numbers = [f"{100 * one:.2f}" for one in (np.sqrt(ours), stated, np.sqrt(plain), np.sqrt(bias))]
                output.add_row(task, str(table.item.size), name, str(held), *numbers, f"{ours / plain:.2f}")
    Console(width=130).print(output)


if __name__ == "__main__":
    main()
