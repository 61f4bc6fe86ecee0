"""Forecast a task's score from its items: ability as a law of size and data, the score as a curve over ability.

The loss of the right answers, averaged over items, jumps between checkpoints for reasons that have nothing to do with
the score. Ability is the same mean read from the items that scale, with what neighbouring checkpoints share discounted
(`predictor.difficulty.ability`), and is shared by all tasks whose items were kept at the same checkpoints. It follows
L = E + A·N^-alpha + B·D^-beta, and a task's score is a sigmoid of it that is held at chance for no ability and at one
for all of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty import features
from predictor.difficulty.ability import Ability, estimate_ability
from predictor.difficulty.ability_law import fit_ability_law, predict_ability, weighted
from predictor.difficulty.items import ItemTable
from predictor.difficulty.mapping import SCORE_FROM_ABILITY
from predictor.errors import ForecastError
from predictor.fitting import LawBatch, Prior, fit_law_batch, make_draws

Array = NDArray[np.float64]

LINK = SCORE_FROM_ABILITY
FEWEST_RUNS = 3
# Checkpoints of a constant-rate run are averaged to this many observations: their noise is of one checkpoint each.
PER_RUN = 12
# Items of one task from which ability is read, taken evenly from all: more do not make it steadier.
MOST_ITEMS = 2500
# Share of a run's deviation from the law of ability that is taken to be real, and to show in the score.
RELIABILITY = 0.5
_SCORE_ERROR = 0.01


@dataclass(frozen=True)
class DifficultyForecast:
    """A task's laws; R resamples beside the undisturbed fit.

    Attributes:
        ability: of the checkpoints that were fitted.
        law: ability from size and data, relative to `params` and `tokens`.
        link: score from ability, measured from `centre` in units of `scale`.
    """

    ability: Ability
    law: LawBatch
    link: LawBatch
    params: float
    tokens: float
    centre: float
    scale: float

    def predict_ability(self, params: float, tokens: float) -> Array:
        """Forecast a model's ability, as a loss in the unit of `ability`, shape (1 + R,)."""
        point = {"params": np.array(params / self.params), "tokens": np.array(tokens / self.tokens)}
        return self.law.predict(point)[0]

    def predict(self, params: float, tokens: float) -> Array:
        """Forecast a model's score, shape (1 + R,): first the undisturbed fit's, then the resamples'."""
        loss = self.predict_ability(params, tokens)
        return np.clip(self.link.predict({"loss": (loss - self.centre) / self.scale})[0], 0.0, 1.0)


def refuse(table: ItemTable) -> str | None:
    """Say why a task cannot be forecast from its items, or None."""
    if not {"nats", "probability"} & set(table.measures):
        return "its items have no losses of the right answers"
    usable = table.final & np.isfinite(table.score)
    runs = len(set(table.run[usable].tolist()))
    if runs < FEWEST_RUNS:
        return f"only {runs} runs have items and a score, {FEWEST_RUNS} are needed"
    if np.ptp(np.log(table.flops[usable])) < 0.1:
        return "all runs have the same compute"
    return None


def item_losses(table: ItemTable) -> Array:
    """Give each item's loss, shape (M, K): minus the logarithm of the right choice's probability among the choices,
    or the nats of the right answer where that is all that was kept."""
    if "probability" in table.measures:
        return -np.log(np.clip(table.measures["probability"], 1e-4, 1.0))
    return table.measure("nats")[1]


def fit_difficulty(table: ItemTable, resamples: int = 0, seed: int = 0) -> DifficultyForecast:
    """Fit a task's laws to its items.

    Args:
        table: the items with the task's scores.
        resamples: copies of the data in which runs are weighted by a Bayesian bootstrap and scores moved by their
            standard errors.
        seed: of the resampling.

    Raises:
        ForecastError: the items carry no forecast; `refuse` says so beforehand.
    """
    return fit_difficulties([table], resamples, seed)[0]


def fit_difficulties(tables: Sequence[ItemTable], resamples: int = 0, seed: int = 0) -> list[DifficultyForecast]:
    """Fit the laws of several tasks; those with items at the same checkpoints share one ability, read from all of them.

    What orders the runs is the same for all tasks, and the more items say it, the less it depends on those of one.

    Args:
        tables: the items of each task, with its scores.
        resamples: see `fit_difficulty`.
        seed: of the resampling.

    Raises:
        ForecastError: the items of a task carry no forecast.
    """
    for table in tables:
        reason = refuse(table)
        if reason is not None:
            raise ForecastError(
                f"{table.task} cannot be forecast from its items: {reason}", "score more runs with items"
            )
    tables = [thin(table if table.final.all() else table.checkpoints(table.final)) for table in tables]
    groups: dict[bytes, list[int]] = {}
    for i, table in enumerate(tables):
        place = f"{table.run.tolist()} {table.tokens.tolist()} {table.params.tolist()}"
        groups.setdefault(place.encode(), []).append(i)
    found: dict[int, DifficultyForecast] = {}
    for rows in groups.values():
        found |= dict(zip(rows, _fit_group([tables[i] for i in rows], resamples, seed), strict=True))
    return [found[i] for i in range(len(tables))]


def thin(table: ItemTable) -> ItemTable:
    """Keep at most `MOST_ITEMS` items, taken evenly, so that every part of a task is there in its proportion."""
    count = table.item.size
    if count <= MOST_ITEMS:
        return table
    keep = np.zeros(count, dtype=bool)
    keep[np.linspace(0, count - 1, MOST_ITEMS).astype(np.intp)] = True
    return table.items(keep)


def _fit_group(tables: list[ItemTable], resamples: int, seed: int) -> list[DifficultyForecast]:
    first = tables[0]
    ability = estimate_ability(_pooled_losses(tables), first.run, first.params, first.tokens)
    block = _blocks(first)
    count = int(block.max()) + 1
    size = np.bincount(block, minlength=count)

    def mean(values: Array) -> Array:
        return np.asarray(np.bincount(block, values, count) / size)

    number = {name: i for i, name in enumerate(first.runs)}
    run = np.array([number[name] for name in first.run])[[int(np.flatnonzero(block == i)[0]) for i in range(count)]]
    params, tokens, observed = mean(first.params), np.exp(mean(np.log(first.tokens))), mean(ability.value)
    purpose = " ".join(table.task for table in tables)
    law, *units = fit_ability_law(run, params, tokens, observed, resamples, seed, purpose)
    # An observed ability is partly chance of its run. A curve over it would be too flat (errors in variables); one over
    # the law's ability would take nothing of what is particular to a run for real.
    expected = predict_ability(law, params / units[0], tokens / units[1])
    calibrated = RELIABILITY * observed + (1 - RELIABILITY) * expected
    fits = []
    for table in tables:
        seen = np.isfinite(table.score)
        known = np.bincount(block[seen], minlength=count)
        with np.errstate(invalid="ignore", divide="ignore"):
            score = np.bincount(block[seen], table.score[seen], count) / known
        link, centre, scale = _fit_link(run, calibrated, score, table, np.ones(count), resamples, seed)
        fits.append(DifficultyForecast(ability, law, link, units[0], units[1], centre, scale))
    return fits


def _pooled_losses(tables: list[ItemTable]) -> Array:
    """Stand the items of all tasks beside each other, each task with the same sum of squares; shape (M, K)."""
    pieces = []
    for table in tables:
        losses = features.fill(item_losses(table), table.run, table.tokens)
        if len(tables) > 1:
            around = losses - losses.mean(axis=0)
            spread = float(np.sqrt(np.sum(around**2) / losses.shape[0]))
            # A task whose items never change says nothing of ability, and is not to be blown up.
            losses = losses / (spread if spread > 1e-6 else 1.0)
        pieces.append(losses)
    pooled = np.concatenate(pieces, axis=1)
    return pooled * np.sqrt(pooled.shape[1]) if len(tables) > 1 else pooled


def _blocks(table: ItemTable) -> NDArray[np.intp]:
    """Number the observations: neighbouring checkpoints of a run share one, at most `PER_RUN` for a run."""
    block = np.empty(table.run.size, dtype=np.intp)
    start = 0
    for name in table.runs:
        index = np.flatnonzero(table.run == name)
        index = index[np.argsort(table.tokens[index], kind="stable")]
        number = min(PER_RUN, index.size)
        block[index] = start + np.arange(index.size) * number // index.size
        start += number
    return block


def _fit_link(
    run: NDArray[np.intp], ability: Array, score: Array, table: ItemTable, weight: Array, resamples: int, seed: int
) -> tuple[LawBatch, float, float]:
    seen = np.isfinite(score)
    centre, scale = float(ability[seen].mean()), max(float(np.std(ability[seen])), 1e-6)
    error = float(np.nanmedian(table.score_stderr)) if np.isfinite(table.score_stderr).any() else _SCORE_ERROR
    # Small models can be worse than guessing: a curve that started at chance would bend towards a level never seen.
    floor = float(np.clip(min(table.chance, np.nanmin(score) + 2 * error), 0.0, 0.95))
    mean, sd = np.array([floor, np.log(0.5), -6.0]), np.array([0.02, 0.4, 6.0])
    lower = np.array([max(floor - 0.1, 0.0), np.log(0.05), -40.0])
    upper = np.array([min(floor + 0.1, 1.0), np.log(20.0), 8.0])
    starts = [[floor, np.log(k), middle] for k, middle in itertools.product((0.5, 1.5), (-0.5, -2.5))]
    draws = weighted(make_draws(run, [table.task], resamples, seed, "link"), weight)
    law = fit_law_batch(
        LINK,
        {"loss": ((ability - centre) / scale)[None, :]},
        score[None, :],
        np.full((1, score.size), max(error, 0.002)),
        np.clip(np.array(starts), lower, upper)[None, :, :],
        Prior(np.clip(mean, lower, upper)[None, :], sd[None, :], lower[None, :], upper[None, :]),
        draws,
    )
    return replace(law, coordinates=law.coordinates[:, 1:]), centre, scale
