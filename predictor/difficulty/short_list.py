"""A few items that stand for a whole benchmark.

Items are put in order by how near to being solved they will be a step beyond the ladder, neighbours in that order by
how fast they come nearer; the order is cut into as many strata of equal size as items are wanted, and one item of each
is drawn. Items that every model solves, items that none does and items that are about to turn are all there in their
proportion, so the plain mean of the answers estimates the whole score without bias for any model, however far beyond
the ladder; what the strata add is a smaller variance (stratified sampling with equal allocation, Cochran 1977, chapter
5). Choosing for the ladder at hand, as by anchor points or by fitted weights, does better near it and worse than chance
far from it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty import features
from predictor.difficulty.items import ItemTable
from predictor.errors import InputError

Array = NDArray[np.float64]

# A checkpoint with e times less compute counts exp(-1/2) as much for an item's level and trend.
LOCALITY = 2.0
# How far beyond the ladder's weighted middle items are put in order, in e-folds of compute.
AHEAD = 1.0
# Strata that neighbour in level and are told apart by trend.
BY_TREND = 2
# Share of the runs, those of most compute, on which the stated error is measured; with fewer runs than this it is
# measured on the runs that made the strata.
LEFT_OUT = 1 / 3
FEWEST_RUNS = 4


@dataclass(frozen=True)
class ShortList:
    """Items that stand for a task.

    Attributes:
        items: their places among the table's items, ascending, shape (S,).
        weights: each one's stratum as a share of all items, shape (S,); equal but for rounding.
        error: standard deviation of the estimate around the whole's score, over the draw, on runs of more compute than
            those that made the strata.
        plain_error: the same for the plain mean of as many items drawn at random.
        left_out: number of runs on which the errors were measured; 0 where there were too few to leave some out.
    """

    items: NDArray[np.intp]
    weights: Array
    error: float
    plain_error: float
    left_out: int

    def estimate(self, values: Array) -> Array:
        """Estimate the whole's score from values of all items, shape (M, K), or of the chosen alone, (M, S)."""
        chosen = values if values.shape[1] == self.items.size else values[:, self.items]
        return np.asarray(chosen @ self.weights)


def choose_items(
    values: Array, guide: Array, run: NDArray[np.str_], flops: Array, size: int, seed: int = 0
) -> ShortList:
    """Choose items from a ladder.

    Args:
        values: scores in [0, 1] of each item at each checkpoint, shape (M, K), without NaN.
        guide: what shows an item's progress before its score does, larger for nearer, shape (M, K), without NaN: the
            margin of the right choice, or minus its loss; `values` where nothing else was kept.
        run: shape (M,).
        flops: compute of the checkpoints, shape (M,).
        size: how many items, fewer than K.
        seed: of the draw.

    Raises:
        InputError: there are no more than `size` items.
    """
    count = values.shape[1]
    if not 1 <= size < count:
        advice = f"choose 1 to {count - 1}" if count > 1 else "score the only item"
        raise InputError(f"a list of {size} items cannot stand for {count}", advice)
    generator = np.random.default_rng(seed)
    strata = _strata(guide, flops, size)
    drawn = np.array([generator.choice(one) for one in strata], dtype=np.intp)
    weights = np.array([one.size for one in strata]) / count
    order = np.argsort(drawn)
    # The errors come from all items of the left-out runs, not from the one draw: nothing of it is chance.
    out = _largest(run, flops)
    tested = values[out] if out.any() else values
    known = ~out
    square = _variance(tested, _strata(guide[known], flops[known], size))
    plain = np.mean(tested.var(axis=1, ddof=1)) * (1 - size / count) / size
    return ShortList(
        drawn[order], weights[order], float(np.sqrt(square)), float(np.sqrt(plain)), int(np.unique(run[out]).size)
    )


def _largest(run: NDArray[np.str_], flops: Array) -> NDArray[np.bool_]:
    names = np.unique(run)
    if names.size < FEWEST_RUNS:
        return np.zeros(run.size, dtype=bool)
    order = np.argsort([-float(flops[run == name].max()) for name in names], kind="stable")
    return np.isin(run, names[order[: max(1, round(LEFT_OUT * names.size))]])


def _strata(guide: Array, flops: Array, size: int) -> list[NDArray[np.intp]]:
    """Cut the items into `size` strata, each a list of their places."""
    place = np.log(flops)
    weight = np.exp((place - place.max()) / LOCALITY)
    weight /= weight.sum()
    place = place - weight @ place
    level = weight @ guide
    spread = float(weight @ place**2)
    trend = (weight * place) @ (guide - level) / spread if spread > 0 else np.zeros_like(level)
    order = np.argsort(level + AHEAD * trend, kind="stable")
    blocks = np.array_split(order, max(1, size // BY_TREND))
    # Every other block is turned round, so that items at the seam of two blocks are alike.
    turned = [
        one[np.argsort(trend[one], kind="stable")[:: 1 if number % 2 == 0 else -1]] for number, one in enumerate(blocks)
    ]
    return list(np.array_split(np.concatenate(turned), size))


def _variance(values: Array, strata: list[NDArray[np.intp]]) -> float:
    """Average over checkpoints the variance of the estimate from one item of each stratum."""
    share = np.array([one.size for one in strata]) / values.shape[1]
    within = np.stack([values[:, one].var(axis=1) for one in strata], axis=1)
    return float(np.mean(within @ share**2))


def table_values(table: ItemTable) -> tuple[Array, Array]:
    """Give the score of each item that a short list estimates, and the guide to its progress.

    The score is right or wrong, the pass rate, or the item's progress where neither was kept.
    """
    name = next((one for one in ("correct", "pass_rate") if one in table.measures), None)
    values = features.fill(table.measures[name] if name else table.progress[1], table.run, table.tokens)
    if "margin" in table.measures:
        return values, features.fill(table.measures["margin"], table.run, table.tokens)
    if "nats" in table.measures:
        return values, -features.fill(table.measures["nats"], table.run, table.tokens)
    return values, values
