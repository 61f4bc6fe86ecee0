"""Scales of ability: numbers that grow with size and data, on which every benchmark's score is a rising curve."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from predictor.fitting.units import geometric_mean
from predictor.forecasting.methods.method import Array, Resampling
from predictor.forecasting.methods.two_step import LossLaws, fit_best_heldout
from predictor.forecasting.panel import Panel

# Exponents and the share of the size term that are tried; the scores of all benchmarks together say which hold.
_EXPONENTS = (0.15, 0.3, 0.5)
_SHARES = (0.2, 0.35, 0.5, 0.65, 0.8)


class Scales(Protocol):
    """G candidates for the ability of a model, each in units of its own spread over the M observations."""

    @property
    def observed(self) -> Array:
        """The ability of each observation, shape (G, M)."""
        ...

    def at(self, params: float, tokens: float) -> Array:
        """The ability of a model, shape (G, 1 + R) or (G, 1) where the resamples do not move it."""
        ...


@dataclass(frozen=True)
class LawScales:
    """-ln(w·N^-alpha + (1 - w)·D^-beta) for several exponents: the Chinchilla law's reducible loss, up to a factor.

    Attributes:
        constants: alpha, beta and w of each candidate, shape (G, 3).
        params: middle of the observed sizes.
        tokens: middle of the observed tokens.
        observed: shape (G, M).
        centre: mean over the observations before scaling, shape (G,).
        spread: their standard deviation, shape (G,).
    """

    constants: Array
    params: float
    tokens: float
    observed: Array
    centre: Array
    spread: Array

    @classmethod
    def of(cls, panel: Panel) -> LawScales:
        """Span the candidates over a panel's observations."""
        constants = np.array(list(itertools.product(_EXPONENTS, _EXPONENTS, _SHARES)))
        params, tokens = (geometric_mean(values) for values in (panel.params, panel.tokens))
        raw = _reducible(constants, panel.params / params, panel.tokens / tokens)
        centre, spread = raw.mean(axis=1), np.maximum(raw.std(axis=1), 1e-9)
        return cls(constants, params, tokens, (raw - centre[:, None]) / spread[:, None], centre, spread)

    def at(self, params: float, tokens: float) -> Array:
        """The ability of a model, shape (G, 1)."""
        raw = _reducible(self.constants, np.array([params / self.params]), np.array([tokens / self.tokens]))
        return np.asarray((raw - self.centre[:, None]) / self.spread[:, None])


def _reducible(constants: Array, params: Array, tokens: Array) -> Array:
    alpha, beta, share = (column[:, None] for column in constants.T)
    return np.asarray(-np.log(share * params**-alpha + (1 - share) * tokens**-beta))


@dataclass(frozen=True)
class HeldoutScale:
    """The negative of a held-out loss as its fitted law gives it, so that the noise of single runs is left out.

    Attributes:
        losses: the law of that loss.
        observed: shape (1, M).
        centre: mean over the observations before scaling.
        spread: their standard deviation.
    """

    losses: LossLaws
    observed: Array
    centre: float
    spread: float

    @classmethod
    def of(cls, panel: Panel, resampling: Resampling) -> HeldoutScale:
        """Fit the laws of the complete held-out losses and take the one that misfits least."""
        losses = fit_best_heldout(panel, resampling)[1]
        pairs = zip(panel.params, panel.tokens, strict=True)
        raw = np.array([-losses.predict(size, length)[0, 0] for size, length in pairs])
        centre, spread = float(raw.mean()), max(float(raw.std()), 1e-9)
        return cls(losses, ((raw - centre) / spread)[None, :], centre, spread)

    def at(self, params: float, tokens: float) -> Array:
        """The ability of a model, shape (1, 1 + R)."""
        return (-self.losses.predict(params, tokens) - self.centre) / self.spread
