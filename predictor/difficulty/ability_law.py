"""The law that ability follows, fitted so that a few runs are not read as many observations.

Checkpoints of one run share what is particular to the run, as its shape or its learning rate: their scatter around a
law says little of how far the next run may lie from it. Runs of about one size do not determine an exponent of size at
all. Each run is therefore counted as one observation with the scatter between runs, and what the runs leave open is
taken from published fits: exponents, and the share of the reducible loss that size stands for.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from predictor.fitting import Draws, LawBatch, Prior, fit_law_batch, make_draws
from predictor.fitting.units import geometric_mean
from predictor.laws import Input, Law, Parameter

Array = NDArray[np.float64]

ABILITY = Law(
    name="ability_from_scale",
    title="ability from size and data, by the share of either",
    text="L = E + S·(w·N^-alpha + (1 - w)·D^-beta), N and D relative to the middle of the ladder",
    inputs=(
        Input("params", "relative", "parameters, relative to the middle of the ladder"),
        Input("tokens", "relative", "training tokens, relative to the middle of the ladder"),
    ),
    output="ability as a loss",
    parameters=(
        Parameter("E", "loss that no model gets below", 0, np.inf, (0.5, 2.0), "log"),
        Parameter("S", "reducible loss at the middle of the ladder", 0, np.inf, (0.5, 2.0), "log"),
        Parameter("w", "share of size in it", 0, 1, (0.7, 0.9)),
        Parameter("alpha", "exponent of size", 0.05, 1.5, (0.2, 0.45), "log"),
        Parameter("beta", "exponent of data", 0.05, 1.5, (0.23, 0.53), "log"),
    ),
    formula=lambda x, p: (
        p["E"] + p["S"] * (p["w"] * x["params"] ** -p["alpha"] + (1 - p["w"]) * x["tokens"] ** -p["beta"])
    ),
    source="Hoffmann et al. 2022, arXiv 2203.15556, in other parameters",
    gives="loss",
)
# An observation with e times less compute than the largest counts exp(-1/2) as much: laws bend, forecasts go upwards.
LOCALITY = 2.0
# Constants of the refit by Besiroglu et al. 2024, arXiv 2404.10102: they say how size and data share the loss.
_A, _ALPHA, _B, _BETA = 482.01, 0.3478, 2085.43, 0.3658
_SD_SHARE = 0.1
# Of the logarithms of the exponents: published ones lie between 0.2 and 0.5.
_SD_EXPONENT = 0.45
# The error of an ability read from many items, beside what is particular to a run.
_LEAST_ERROR = 0.003


def weighted(draws: Draws, weight: Array) -> Draws:
    """Put a fit with `weight` in the place of the first resample, and weigh all others so, too.

    `fit_law_batch` weighs resamples only; the weighted, undisturbed fit is the one that forecasts.
    """
    return replace(draws, weight=np.concatenate([draws.weight[:1], draws.weight * weight]),
                   noise=np.concatenate([draws.noise[:, :1], draws.noise], axis=1),
                   prior=np.concatenate([draws.prior[:, :1], draws.prior], axis=1))  # fmt: skip


def fit_ability_law(
    run: NDArray[np.intp], params: Array, tokens: Array, ability: Array, resamples: int, seed: int, purpose: str
) -> tuple[LawBatch, float, float]:
    """Fit the law to abilities.

    Args:
        run: number of each observation's run, shape (P,).
        params: N, shape (P,).
        tokens: D, shape (P,).
        ability: as a loss, shape (P,).
        resamples: Bayesian bootstrap copies over the runs.
        seed: of the resamples.
        purpose: keeps the resamples of one task apart from another's.

    Returns:
        the law with its resamples, and the units of N and D that it takes.
    """
    units = geometric_mean(params), geometric_mean(tokens)
    place = {"params": (params / units[0])[None, :], "tokens": (tokens / units[1])[None, :]}
    ability = np.maximum(ability, 1e-3)
    prior, starts = _prior(ability, *units)
    compute = np.log(params * tokens)
    weight = np.exp((compute - compute.max()) / LOCALITY)

    def fit(error: Array, number: int) -> LawBatch:
        draws = weighted(make_draws(run, [purpose], number, seed, "ability"), weight)
        found = fit_law_batch(ABILITY, place, ability[None, :], error[None, :], starts, prior, draws)
        return replace(found, coordinates=found.coordinates[:, 1:])

    first = fit(np.full(ability.size, _LEAST_ERROR), 0)
    rest = ability - predict_ability(first, place["params"][0], place["tokens"][0])
    # What the runs' means are off by, without what bends smoothly with size: that is misfit of the law, not scatter.
    heavy = np.bincount(run, weight)
    mean = np.bincount(run, weight * rest) / heavy
    place_of_run = np.bincount(run, weight * np.log(params)) / heavy
    bend = np.vander(place_of_run - place_of_run.mean(), min(3, max(heavy.size - 2, 1)))
    root = np.sqrt(heavy)[:, None]
    mean = mean - bend @ np.linalg.lstsq(root * bend, root[:, 0] * mean, rcond=None)[0]
    scatter = float(heavy @ mean**2 / heavy.sum()) * heavy.size / max(heavy.size - bend.shape[1], 1)
    number = np.bincount(run)[run]
    return fit(np.sqrt(_LEAST_ERROR**2 + scatter * number), resamples), *units


def predict_ability(law: LawBatch, params: Array, tokens: Array) -> Array:
    """Evaluate the undisturbed fit at P points, N and D in the law's units, shape (P,)."""
    values = ABILITY.outside(law.coordinates[:, 0])
    return np.asarray(ABILITY.predict({"params": params[None, :], "tokens": tokens[None, :]}, values)[0])


def _prior(ability: Array, params: float, tokens: float) -> tuple[Prior, Array]:
    ratio = _A * params**-_ALPHA / (_B * tokens**-_BETA)
    share = float(np.clip(ratio / (1 + ratio), 0.05, 0.95))
    lowest, spread = float(ability.min()), max(float(np.std(ability)), 1e-6)
    mean = np.array(
        [np.log(max(lowest - spread, 0.3 * lowest)), np.log(2 * spread), share, np.log(_ALPHA), np.log(_BETA)]
    )
    sd = np.array([0.7, 1.5, _SD_SHARE, _SD_EXPONENT, _SD_EXPONENT])
    lower = np.array([np.log(1e-3 * lowest), np.log(1e-4 * spread), 0.02, np.log(0.05), np.log(0.05)])
    upper = np.array([np.log(lowest), np.log(100 * spread), 0.98, np.log(1.5), np.log(1.5)])
    starts = [
        [np.log(part * lowest), np.log(2 * spread), share, np.log(exponent), np.log(exponent)]
        for part, exponent in itertools.product((0.5, 0.9), (0.2, 0.4))
    ]
    rows = (np.clip(mean, lower, upper), sd, lower, upper)
    return Prior(*(row[None, :] for row in rows)), np.clip(np.array(starts), lower, upper)[None, :, :]
