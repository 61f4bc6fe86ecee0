"""The covariance of latent scores: kernels over models, each with a matrix over benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.skills.world import Models

Array = NDArray[np.float64]

# Skills per component beside what is a benchmark's own; set beforehand, other numbers were not tried.
SKILLS = 2
# Decades of size or data over which the population's trend bends.
_BEND = 0.7


@dataclass(frozen=True)
class Component:
    """One source of variation between models, with the prior of its size.

    Attributes:
        name: what it is.
        shared: standard deviation of the part that all benchmarks share, in logits (per decade for slopes).
        own: standard deviation of the part that is one benchmark's own.
    """

    name: str
    shared: float
    own: float


# Centres of the priors, in logits; the likelihood of a table moves them by factors.
COMPONENTS = (
    Component("level", 1.0, 1.0),
    Component("size", 1.0, 0.3),
    Component("data", 0.7, 0.3),
    Component("bend", 0.3, 0.3),
    Component("tuned", 0.3, 0.3),
    Component("base", 0.3, 0.2),
    Component("family", 0.3, 0.2),
    Component("own_size", 0.15, 0.1),
    Component("model", 0.1, 0.12),
    Component("unknown", 0.2, 0.1),
)


def kernels(a: Models, b: Models) -> dict[str, Array]:
    """Compute each component's kernel between two sets of models, shape (len(a), len(b))."""
    size, data = a.size[:, None] - b.size, a.data[:, None] - b.data
    base = (a.base[:, None] == b.base).astype(float)
    sizes = a.size[:, None] * b.size
    same = (a.number[:, None] == b.number).astype(float)
    return {
        "level": np.ones_like(size),
        "size": sizes,
        "data": a.data[:, None] * b.data,
        "bend": np.exp(-0.5 * (size**2 + data**2) / _BEND**2),
        "tuned": a.tuned[:, None] * b.tuned,
        "base": base,
        "family": (a.family[:, None] == b.family).astype(float),
        "own_size": base * sizes,
        "model": same,
        "unknown": same * a.unknown[:, None],
    }


def used_components(models: Models) -> tuple[Component, ...]:
    """Return the components that can tell a set of models apart: none for tuned models where there are none."""
    without = set()
    if not models.tuned.any():
        without.add("tuned")
    if not models.unknown.any():
        without.add("unknown")
    if len(set(zip(models.base, models.family, strict=True))) == len(set(models.base)):
        without.add("base")
    return tuple(one for one in COMPONENTS if one.name not in without)


@dataclass(frozen=True)
class Covariance:
    """Covariances between benchmarks for each component: skills and what is each benchmark's own.

    Attributes:
        components: the sources of variation.
        loadings: component -> loadings of the T benchmarks on its skills, shape (T, SKILLS).
        own: component -> standard deviation of each benchmark's own part, shape (T,).
    """

    components: tuple[Component, ...]
    loadings: dict[str, Array]
    own: dict[str, Array]

    @classmethod
    def prior(cls, components: Sequence[Component], benchmarks: int) -> Covariance:
        """Return the centre of the prior, with small loadings on all but the first skill."""
        # Fixed draws break the symmetry between skills; which ones changes nothing.
        draws = np.random.default_rng(0)
        loadings, own = {}, {}
        for one in components:
            first = np.full((benchmarks, 1), one.shared)
            rest = 0.1 * one.shared * draws.standard_normal((benchmarks, SKILLS - 1))
            loadings[one.name] = np.hstack([first, rest])
            own[one.name] = np.full(benchmarks, one.own)
        return cls(tuple(components), loadings, own)

    def matrix(self, name: str) -> Array:
        """Return one component's covariance between benchmarks, shape (T, T)."""
        return np.asarray(self.loadings[name] @ self.loadings[name].T + np.diag(self.own[name] ** 2))

    def only(self, names: Sequence[str]) -> Covariance:
        """Keep some of the components."""
        return replace(self, components=tuple(one for one in self.components if one.name in names))

    def between(
        self,
        a: Models,
        benchmarks_a: NDArray[np.intp],
        models_a: NDArray[np.intp],
        b: Models,
        benchmarks_b: NDArray[np.intp],
        models_b: NDArray[np.intp],
    ) -> Array:
        """Compute the covariance between entries (model, benchmark) of two sets, shape (entries a, entries b)."""
        over_models = kernels(a, b)
        total = np.zeros((benchmarks_a.size, benchmarks_b.size))
        for one in self.components:
            total += (
                self.matrix(one.name)[np.ix_(benchmarks_a, benchmarks_b)]
                * over_models[one.name][np.ix_(models_a, models_b)]
            )
        return total

    def pack(self) -> Array:
        """Return the loadings and logarithms of the benchmarks' own parts as one vector."""
        parts = [(self.loadings[one.name].ravel(), np.log(self.own[one.name])) for one in self.components]
        return np.concatenate([values for pair in parts for values in pair])

    def unpack(self, vector: Array) -> Covariance:
        """Return a covariance of the same shape from `pack`'s vector."""
        loadings, own, place = {}, {}, 0
        for one in self.components:
            shape = self.loadings[one.name].shape
            loadings[one.name] = vector[place : place + shape[0] * shape[1]].reshape(shape)
            place += shape[0] * shape[1]
            own[one.name] = np.exp(vector[place : place + shape[0]])
            place += shape[0]
        return Covariance(self.components, loadings, own)


# Widths of the priors: of a benchmark's loading around the mean of all, in units of the component's shared part, of the
# logarithm of that mean, of the logarithm of a benchmark's own part around its mean, and of that.
_LOADING, _SHARED, _OWN, _OWN_MEAN = 0.5, 1.0, 0.5, 0.7


def penalty(covariance: Covariance) -> tuple[float, Array]:
    """Compute the negative logarithm of the prior and its gradient along `Covariance.pack`.

    Benchmarks lend each other strength: each component has one mean loading and one mean size of what is a benchmark's
    own, with wide priors, and the benchmarks scatter around them.
    """
    total, gradient = 0.0, []
    for one in covariance.components:
        loading, own = covariance.loadings[one.name], np.log(covariance.own[one.name])
        count = len(own)
        mean = float(loading[:, 0].mean())
        deviation = loading.copy()
        deviation[:, 0] -= mean
        width = _LOADING * one.shared
        offset = np.log(abs(mean) + 1e-9) - np.log(one.shared)
        total += 0.5 * float((deviation**2).sum()) / width**2 + 0.5 * offset**2 / _SHARED**2
        slope = deviation / width**2
        slope[:, 0] += offset / _SHARED**2 * np.sign(mean) / (abs(mean) + 1e-9) / count
        middle = float(own.mean())
        total += 0.5 * float(((own - middle) ** 2).sum()) / _OWN**2
        total += 0.5 * (middle - np.log(one.own)) ** 2 / _OWN_MEAN**2
        gradient += [slope.ravel(), (own - middle) / _OWN**2 + (middle - np.log(one.own)) / _OWN_MEAN**2 / count]
    return float(total), np.concatenate(gradient)
