"""Scores of all benchmarks as rising curves over one ability that they share.

A benchmark alone says little about exponents; all of them together say which scale of ability orders the runs best
(the latent-skill models of Ruan et al. 2024, arXiv 2405.10938, and Polo et al. 2024, arXiv 2412.06540, with one skill).
Each benchmark keeps its own curve. Its ceiling is not determined as long as the score rises, so several are fitted and
averaged by how well they explain the scores: a benchmark that has levelled off below a perfect score stays there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from predictor.fitting import solve_batch, stable_generator
from predictor.forecasting.methods.method import Array, Resampling, effective_floor
from predictor.forecasting.panel import Panel

LINKS = ("gompertz", "logistic")
# Moves abilities of shape (G, T, M) after a look at the curves of one link, coordinates (G, T, 4), fitted to them.
Align = Callable[[str, Array, Array], Array]
# Candidate ceilings, as shares of the way from the level the largest runs reached to the score of a solved benchmark,
# whose wrong labels and ambiguous items leave it somewhat below one; and how likely each is beforehand.
_CEILINGS = (0.0, 0.2, 0.5, 0.8, 1.0)
_CEILING_PRIOR = (0.05, 0.1, 0.15, 0.2, 0.5)
_SOLVED = 0.92
# Scales that go on after the first round.
_SCALES_KEPT = 5
# Standard deviation of a score beyond its own error, before the residuals have said better, and the least it can be.
_MISFIT, _LEAST_MISFIT = 0.01, 0.004
# No curve of this form holds over a whole ladder: each unit of ability below the best run adds this much error, so that
# the runs next to the target count most.
_DRIFT = 0.02
_HUGE = 12.0
# Rounds in which all scales are tried.
_ROUNDS = 2
# Costs decide between candidates, and scores are read to a tenth of a point: neither needs more.
_TOLERANCE = 1e-4
_SCOUTING, _POLISHING = 10, 30


@dataclass(frozen=True)
class Curves:
    """K candidate curves for each of T series, of one link.

    Attributes:
        link: `gompertz` or `logistic`.
        scale: which scale each candidate is over, shape (K,).
        coordinates: intercept, slope, ceiling and floor, shape (K, T, 4).
        weight: how likely each is, summing to one over candidates, shape (K, T).
        drawn: candidate of each resample, shape (T, R).
        drawn_coordinates: its coordinates, disturbed by what the fit leaves open, shape (T, R, 4).
    """

    link: str
    scale: NDArray[np.intp]
    coordinates: Array
    weight: Array
    drawn: NDArray[np.intp]
    drawn_coordinates: Array

    def predict(self, ability: Array) -> Array:
        """Evaluate at abilities of shape (G, 1 + R) or (G, 1); gives (T, 1 + R)."""
        middle = np.sum(self.weight * curve(self.link, self.coordinates, ability[self.scale, :1]), axis=0)
        moved = np.broadcast_to(
            ability[:, 1:] if ability.shape[1] > 1 else ability, (len(ability), self.drawn.shape[1])
        )
        draws = curve(self.link, self.drawn_coordinates, moved[self.scale[self.drawn], np.arange(self.drawn.shape[1])])
        return np.concatenate([middle[:, None], draws], axis=1)


def curve(link: str, coordinates: Array, ability: Array) -> Array:
    """Give floor + (ceiling - floor)·F(intercept + slope·ability); the last axis of `coordinates` holds the four."""
    intercept, slope, ceiling, floor = (coordinates[..., place] for place in range(4))
    return np.asarray(floor + (ceiling - floor) * _share(link, intercept + slope * ability)[0])


def curve_slopes(link: str, coordinates: Array, ability: Array) -> Array:
    """Differentiate `curve` along intercept, slope, ceiling and floor; the first axis holds the four."""
    intercept, slope, ceiling, floor = (coordinates[..., place] for place in range(4))
    share, steepness = _share(link, intercept + slope * ability)
    rise = (ceiling - floor) * steepness
    return np.stack([rise, rise * ability, share, 1.0 - share])


def _share(link: str, inner: Array) -> tuple[Array, Array]:
    """Give F and its derivative."""
    inner = np.clip(inner, -40.0, 40.0)
    if link == "gompertz":
        decay = np.exp(-inner)
        share = np.exp(-decay)
        return share, share * decay
    share = 1.0 / (1.0 + np.exp(-inner))
    return share, share * (1.0 - share)


class _Fits(NamedTuple):
    """Fitted curves: coordinates (..., 4), costs (...) and covariances (..., 4, 4)."""

    coordinates: Array
    cost: Array
    covariance: Array


@dataclass(frozen=True)
class _Problem:
    """What one link's curves are fitted to."""

    link: str
    panel: Panel
    floor: Array
    prior_mean: Array
    prior_sd: Array

    def fit(self, ability: Array, ceiling: Array, start: Array, misfit: Array, iterations: int) -> _Fits:
        """Fit every series over G abilities (G, T, M), towards one ceiling each (T,), from starts (G, T, 4)."""
        fits = self.fit_towards(ability, ceiling[None], start[None], self.prior_sd[None], misfit, iterations)
        return _Fits(*(part[0] for part in (fits.coordinates, fits.cost, fits.covariance)))

    def fit_towards(
        self, ability: Array, ceilings: Array, starts: Array, prior_sd: Array, misfit: Array, iterations: int
    ) -> _Fits:
        """Fit every series over G abilities and towards C ceilings, all as one batch.

        Args:
            ability: shape (G, T, M).
            ceilings: shape (C, T).
            starts: shape (C, G, T, 4).
            prior_sd: of the coordinates, shape (C, T, 4).
            misfit: scatter beyond the scores' errors, shape (T,).
            iterations: at most so many.

        Returns:
            coordinates (C, G, T, 4), costs (C, G, T) and covariances (C, G, T, 4, 4).
        """
        scales, count = ability.shape[:2]
        shape = (len(ceilings), scales, count)
        below = _DRIFT * (ability.max(axis=2, keepdims=True) - ability)
        sigma = np.sqrt(self.panel.stderr**2 + misfit[:, None] ** 2 + below**2)
        # Problems in the order (ceiling, ability, series); what does not depend on the ceiling is picked by `place`.
        place, series = np.tile(np.arange(scales * count), len(ceilings)), np.tile(np.arange(count), shape[0] * scales)
        flat = ability.reshape(scales * count, -1)[place]

        def by_problem(values: Array) -> Array:
            return np.broadcast_to(values[:, None], (*shape, 4)).reshape(-1, 4)

        mean = np.broadcast_to(self.prior_mean, (shape[0], count, 4)).copy()
        mean[:, :, 2] = ceilings
        # A score may fall somewhat: forbidding it would read noise as a rise.
        lower = np.empty_like(mean)
        lower[..., 0], lower[..., 1], lower[..., 3] = -_HUGE, -0.3, np.maximum(self.floor - 0.1, 0.0)
        lower[..., 2] = np.maximum(ceilings - 0.08, self.floor + 0.01)
        upper = np.empty_like(mean)
        upper[..., 0], upper[..., 1], upper[..., 3] = _HUGE, 6.0, np.minimum(self.floor + 0.1, 1)
        upper[..., 2] = np.maximum(np.minimum(ceilings + 0.08, 1.0), lower[..., 2] + 1e-4)

        def model(theta: Array, which: NDArray[np.intp]) -> Array:
            return curve(self.link, theta[:, None, :], flat[which])

        def slopes(theta: Array, which: NDArray[np.intp]) -> Array:
            return curve_slopes(self.link, theta[:, None, :], flat[which])

        fit = solve_batch(
            model,
            self.panel.score[series],
            sigma.reshape(scales * count, -1)[place],
            np.ones(flat.shape),
            starts.reshape(-1, 4),
            by_problem(lower),
            by_problem(upper),
            by_problem(mean),
            by_problem(prior_sd),
            tolerance=_TOLERANCE,
            iterations=iterations,
            slopes=slopes,
        )
        return _Fits(
            fit.coordinates.reshape(*shape, 4), fit.cost.reshape(shape), fit.covariance().reshape(*shape, 4, 4)
        )

    def start(self, ceiling: Array, scales: int) -> Array:
        """Start all curves at the mean score."""
        share = np.clip((np.nanmean(self.panel.score, axis=1) - self.floor) / (ceiling - self.floor), 0.02, 0.98)
        intercept = -np.log(-np.log(share)) if self.link == "gompertz" else np.log(share / (1 - share))
        one = np.stack([intercept, self.prior_mean[:, 1], ceiling, self.floor], axis=1)
        return np.tile(one, (scales, 1, 1))


def fit_curves(
    link: str, panel: Panel, ability: Array, resampling: Resampling, purpose: str, align: Align | None = None
) -> Curves:
    """Fit candidate curves of one link to every series over abilities of shape (G, M), which `align` may move."""
    count = len(panel.series)
    ability = np.repeat(ability[:, None, :], count, axis=1)
    floor = effective_floor(panel)
    known = np.array([one.chance is not None for one in panel.series])
    mean = np.stack([np.full(count, -0.5), np.full(count, 0.5), np.full(count, 0.9), floor], axis=1)
    sd = np.stack([np.full(count, 3.0), np.full(count, 0.7), np.full(count, 0.03), np.where(known, 0.02, 0.1)], axis=1)
    problem = _Problem(link, panel, floor, mean, sd)
    highest = np.maximum(_SOLVED, np.minimum(np.nanmax(panel.score, axis=1) + 0.02, 1.0))
    misfit = np.full(count, _MISFIT)
    start = problem.start(highest, ability.shape[0])
    for _ in range(_ROUNDS if align is None else _ROUNDS + 1):
        found, cost, covariance = problem.fit(ability, highest, start, misfit, _SCOUTING)
        best = int(cost.sum(axis=1).argmin())
        _pool_slopes(problem, found[best, :, 1], covariance[best, :, 1, 1])
        start = found
        if align is not None:
            ability = align(link, found, ability)
    kept = np.argsort(cost.sum(axis=1), kind="stable")[:_SCALES_KEPT]
    reached = np.maximum(_level_reached(panel), floor + 0.02)
    start, ability = found[kept], ability[kept]
    fits = _over_ceilings(problem, ability[:1], (reached, highest), start[:1], misfit)
    misfit = _misfit(problem, ability[0], fits)
    fits = _over_ceilings(problem, ability, (reached, highest), start, misfit)
    prior = np.log(np.array(_CEILING_PRIOR))[:, None, None]
    evidence = prior - fits.cost
    # A scale is as likely as it makes the scores of all benchmarks together; a ceiling, as those of its own.
    top = evidence.max(axis=0)
    own = np.exp(evidence - top)
    scale_evidence = np.sum(top + np.log(own.sum(axis=0)), axis=1)
    scale_weight = np.exp(scale_evidence - scale_evidence.max())
    weight = own / own.sum(axis=0) * (scale_weight / scale_weight.sum())[None, :, None]
    coordinates, covariances = fits.coordinates.reshape(-1, count, 4), fits.covariance.reshape(-1, count, 4, 4)
    weight = weight.reshape(-1, count)
    drawn, moved = _draw(panel, coordinates, covariances, weight, resampling, f"{purpose} {link}")
    return Curves(link, np.tile(kept, len(_CEILINGS)), coordinates, weight, drawn, moved)


def _over_ceilings(
    problem: _Problem, ability: Array, levels: tuple[Array, Array], start: Array, misfit: Array
) -> _Fits:
    """Fit towards each candidate ceiling; the first axis of what is returned is that of `_CEILINGS`."""
    reached, highest = levels
    share = np.array(_CEILINGS)
    ceilings = np.clip(reached + np.maximum(highest - reached, 0.0) * share[:, None], problem.floor + 0.02, 1.0)
    starts = np.broadcast_to(start, (share.size, *start.shape)).copy()
    starts[..., 2] = ceilings[:, None]
    # The pooled slope belongs to curves that end near one; towards a low ceiling a score may rise in one step.
    sd = np.broadcast_to(problem.prior_sd, (share.size, *problem.prior_sd.shape)).copy()
    sd[..., 1] = np.sqrt(sd[..., 1] ** 2 + (4.0 * (1 - share[:, None]) ** 2) ** 2)
    return problem.fit_towards(ability, ceilings, starts, sd, misfit, _POLISHING)


def _pool_slopes(problem: _Problem, slope: Array, variance: Array) -> None:
    """Let the slopes of all series give the prior of each (empirical Bayes)."""
    if slope.size < 4:
        return
    weight = 1.0 / (np.maximum(variance, 1e-3) + 0.2)
    mean = float((weight * slope).sum() / weight.sum())
    spread = float(np.sqrt((weight * (slope - mean) ** 2).sum() / weight.sum()))
    problem.prior_mean[:, 1], problem.prior_sd[:, 1] = mean, max(spread, 0.1)


def _level_reached(panel: Panel) -> Array:
    """Give each series' median score over the third of its observations with the most compute, shape (T,)."""
    order = np.argsort(panel.flops, kind="stable")
    number = max(3, panel.params.size // 3)
    return np.array([np.median(row[order][np.isfinite(row[order])][-number:]) for row in panel.score])


def _misfit(problem: _Problem, ability: Array, fits: _Fits) -> Array:
    """Estimate from the residuals of the best curve, over abilities (T, M), the scatter beyond the errors (T,)."""
    series = np.arange(len(problem.panel.series))
    chosen = fits.coordinates[fits.cost[:, 0].argmin(axis=0), 0, series]
    residual = problem.panel.score - curve(problem.link, chosen[:, None, :], ability)
    excess = np.clip(residual**2 - problem.panel.stderr**2, -1.0, 0.02)
    near = np.exp(ability - ability.max()) * np.isfinite(excess)
    # As if two more observations of the usual scatter had been seen.
    held = 2 * near.mean(axis=1)
    variance = (1.15 * np.nansum(excess * near, axis=1) + held * _MISFIT**2) / (near.sum(axis=1) + held)
    return np.asarray(np.sqrt(np.maximum(variance, _LEAST_MISFIT**2)))


def _draw(
    panel: Panel, coordinates: Array, covariance: Array, weight: Array, resampling: Resampling, purpose: str
) -> tuple[NDArray[np.intp], Array]:
    """Draw candidates by their weights and coordinates from their Gaussian approximation."""
    number = resampling.resamples
    drawn = np.zeros((len(panel.series), number), dtype=np.intp)
    moved = np.zeros((len(panel.series), number, 4))
    for row, series in enumerate(panel.series if number else ()):
        generator = stable_generator(resampling.seed, purpose, series.label)
        drawn[row] = generator.choice(len(weight), size=number, p=weight[:, row] / weight[:, row].sum())
        noise = generator.standard_normal((number, 4))
        for candidate in np.unique(drawn[row]):
            which = drawn[row] == candidate
            values, vectors = np.linalg.eigh(covariance[candidate, row])
            root = vectors * np.sqrt(np.clip(values, 0.0, 9.0))
            moved[row, which] = coordinates[candidate, row] + noise[which] @ root.T
    moved[..., 2:] = np.clip(moved[..., 2:], 0.0, 1.0)
    return drawn, moved
