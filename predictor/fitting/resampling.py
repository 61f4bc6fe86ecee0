"""Resampling: how much a fit depends on the runs that happened to be trained and on the noise of their scores."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from predictor.errors import InputError, UnknownNameError
from predictor.fitting.law_batch import Draws

Array = NDArray[np.float64]
By = Literal["runs", "pairs", "wild", "noise"]
KINDS: tuple[By, ...] = ("runs", "pairs", "wild", "noise")

# Columns of the prior's disturbance that are always drawn, and drawn first; more come after them.
_COLUMNS = 8
# No law of the library has more parameters; laws of more parts are to say how many.
_MOST_PARAMETERS = 16
# Below so many runs the two values of Rademacher give too few different resamples (Webb 2023, Canadian Journal of
# Economics 56:839).
_FEW_RUNS = 12
_WEBB = np.sqrt(np.array([0.5, 1.0, 1.5]))


def stable_generator(seed: int, *names: str) -> np.random.Generator:
    """Make a generator from a seed and names, so that one task's draws do not depend on which others are asked for."""
    digest = hashlib.sha256("\x1f".join(names).encode()).digest()
    return np.random.default_rng([seed, int.from_bytes(digest[:8], "big")])


def run_weights(run: NDArray[np.intp], draws: int, generator: np.random.Generator) -> Array:
    """Draw weights by the Bayesian bootstrap over runs (Rubin 1981, The Annals of Statistics 9:130).

    All checkpoints of a run share its weight: they are not independent. Dirichlet weights, unlike counts, never drop so
    many of a few runs that a law can no longer be fitted.

    Args:
        run: number of the run of each observation, shape (observations,).
        draws: how many resamples.
        generator: source of randomness.

    Returns:
        shape (draws, observations), mean one over runs.
    """
    runs, index = np.unique(run, return_inverse=True)
    weights = generator.dirichlet(np.ones(runs.size), size=draws) * runs.size
    return np.asarray(weights[:, index])


def pair_weights(run: NDArray[np.intp], draws: int, generator: np.random.Generator) -> Array:
    """Draw how often each run is drawn with replacement, shape (draws, observations): the classical bootstrap."""
    runs, index = np.unique(run, return_inverse=True)
    counts = generator.multinomial(runs.size, np.full(runs.size, 1 / runs.size), size=draws)
    return np.asarray(counts[:, index], dtype=float)


def wild_signs(run: NDArray[np.intp], draws: int, generator: np.random.Generator) -> Array:
    """Draw factors for residuals, one per run, of mean 0 and variance 1, shape (draws, observations).

    The wild cluster bootstrap keeps every run, and with it what a design determines, and turns the residuals of whole
    runs. Factors are -1 and 1, or Webb's six values where runs are few.

    Source:
        Cameron, Gelbach and Miller 2008, Review of Economics and Statistics 90:414.
    """
    runs, index = np.unique(run, return_inverse=True)
    values = np.array([1.0]) if runs.size >= _FEW_RUNS else _WEBB
    factors = generator.choice(np.concatenate([-values, values]), size=(draws, runs.size))
    return np.asarray(factors[:, index])


def resample_items(items: ArrayLike, draws: int, generator: np.random.Generator) -> Array:
    """Score every checkpoint on resampled items, the same ones for all checkpoints, as they were scored on the same.

    Args:
        items: score of each item at each checkpoint, shape (observations, items), NaN where it was not scored.
        draws: how many resamples.
        generator: source of randomness.

    Returns:
        mean scores, shape (draws + 1, observations); number 0 is that of the items as they are.

    Raises:
        InputError: there are no items.
    """
    table = np.asarray(items, float)
    if table.ndim != 2 or table.shape[1] == 0:
        raise InputError(
            f"items of shape {table.shape} cannot be resampled", "give one row per checkpoint, one column per item"
        )
    count = table.shape[1]
    seen = np.isfinite(table).astype(float)
    drawn = generator.multinomial(count, np.full(count, 1 / count), size=draws).astype(float)
    weight = np.vstack([np.ones(count), drawn])
    total = weight @ seen.T
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(total > 0, weight @ np.where(seen > 0, table, 0.0).T / total, np.nan))


def checkpoint_noise(values: ArrayLike, run: NDArray[np.intp], order: ArrayLike) -> float:
    """Estimate the noise of a single checkpoint from second differences along each run; nan without three in a row.

    A smooth trend drops out of second differences, whose variance is six times that of one checkpoint. The median makes
    single spikes count little.

    Args:
        values: scores or losses, on the scale on which they are fitted, shape (observations,).
        run: number of the run of each observation.
        order: what orders the checkpoints of a run, as its tokens.

    Source:
        Gasser, Sroka and Jennen-Steinmetz 1986, Biometrika 73:625.
    """
    seen, place = np.asarray(values, float), np.asarray(order, float)
    gaps = []
    for one in np.unique(run):
        index = np.flatnonzero((run == one) & np.isfinite(seen))
        gaps.append(np.diff(seen[index[np.argsort(place[index], kind="stable")]], n=2))
    every = np.concatenate(gaps) if gaps else np.array([])
    return float(np.median(np.abs(every)) * 1.4826 / np.sqrt(6)) if every.size else np.nan


def make_draws(
    run: NDArray[np.intp],
    names: Sequence[str],
    resamples: int,
    seed: int,
    purpose: str,
    by: By = "runs",
    parameters: int = _MOST_PARAMETERS,
    items: Sequence[Array] | None = None,
) -> Draws:
    """Prepare the undisturbed fit and `resamples` disturbed ones.

    Args:
        run: number of the run of each observation, shape (observations,).
        names: the series; each has its own stream of randomness.
        resamples: how many; 0 for the undisturbed fit alone.
        seed: the seed.
        purpose: what the draws are for; other purposes draw otherwise.
        by: what is disturbed beside the observations by their errors: `runs` weighs the runs by the Bayesian bootstrap,
            `pairs` draws them with replacement, `wild` turns their residuals, `noise` disturbs nothing else.
        parameters: how many parameters the law has at most.
        items: scores of the items of each series, shape (observations, items) each; where given, the series' values
            come from resampled items instead of the errors.

    Raises:
        UnknownNameError: there is no such kind.
    """
    if by not in KINDS:
        raise UnknownNameError("kind of resampling", by, KINDS)
    observations, count = run.size, resamples + 1
    columns = max(parameters, _COLUMNS)
    weight = np.ones((count, observations))
    noise = np.zeros((len(names), count, observations))
    prior = np.zeros((len(names), count, columns))
    sign = None
    if resamples:
        generator = stable_generator(seed, "runs")
        if by == "runs":
            weight[1:] = run_weights(run, resamples, generator)
        elif by == "pairs":
            weight[1:] = pair_weights(run, resamples, generator)
        elif by == "wild":
            sign = np.vstack([np.ones(observations), wild_signs(run, resamples, generator)])
        for number, name in enumerate(names):
            generator = stable_generator(seed, purpose, name)
            # What wild resampling turns holds the noise already.
            drawn = generator.standard_normal((resamples, observations))
            noise[number, 1:] = 0.0 if by == "wild" or items is not None else drawn
            prior[number, 1:, :_COLUMNS] = generator.standard_normal((resamples, _COLUMNS))
            prior[number, 1:, _COLUMNS:] = generator.standard_normal((resamples, columns - _COLUMNS))
    values = None
    if items is not None:
        series = zip(names, items, strict=True)
        values = np.stack(
            [resample_items(table, resamples, stable_generator(seed, "items", name)) for name, table in series]
        )
    return Draws(weight, noise, prior, sign, values)
