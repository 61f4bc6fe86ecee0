"""The published ways of forecasting a benchmark, by plain least squares of scipy: no priors, no pooling, no weights.

Each takes the observations of one family (`Panel`) and gives every benchmark's score at the targets, NaN where it needs
a loss that was not measured. Coefficients that are positive by their meaning are fitted by their logarithms, from a
few starts; the best of them counts.

- last_value: the score of the run of most compute
- linear_log_compute: Acc = a + b·ln C
- direct_log_accuracy: −ln((Acc − g)/(1 − g)) = A·C^−α (Krajewski et al. 2025, arXiv 2512.08894)
- bhagia_two_step: bits per byte of the right answers = E + A·N^−α + B·D^−β, then Acc = b + a/(1 + exp(k·(L − L0)))
  (Bhagia et al. 2024, arXiv 2412.04403)
- bhagia_flops: the same with E + A·C^−α in the first step
- gadre: held-out loss = E + (a·M^η + b·M^−η)·C^−η with M = D/N, then error = ε − k·exp(−γ·L)
  (Gadre et al. 2024, arXiv 2403.08540)
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from predictor.forecasting.panel import Panel

Array = NDArray[np.float64]
# Evaluations of one fit from one start.
_PATIENCE = 300


def least_squares_fit(model: Callable[[Array], Array], observed: Array, starts: Sequence[Sequence[float]]) -> Array:
    """Fit by unweighted least squares from each start; the coefficients of least squared error."""
    best, least = np.asarray(starts[0], dtype=float), np.inf

    def residual(theta: Array) -> Array:
        return np.nan_to_num(model(theta) - observed, nan=1e3, posinf=1e3, neginf=-1e3)

    with np.errstate(all="ignore"):
        for start in starts:
            fit = least_squares(residual, start, method="trf", x_scale="jac", max_nfev=_PATIENCE)
            if fit.cost < least:
                best, least = fit.x, fit.cost
    return best


def last_value(panel: Panel, params: Array, tokens: Array) -> Array:
    """Let nothing change."""
    largest = np.where(np.isfinite(panel.score), panel.flops, -np.inf).argmax(axis=1)
    return np.repeat(panel.score[np.arange(len(panel.series)), largest][:, None], params.size, axis=1)


def linear_log_compute(panel: Panel, params: Array, tokens: Array) -> Array:
    """Draw a straight line in the logarithm of compute."""

    def one(row: int) -> Array:
        seen = np.isfinite(panel.score[row])
        slope, level = np.polyfit(np.log(panel.flops[seen]), panel.score[row, seen], 1)
        return level + slope * np.log(6 * params * tokens)

    return _each(panel, params.size, one)


def direct_log_accuracy(panel: Panel, params: Array, tokens: Array) -> Array:
    """Fit a power law in compute to the logarithm of the score above chance; the last value where it has none."""
    middle = np.exp(np.log(panel.flops).mean())
    last = last_value(panel, params, tokens)

    def one(row: int) -> Array:
        chance = panel.series[row].chance or 0.0
        # A score at chance or below has no such logarithm and is left out; where two are not left, nothing is fitted.
        seen = panel.score[row] > chance + 1e-3
        if seen.sum() < 2:
            return last[row]
        compute, observed = np.log(panel.flops[seen] / middle), np.clip(panel.score[row, seen], None, 1 - 1e-6)
        loss = -np.log((observed - chance) / (1 - chance))
        theta = least_squares_fit(
            lambda theta: np.exp(theta[0] - np.exp(theta[1]) * compute),
            loss,
            [(np.log(loss.mean()), np.log(alpha)) for alpha in (0.05, 0.2)],
        )
        target = np.log(6 * params * tokens / middle)
        return chance + (1 - chance) * np.exp(-np.exp(theta[0] - np.exp(theta[1]) * target))

    return _each(panel, params.size, one)


def bhagia_two_step(panel: Panel, params: Array, tokens: Array) -> Array:
    """Through the task's own loss, a law of size and data."""
    size, length = np.exp(np.log(panel.params).mean()), np.exp(np.log(panel.tokens).mean())

    def loss_at(theta: Array, params: Array, tokens: Array) -> Array:
        own, data = np.log(params / size), np.log(tokens / length)
        alpha, beta = np.exp(theta[2]), np.exp(theta[4])
        return np.exp(theta[0]) + np.exp(theta[1] - alpha * own) + np.exp(theta[3] - beta * data)

    def starts(loss: Array) -> list[tuple[float, ...]]:
        lowest, rest = np.log(0.6 * loss.min()), np.log(0.2 * loss.mean())
        return [(lowest, rest, np.log(alpha), rest, np.log(alpha)) for alpha in (0.2, 0.4)]

    return _through_task_loss(panel, params, tokens, loss_at, starts)


def bhagia_flops(panel: Panel, params: Array, tokens: Array) -> Array:
    """Through the task's own loss, a law of compute."""
    middle = np.exp(np.log(panel.flops).mean())

    def loss_at(theta: Array, params: Array, tokens: Array) -> Array:
        compute = np.log(6 * params * tokens / middle)
        return np.exp(theta[0]) + np.exp(theta[1] - np.exp(theta[2]) * compute)

    def starts(loss: Array) -> list[tuple[float, ...]]:
        return [(np.log(0.6 * loss.min()), np.log(0.4 * loss.mean()), np.log(alpha)) for alpha in (0.1, 0.3)]

    return _through_task_loss(panel, params, tokens, loss_at, starts)


def gadre(panel: Panel, params: Array, tokens: Array) -> Array:
    """Through a held-out loss: of C4 where it was measured, else the first that was measured everywhere."""
    complete = [i for i in range(len(panel.heldout)) if np.isfinite(panel.heldout_loss[i]).all()]
    if not complete or len(panel.runs) < 3:
        return np.full((len(panel.series), params.size), np.nan)
    chosen = next((i for i in complete if "c4" in panel.heldout[i]), complete[0])
    loss = panel.heldout_loss[chosen]
    middle = np.exp(np.log(panel.flops).mean())
    factor = np.exp(np.log(panel.tokens / panel.params).mean())

    def loss_at(theta: Array, params: Array, tokens: Array) -> Array:
        eta, compute = np.exp(theta[3]), np.log(6 * params * tokens / middle)
        over = np.log(tokens / params / factor)
        rest = np.exp(theta[1] + eta * over) + np.exp(theta[2] - eta * over)
        return np.exp(theta[0]) + rest * np.exp(-eta * compute)

    rest = np.log(0.2 * loss.mean())
    theta = least_squares_fit(
        lambda theta: loss_at(theta, panel.params, panel.tokens),
        loss,
        [(np.log(0.6 * loss.min()), rest, rest, np.log(eta)) for eta in (0.1, 0.25)],
    )
    target = loss_at(theta, params, tokens)

    def one(row: int) -> Array:
        seen = np.isfinite(panel.score[row])
        error, at = 1 - panel.score[row, seen], loss[seen]
        starts = [(error.max() + 0.02, np.log(gamma) + 0.0, np.log(gamma)) for gamma in (0.5, 1.5)]
        link = least_squares_fit(
            lambda theta: theta[0] - np.exp(theta[1] - np.exp(theta[2]) * (at - at.mean())), error, starts
        )
        return 1 - (link[0] - np.exp(link[1] - np.exp(link[2]) * (target - at.mean())))

    return _each(panel, params.size, one)


PUBLISHED: dict[str, Callable[[Panel, Array, Array], Array]] = {
    way.__name__: way
    for way in (gadre, bhagia_two_step, bhagia_flops, direct_log_accuracy, linear_log_compute, last_value)
}


def _each(panel: Panel, targets: int, one: Callable[[int], Array]) -> Array:
    """Forecast each benchmark that two runs or more were scored on, within [0, 1]."""
    answer = np.full((len(panel.series), targets), np.nan)
    for row, scores in enumerate(panel.score):
        if np.unique(panel.run[np.isfinite(scores)]).size >= 2:
            answer[row] = np.clip(one(row), 0.0, 1.0)
    return answer


def _through_task_loss(
    panel: Panel,
    params: Array,
    tokens: Array,
    loss_at: Callable[[Array, Array, Array], Array],
    starts: Callable[[Array], list[tuple[float, ...]]],
) -> Array:
    def one(row: int) -> Array:
        seen = np.isfinite(panel.score[row]) & np.isfinite(panel.task_loss[row])
        if np.unique(panel.run[seen]).size < 3:
            return np.full(params.size, np.nan)
        loss, score = panel.task_loss[row, seen], panel.score[row, seen]
        size, length = panel.params[seen], panel.tokens[seen]
        theta = least_squares_fit(lambda theta: loss_at(theta, size, length), loss, starts(loss))
        centre, unit = loss.mean(), max(float(loss.std()), 1e-6)

        def sigmoid(link: Array, at: Array) -> Array:
            inner = np.clip(np.exp(link[2]) * ((at - centre) / unit - link[3]), -50, 50)
            return link[0] + np.exp(link[1]) / (1 + np.exp(inner))

        low, span = score.min() - 0.02, np.log(max(1.5 * (score.max() - score.min()), 0.05))
        link = least_squares_fit(
            lambda theta: sigmoid(theta, loss),
            score,
            [(low, span, np.log(k), middle) for k, middle in itertools.product((0.7, 2.0), (0.0, -1.5))],
        )
        return sigmoid(link, loss_at(theta, params, tokens))

    return _each(panel, params.size, one)
