"""How often the intervals of `predictor diff` hold a known truth, and how often its tests are wrong.

    python benchmarks/accuracy/differences.py [--draws 4000] [--testbeds ../shared/testbeds] [--store store/]

Items of two models are drawn with a known difference: right or wrong, or continuous; alone, or in groups that share a
part of the difference; from one run or from several seeds. Beside ours stand the interval that takes the two models'
items as independent of each other, and the one that takes items as independent. Then, on real items, how much narrower
pairing makes the interval.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
from rich.console import Console
from rich.table import Table
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from predictor.statistics import diff
from predictor.statistics.difference import adjust, average, paired, unpaired
from predictor.statistics.pairs import Pairs

LEVEL = 0.95


@dataclass(frozen=True)
class World:
    """How items are drawn.

    Attributes:
        items: how many.
        groups: into how many they fall, of unequal size; none for 0.
        sizes: `equal`, or `unequal` as the subjects of MMLU are.
        binary: whether items are right or wrong, else continuous.
        level: share of right answers of the first model.
        seeds: runs of a side.
        shared: correlation of an item's two answers.
        by_group: standard deviation of the true difference between groups, in units of an item's.
        by_seed: standard deviation between runs, in points of the score.
    """

    items: int
    groups: int = 0
    sizes: str = "equal"
    binary: bool = True
    level: float = 0.5
    seeds: int = 1
    shared: float = 0.6
    by_group: float = 0.0
    by_seed: float = 0.0


WORLDS = {
    "right or wrong, 100 items": World(100),
    "right or wrong, 1000 items": World(1000),
    "right or wrong, 95% right, 200 items": World(200, level=0.95),
    "right or wrong, 300 items, answers alike": World(300, shared=0.98),
    "continuous, 100 items": World(100, binary=False),
    "57 unequal subjects": World(1500, 57, "unequal", by_group=0.35),
    "57 unequal subjects, continuous": World(1500, 57, "unequal", binary=False, by_group=0.35),
    "12 equal subjects": World(600, 12, by_group=0.35),
    "200 documents of 3 questions": World(600, 200, by_group=0.6),
    "3 seeds a side": World(400, seeds=3, by_seed=0.02),
    "5 seeds a side, subjects": World(1500, 57, "unequal", seeds=5, by_group=0.35, by_seed=0.02),
}


def draw(world: World, shift: float, generator: np.random.Generator) -> Pairs:
    """Draw the items of two models whose latent answers differ by `shift` standard deviations of an item."""
    groups = group_of(world)
    common = np.sqrt(world.shared) * generator.standard_normal(world.items)
    moved = shift + (world.by_group * generator.standard_normal(groups.max() + 1)[groups] if world.groups else 0.0)
    sides = []
    for number in range(2):
        own = np.sqrt(1 - world.shared) * generator.standard_normal((world.seeds, world.items))
        run = world.by_seed * DENSITY * generator.standard_normal((world.seeds, 1))
        latent = middle(world) + common + own + run + number * moved
        sides.append((latent > 0).astype(float) if world.binary else latent)
    ones = np.ones(world.items)
    return Pairs(*sides, ones, np.full(world.items, ""), groups if world.groups else None, "subtask")


# One point of a score near a half is this many standard deviations of the latent answer.
DENSITY = np.sqrt(2 * np.pi)


def middle(world: World) -> float:
    return float(ndtri(world.level))


def group_of(world: World) -> np.ndarray:
    if not world.groups:
        return np.zeros(world.items, dtype=np.int64)
    shares = (
        np.ones(world.groups) if world.sizes == "equal" else np.random.default_rng(0).lognormal(0, 0.6, world.groups)
    )
    edges = np.cumsum(shares) / shares.sum()
    return np.searchsorted(edges, (np.arange(world.items) + 0.5) / world.items).astype(np.int64)


def truth(world: World, shift: float) -> float:
    """The true difference: of a random item and group, between runs on average."""
    if not world.binary:
        return shift
    seeds = (world.by_seed * DENSITY) ** 2
    first = ndtr(middle(world) / np.sqrt(1 + seeds))
    second = ndtr((middle(world) + shift) / np.sqrt(1 + seeds + (world.by_group**2 if world.groups else 0.0)))
    return float(second - first)


def shift_of(world: World, wanted: float) -> float:
    return float(brentq(lambda shift: truth(world, shift) - wanted, -3, 3))


def coverage(world: World, draws: int, seed: int) -> list[float]:
    """Shares of draws: held by ours at a difference of 3 points, by the unpaired one, by the one without groups; ours
    wrong under no difference; found at the difference that ours states as detectable."""
    generator = np.random.default_rng(seed)
    wanted = 0.03
    shift, none = shift_of(world, wanted), shift_of(world, 0.0)
    first = [paired(draw(world, none, generator)).detectable(LEVEL) for _ in range(200)]
    visible = float(np.median(first))
    strong = shift_of(world, -visible if world.binary and world.level + visible > 0.98 else visible)
    held = np.zeros(5)
    for _ in range(draws):
        pairs = draw(world, shift, generator)
        alone = Pairs(pairs.a, pairs.b, pairs.weights, pairs.subjects, None, "")
        ends = [estimate.interval(LEVEL) for estimate in (paired(pairs), unpaired(pairs), paired(alone))]
        held[:3] += [low <= wanted <= high for low, high in ends]
        held[3] += paired(draw(world, none, generator)).p_value() <= 1 - LEVEL
        held[4] += paired(draw(world, strong, generator)).p_value() <= 1 - LEVEL
    return (held / draws).tolist()


def families(draws: int, seed: int) -> dict[str, float]:
    """Shares of draws of 12 benchmarks without a difference in which one is called better or worse, and the mean's."""
    generator = np.random.default_rng(seed)
    world = World(300)
    wrong = {"unadjusted": 0.0, "Holm": 0.0, "Benjamini-Hochberg": 0.0, "mean of 12": 0.0}
    for _ in range(draws):
        found = [paired(draw(world, 0.0, generator)) for _ in range(12)]
        values = [estimate.p_value() for estimate in found]
        holm, shares = adjust(values, LEVEL)
        for name, least in zip(wrong, (min(values), min(holm), min(shares), average(found).p_value()), strict=True):
            wrong[name] += least <= 1 - LEVEL
    return {name: count / draws for name, count in wrong.items()}


def widths(where: Path, a: str, b: str, tasks: tuple[str, ...] | None = None) -> list[tuple[str, str, float, float]]:
    """Half widths of paired and unpaired intervals of a comparison on real items."""
    rows = diff(a, b, results=where, tasks=tasks, measures=("score", "bpb")).rows
    half: Callable[[tuple[float, float]], float] = lambda ends: (ends[1] - ends[0]) / 2  # noqa: E731
    return [(row.task, row.metric, half(row.interval), half(row.unpaired)) for row in rows if row.unpaired is not None]


@click.command()
@click.option("--draws", default=4000, show_default=True)
@click.option("--testbeds", type=click.Path(path_type=Path), default=Path("../shared/testbeds"), show_default=True)
@click.option("--store", type=click.Path(path_type=Path), help="A scored tiny ladder, as `predictor demo` leaves one.")
def main(draws: int, testbeds: Path, store: Path | None) -> None:
    shown = Console(width=110)
    table = Table(title=f"95% intervals, {draws} draws, in percent of draws", title_justify="left", box=None)
    table.add_column("items")
    for name in ("held", "unpaired", "no groups", "wrong at none", "power at 80"):
        table.add_column(name, justify="right")
    for seed, (name, world) in enumerate(WORLDS.items()):
        found = coverage(world, draws, seed)
        table.add_row(name, *(f"{100 * value:.1f}" for value in found))
    shown.print(table)
    found = families(draws // 2, 99)
    shown.print("a false finding among 12 benchmarks: " + ", ".join(f"{n} {100 * v:.1f}%" for n, v in found.items()))
    if (testbeds / "gemstones" / "items").is_dir():
        show_widths(shown, "gemstones, 1024x28 less 768x45 at 350B tokens", testbeds / "gemstones", "768x45", "1024x28")
    if store is not None:
        show_widths(shown, "tiny ladder, 133k less 66k", store, "66k", "133k")


def show_widths(shown: Console, title: str, where: Path, a: str, b: str) -> None:
    table = Table(title=f"half widths of 95% intervals: {title}", title_justify="left", box=None)
    for name in ("benchmark", "metric", "paired", "unpaired", "items saved"):
        table.add_column(name, justify="left" if name in ("benchmark", "metric") else "right")
    for task, metric, ours, plain in widths(where, a, b):
        table.add_row(task, metric, f"{ours:.4f}", f"{plain:.4f}", f"{plain**2 / ours**2:.1f}x" if ours else "-")
    shown.print(table)


if __name__ == "__main__":
    main()
