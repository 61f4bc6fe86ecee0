"""Forecast a task's score from its items: ability as a law of size and data, the score as a curve over ability.

The loss of the right answers, averaged over items, jumps between checkpoints for reasons that have nothing to do with
the score. Ability is the same mean read from the items that scale, with what neighbouring checkpoints share discounted
(`predictor.difficulty.ability`). It follows L = E + A·N^-alpha + B·D^-beta, and the score is a sigmoid of it that is
held at chance for no ability and at one for all of it.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor.difficulty import features
from predictor.difficulty.ability import Ability, estimate_ability
from predictor.difficulty.items import ItemTable
from predictor.difficulty.mapping import SCORE_FROM_ABILITY
from predictor.errors import ForecastError
from predictor.fitting import Draws, LawBatch, Prior, fit_law_batch, make_draws
from predictor.laws import get_law

Array = NDArray[np.float64]

LOSS_LAW = get_law("chinchilla")
LINK = SCORE_FROM_ABILITY
FEWEST_RUNS = 3
# Checkpoints of a constant-rate run are averaged to this many observations: their noise is of one checkpoint each.
PER_RUN = 12
# An observation with e times less compute than the largest counts exp(-1/2) as much: laws bend, forecasts go upwards.
LOCALITY = 2.0
# Always allowed for: repeated runs differ by about as much.
_LOSS_ERROR = 0.003
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
        """Forecast a model's ability, as the mean loss of its right answers, shape (1 + R,)."""
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
    reason = refuse(table)
    if reason is not None:
        raise ForecastError(f"{table.task} cannot be forecast from its items: {reason}", "score more runs with items")
    table = table.checkpoints(table.final)
    losses = features.fill(item_losses(table), table.run, table.tokens)
    ability = estimate_ability(losses, table.run, table.params, table.tokens)
    block = _blocks(table)
    count = int(block.max()) + 1
    size = np.bincount(block, minlength=count)

    def mean(values: Array) -> Array:
        return np.asarray(np.bincount(block, values, count) / size)

    number = {name: i for i, name in enumerate(table.runs)}
    run = np.array([number[name] for name in table.run])
    first = np.array([int(np.flatnonzero(block == i)[0]) for i in range(count)])
    place = (run[first], mean(table.params), np.exp(mean(np.log(table.tokens))), mean(ability.value))
    compute = np.log(place[1] * place[2])
    local = np.exp((compute - compute.max()) / LOCALITY)
    law, params, tokens = _fit_law(*place, local, table.task, resamples, seed)
    seen = np.isfinite(table.score)
    known = np.bincount(block[seen], minlength=count)
    with np.errstate(invalid="ignore", divide="ignore"):
        score = np.bincount(block[seen], table.score[seen], count) / known
    link, centre, scale = _fit_link(place[0], place[3], score, table, np.ones(count), resamples, seed)
    return DifficultyForecast(ability, law, link, params, tokens, centre, scale)


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


def _weighted(draws: Draws, weight: Array) -> Draws:
    """Put a fit with `weight` in the place of the first resample, and weigh all others so, too.

    `fit_law_batch` weighs resamples only; the weighted, undisturbed fit is the one that forecasts.
    """
    return replace(draws, weight=np.concatenate([draws.weight[:1], draws.weight * weight]),
                   noise=np.concatenate([draws.noise[:, :1], draws.noise], axis=1),
                   prior=np.concatenate([draws.prior[:, :1], draws.prior], axis=1))  # fmt: skip


def _fit_law(
    run: NDArray[np.intp],
    params: Array,
    tokens: Array,
    ability: Array,
    weight: Array,
    task: str,
    resamples: int,
    seed: int,
) -> tuple[LawBatch, float, float]:
    reference = float(np.exp(np.mean(np.log(params)))), float(np.exp(np.mean(np.log(tokens))))
    ability = np.maximum(ability, 1e-3)
    lowest, spread = float(ability.min()), max(float(np.std(ability)), 1e-6)
    mean = np.array(
        [np.log(max(lowest - spread, 0.3 * lowest)), np.log(spread), np.log(0.3), np.log(spread), np.log(0.3)]
    )
    sd = np.array([0.7, 1.5, 0.4, 1.5, 0.4])
    lower = np.array([np.log(1e-3 * lowest), *([np.log(1e-4 * spread), np.log(0.05)] * 2)])
    upper = np.array([np.log(lowest), *([np.log(100 * spread), np.log(1.5)] * 2)])
    starts = [
        [np.log(share * lowest), np.log(spread), np.log(alpha), np.log(spread / 2), np.log(alpha)]
        for share, alpha in itertools.product((0.5, 0.9), (0.2, 0.4))
    ]
    draws = _weighted(make_draws(run, [task], resamples, seed, "ability"), weight)
    law = fit_law_batch(
        LOSS_LAW,
        {"params": (params / reference[0])[None, :], "tokens": (tokens / reference[1])[None, :]},
        ability[None, :],
        np.full((1, ability.size), _LOSS_ERROR),
        np.clip(np.array(starts), lower, upper)[None, :, :],
        Prior(np.clip(mean, lower, upper)[None, :], sd[None, :], lower[None, :], upper[None, :]),
        draws,
    )
    return replace(law, coordinates=law.coordinates[:, 1:]), *reference


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
    draws = _weighted(make_draws(run, [table.task], resamples, seed, "link"), weight)
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
