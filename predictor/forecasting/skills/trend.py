"""The population's trend in size and data, as a fit left it: what an atlas keeps of the models it was fitted to."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_factor, cho_solve

from predictor.forecasting.skills.covariance import Covariance
from predictor.forecasting.skills.kinship import Kinship
from predictor.forecasting.skills.world import PARAMS_ORIGIN, TOKENS_ORIGIN, Models

Array = NDArray[np.float64]

# Components that every model shares: what remains of them after a fit is the trend.
POPULATION = ("level", "size", "data", "bend")
_JITTER = 1e-6


@dataclass(frozen=True)
class Trend:
    """The trend at G points of a grid over T benchmarks, and how uncertain it is.

    Between the points it follows the covariance (the usual form of a sparse Gaussian process: Titsias 2009).

    Attributes:
        size: decades of parameters from 7B, shape (G,).
        data: decades of tokens from 1T, shape (G,).
        mean: latent scores, shape (G, T).
        covariance: of their errors, shape (G·T, G·T).
    """

    size: Array
    data: Array
    mean: Array
    covariance: Array

    @property
    def models(self) -> Models:
        """The points as models of no family."""
        return grid_models(self.size, self.data)

    def benchmarks(self, which: NDArray[np.intp]) -> Trend:
        """Select benchmarks by their place."""
        count = self.mean.shape[1]
        flat = (np.arange(len(self.size))[:, None] * count + which).ravel()
        return Trend(self.size, self.data, self.mean[:, which], self.covariance[np.ix_(flat, flat)])

    def bridge(
        self, covariance: Covariance, models: Models, benchmark: NDArray[np.intp], model: NDArray[np.intp]
    ) -> Array:
        """Compute how entries (model, benchmark) follow the trend at the points, shape (entries, G·T)."""
        population = covariance.only(POPULATION)
        points, place, own = self._entries()
        inner = population.between(points, own, place, points, own, place) + _JITTER * np.eye(own.size)
        cross = population.between(models, benchmark, model, points, own, place)
        return np.asarray(cho_solve(cho_factor(inner, lower=True), cross.T).T)

    def surplus(self, covariance: Covariance) -> Array:
        """Compute by how much the fit reduced the prior covariance at the points, shape (G·T, G·T)."""
        points, place, own = self._entries()
        population = covariance.only(POPULATION)
        return np.asarray(population.between(points, own, place, points, own, place) - self.covariance)

    def _entries(self) -> tuple[Models, NDArray[np.intp], NDArray[np.intp]]:
        count = self.mean.shape[1]
        points = np.repeat(np.arange(len(self.size)), count)
        return self.models, points, np.tile(np.arange(count), len(self.size))


def grid_models(size: Array, data: Array) -> Models:
    """Describe points of a grid as models of no family."""
    nobody = {"": Kinship("", False)}
    tokens = TOKENS_ORIGIN * 10.0**data
    return Models.of([""] * len(size), nobody, PARAMS_ORIGIN * 10.0**size, tokens, first=-1_000_000)
