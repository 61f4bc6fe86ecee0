"""Which runs narrow what is believed of the target most: a greedy design and exchanges (Fedorov 1972; Krause 2008)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.decisions.belief import Belief

Array = NDArray[np.float64]

# Passes over the chosen runs, in each of which every one of them is tried to be replaced.
_PASSES = 4
# A gain below this share is not worth a run.
_WORTH = 1e-3


@dataclass(frozen=True)
class Design:
    """Runs to train.

    Attributes:
        chosen: number of each run's point; one that occurs twice is to be trained with two seeds.
        variance: of each benchmark's score at the target afterwards, shape (T,).
    """

    chosen: tuple[int, ...]
    variance: Array


def variance_after(belief: Belief, chosen: tuple[int, ...]) -> Array:
    """Give the variance of each benchmark at point 0, the target, once runs at the chosen points are scored."""
    prior = belief.covariance[:, 0, 0]
    if not chosen:
        return prior
    index = list(chosen)
    inner = belief.covariance[:, index][:, :, index].copy()
    inner[:, range(len(index)), range(len(index))] += belief.noise[:, index] ** 2
    across = belief.covariance[:, 0, index]
    return np.asarray(prior - np.einsum("ti,ti->t", across, np.linalg.solve(inner, across[..., None])[..., 0]))


@dataclass(frozen=True)
class Limits:
    """What a design may take.

    Attributes:
        cost: of a run at each point, shape (P,); that of the target is not looked at.
        budget: what all runs together may cost.
        runs: how many runs at most.
        seeds: how many of them at one point at most.
    """

    cost: Array
    budget: float
    runs: int
    seeds: int

    def allowed(self, chosen: tuple[int, ...]) -> NDArray[np.bool_]:
        """Say at which points one run more could be trained beside the chosen ones, shape (P,)."""
        left = self.budget - sum(self.cost[i] for i in chosen)
        taken = np.bincount(np.array(chosen, dtype=int), minlength=self.cost.size)
        fits = (self.cost <= left + 1e-9 * self.budget) & (taken < self.seeds)
        fits[0] = False
        return np.asarray(fits & (len(chosen) < self.runs))


def choose_runs(belief: Belief, limits: Limits, floor: Array) -> Design:
    """Choose runs whose cost stays within a budget so that the mean interval of the target is narrowest.

    Args:
        belief: point 0 is the target, the others are candidates.
        limits: what may be chosen.
        floor: variance at the target that no run removes (its own evaluation's noise), shape (T,).

    Greedy by gain and greedy by gain per cost, each improved by exchanges; the better of the two is returned, as
    neither alone is within a constant of the best (Krause and Guestrin 2005).
    """
    designs = []
    for per_cost in (False, True):
        chosen = _improve(belief, _fill(belief, limits, floor, (), per_cost), limits, floor)
        designs.append(Design(chosen, variance_after(belief, chosen)))
    return min(designs, key=lambda one: _width(one.variance, floor))


def _width(variance: Array, floor: Array) -> float:
    """Give the mean standard deviation over benchmarks, the last axis the benchmarks'."""
    return float(np.sqrt(np.maximum(variance, 0.0) + floor).mean())


def _gains(belief: Belief, chosen: tuple[int, ...], floor: Array) -> Array:
    """Give by how much one run more at each point narrows the mean standard deviation, shape (P,)."""
    covariance = belief.covariance
    across, own = covariance[:, 0], np.einsum("tpp->tp", covariance)
    if chosen:
        index = list(chosen)
        inner = covariance[:, index][:, :, index].copy()
        inner[:, range(len(index)), range(len(index))] += belief.noise[:, index] ** 2
        weights = np.linalg.solve(inner, covariance[:, index])
        across = across - np.einsum("ti,tip->tp", covariance[:, 0, index], weights)
        own = own - np.einsum("tip,tip->tp", covariance[:, index], weights)
    now = across[:, 0]
    after = now[:, None] - across**2 / (np.maximum(own, 0.0) + belief.noise**2)
    before = _width(now, floor)
    return before - np.sqrt(np.maximum(after, 0.0) + floor[:, None]).mean(axis=0)


def _fill(belief: Belief, limits: Limits, floor: Array, chosen: tuple[int, ...], per_cost: bool) -> tuple[int, ...]:
    """Add the best run as long as it fits and is worth it."""
    while (fits := limits.allowed(chosen)).any():
        gain = np.where(fits, _gains(belief, chosen, floor), -np.inf)
        value = gain / limits.cost if per_cost else gain
        # Where several are as good, the cheapest.
        equal = np.flatnonzero(value >= value.max() - 1e-12 * abs(value.max()))
        best = int(equal[np.argmin(limits.cost[equal])])
        if gain[best] < _WORTH * _width(variance_after(belief, chosen), floor):
            break
        chosen = (*chosen, best)
    return chosen


def _improve(belief: Belief, chosen: tuple[int, ...], limits: Limits, floor: Array) -> tuple[int, ...]:
    """Take each run out in turn, fill what it cost by gain and by gain per cost, and keep what is better."""
    best = _width(variance_after(belief, chosen), floor)
    for _ in range(_PASSES):
        before, place = best, 0
        while place < len(chosen):
            rest = chosen[:place] + chosen[place + 1 :]
            for per_cost in (False, True):
                tried = _fill(belief, limits, floor, rest, per_cost)
                width = _width(variance_after(belief, tried), floor)
                if width < best * (1 - 1e-6):
                    chosen, best = tried, width
                    break
            place += 1
        if best >= before * (1 - 1e-6):
            break
    return chosen
