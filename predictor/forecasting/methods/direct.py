"""One step: score, or error, from compute or from size and data."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np

from predictor.fitting import LawBatch, Prior, fit_law_batch, make_draws
from predictor.fitting.units import geometric_mean
from predictor.forecasting.methods.method import Array, Resampling, effective_floor, too_few_runs
from predictor.forecasting.panel import Panel
from predictor.laws import Law, get_law

# Scatter of a score beyond its own error that every fit allows for.
_SCATTER = 0.002


@dataclass(frozen=True)
class _Middle:
    """The middle of what was observed: relative to it priors can be stated, whatever the sizes are.

    Attributes:
        params: geometric mean of the sizes.
        tokens: of the training tokens.
        flops: of the computes.
    """

    params: float
    tokens: float
    flops: float

    @classmethod
    def of(cls, panel: Panel) -> _Middle:
        """Find it in a panel."""
        return cls(*(geometric_mean(one) for one in (panel.params, panel.tokens, panel.flops)))

    def inputs(self, params: Array, tokens: Array) -> dict[str, Array]:
        """Give a law's inputs relative to it."""
        return {
            "params": params / self.params,
            "tokens": tokens / self.tokens,
            "flops": 6.0 * params * tokens / self.flops,
        }


@dataclass(frozen=True)
class FittedDirect:
    """The law of every series.

    Attributes:
        law: the fits.
        middle: what the law's inputs are relative to.
        floor: chance levels, shape (T,).
        error: whether the law gives one minus the score.
    """

    law: LawBatch
    middle: _Middle
    floor: Array
    error: bool

    def predict(self, params: float, tokens: float) -> Array:
        """Evaluate the laws at a target, shape (T, 1 + R)."""
        inputs = {**self.middle.inputs(np.array(params), np.array(tokens)), "chance": self.floor[:, None]}
        value = self.law.predict({one.name: inputs[one.name] for one in self.law.law.inputs})
        return np.clip(1.0 - value, 0.0, 1.0) if self.error else value


def _fit(
    panel: Panel,
    law: Law,
    prior: tuple[Array, Array],
    starts: Array,
    resampling: Resampling,
    purpose: str,
    error: bool = False,
) -> FittedDirect:
    """Fit all series and resamples together; prior means and standard deviations have shape (parameters,)."""
    count, floor = len(panel.series), effective_floor(panel)
    middle = _Middle.of(panel)
    known = {**middle.inputs(panel.params, panel.tokens), "chance": floor[:, None]}
    bounds = law.inside(np.array([[p.lower for p in law.parameters], [p.upper for p in law.parameters]]))
    fit = fit_law_batch(
        law,
        {one.name: np.broadcast_to(known[one.name], panel.score.shape) for one in law.inputs},
        1.0 - panel.score if error else panel.score,
        np.sqrt(panel.stderr**2 + _SCATTER**2),
        np.tile(starts, (count, 1, 1)),
        Prior(*(np.tile(row, (count, 1)) for row in (*prior, *bounds))),
        make_draws(panel.run, [one.label for one in panel.series], resampling.resamples, resampling.seed, purpose),
        quick=True,
    )
    return FittedDirect(fit, middle, floor, error)


@dataclass(frozen=True)
class Direct:
    """-ln((Acc - g)/(1 - g)) = A·C^-alpha for each series (Krajewski et al. 2025, arXiv 2512.08894)."""

    name: str = "direct"
    title: str = "score from compute in one step"

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series with fewer than two runs: a curve needs two points."""
        return too_few_runs(panel, 2)

    def fit(self, panel: Panel, resampling: Resampling) -> FittedDirect:
        """Fit all series and resamples together."""
        # On ln A and ln alpha.
        prior = np.array([0.0, np.log(0.15)]), np.array([1.5, 0.6])
        starts = np.log(list(itertools.product((0.3, 2.0), (0.06, 0.3))))
        return _fit(panel, get_law("direct_log_accuracy"), prior, starts, resampling, self.name)


@dataclass(frozen=True)
class DirectSizeAndData:
    """-ln((Acc - g)/(1 - g)) = A·N^-alpha + B·D^-beta for each series (Krajewski et al. 2025, arXiv 2512.08894)."""

    name: str = "direct_nd"
    title: str = "score from size and data in one step"

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series with fewer than three runs."""
        return too_few_runs(panel, 3)

    def fit(self, panel: Panel, resampling: Resampling) -> FittedDirect:
        """Fit all series and resamples together."""
        # On ln A, ln alpha, ln B and ln beta.
        prior = np.array([-0.7, np.log(0.3)] * 2), np.array([1.5, 0.6] * 2)
        starts = np.log([[a, 0.3, b, 0.3] for a, b in itertools.product((0.15, 1.0), (0.15, 1.0))])
        return _fit(panel, get_law("direct_log_accuracy_nd"), prior, starts, resampling, self.name)


@dataclass(frozen=True)
class BrokenPower:
    """Error from compute as a power law with one smooth break (Caballero et al. 2022, arXiv 2210.14891)."""

    name: str = "broken_power"
    title: str = "error from compute by a power law that breaks once"

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series with fewer than four runs: with less, no break is seen."""
        return too_few_runs(panel, 4)

    def fit(self, panel: Panel, resampling: Resampling) -> FittedDirect:
        """Fit all series and resamples together."""
        spread = float(np.ptp(np.log(panel.flops)))
        # On a, ln b, c0, c1, ln d and ln f: before any data a straight power, whose break may lie anywhere observed.
        prior = (
            np.array([0.05, -0.5, 0.1, 0.0, 0.0, np.log(0.15 * spread)]),
            np.array([0.05, 0.5, 0.1, 0.15, 0.5 * spread, 0.7]),
        )
        starts = np.array([[0.05, -0.5, 0.05, c, d, np.log(0.15 * spread)] for c in (0.0, 0.1) for d in (-0.2, 0.3)])
        starts[:, 4] *= spread
        return _fit(panel, get_law("broken_power"), prior, starts, resampling, self.name, error=True)
