"""Profile-likelihood intervals: how far each parameter can go while the others make up for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InputError
from predictor.fitting.law_fit import LawFit, central_quantile

Array = NDArray[np.float64]

_ROUNDS = 12
# A signed root of the objective's rise this close to the wanted one, as a share of it, is the end.
_CLOSE = 0.01
_FURTHER = 3.0


@dataclass(frozen=True)
class Profile:
    """Intervals from the profile likelihood.

    Attributes:
        level: their level, as 0.8.
        intervals: name -> interval.
        reaches_bound: name -> whether the lower and the upper end is the parameter's bound, which the data do not
            exclude.
    """

    level: float
    intervals: dict[str, tuple[float, float]]
    reaches_bound: dict[str, tuple[bool, bool]]


def profile_intervals(fit: LawFit, level: float = 0.95) -> Profile:
    """Find where the best objective with one parameter held rises by as much as the level allows.

    All ends of all parameters are looked for together: each round holds every parameter at its proposed ends, refits
    the others in one batch, and moves the proposals along the signed root of the rise, which is nearly straight. The
    rise is compared with Student's t, by the residual scale of the fit.

    Args:
        fit: a fit that did not fail.
        level: between 0 and 1.

    Raises:
        InputError: the fit failed.

    Source:
        Bates and Watts 1988, Nonlinear Regression Analysis and Its Applications, chapter 6; for robust objectives
        Schrader and Hettmansperger 1980, Biometrika 67:93.
    """
    if fit.status == "failed":
        raise InputError(f"the fit of {fit.law.name} failed and has no intervals", "mend what its warnings name")
    names, lower, upper = fit.law.parameter_names, fit.problem.lower, fit.problem.upper
    places, reaches = np.stack([lower, upper]), np.ones((2, len(names)), bool)
    if np.isfinite(fit.scale):
        search = _Search.of(fit, central_quantile(level, fit.freedom))
        todo = np.flatnonzero(search.room > 0)
        for _ in range(_ROUNDS):
            if todo.size == 0:
                break
            todo = search.advance(todo)
        places, reaches = search.found(), search.at_bound.reshape(2, -1)
    values = fit.law.outside(np.clip(places, lower, upper))
    return Profile(
        level,
        {name: (float(values[0, i]), float(values[1, i])) for i, name in enumerate(names)},
        {name: (bool(reaches[0, i]), bool(reaches[1, i])) for i, name in enumerate(names)},
    )


@dataclass(frozen=True)
class _Search:
    """The ends of P parameters' intervals on their way: the P lower ones, then the upper ones.

    Distances are from the solution, in coordinates; arrays have shape (2·P,) and change with every round.

    Attributes:
        fit: the fit.
        wanted: root of the objective's rise at an end.
        which: parameter of each end.
        side: -1 for a lower end, 1 for an upper one.
        room: distance of the parameter's bound.
        step: distance that is tried next.
        end: distance that was tried last.
        at_bound: whether the bound is reached without the wanted rise.
        inner: largest distance with less than the wanted rise, and `inner_root` the rise's root there.
        inner_root: see `inner`.
        outer: smallest distance with more, inf as long as none is known, and `outer_root` the root there.
        outer_root: see `outer`.
        others: all coordinates where they were best at the distance tried last, shape (2·P, P).
    """

    fit: LawFit
    wanted: float
    which: NDArray[np.intp]
    side: Array
    room: Array
    step: Array
    end: Array
    at_bound: NDArray[np.bool_]
    inner: Array
    inner_root: Array
    outer: Array
    outer_root: Array
    others: Array

    @classmethod
    def of(cls, fit: LawFit, wanted: float) -> _Search:
        """Begin where the covariance says that the ends are."""
        size = fit.coordinates.size
        low, high = fit.problem.prior_range
        which, side = np.tile(np.arange(size), 2), np.repeat([-1.0, 1.0], size)
        bound = np.where(side < 0, fit.problem.lower[which], fit.problem.upper[which])
        room = np.abs(bound - fit.coordinates[which])
        deviation = np.sqrt(np.maximum(np.diag(fit.covariance), 1e-24))
        # Where the covariance says nothing the first proposal is a usual distance.
        step = np.tile(np.minimum(wanted * deviation, 2 * np.maximum(high - low, 1e-3)), 2)
        step = np.minimum(step, room)
        return cls(
            fit=fit,
            wanted=wanted,
            which=which,
            side=side,
            room=room,
            step=step,
            end=np.where(room <= 0, 0.0, step),
            at_bound=room <= 0,
            inner=np.zeros(2 * size),
            inner_root=np.zeros(2 * size),
            outer=np.full(2 * size, np.inf),
            outer_root=np.full(2 * size, np.inf),
            others=np.tile(fit.coordinates, (2 * size, 1)),
        )

    def found(self) -> Array:
        """Give the coordinates of the lower and of the upper ends, shape (2, P)."""
        return (self.fit.coordinates[self.which] + self.side * self.end).reshape(2, -1)

    def advance(self, todo: NDArray[np.intp]) -> NDArray[np.intp]:
        """Try the proposed distances of some ends and propose others; gives the ends that are not found yet."""
        root, step = self._roots(todo), self.step[todo]
        short = root < self.wanted
        self.inner[todo] = np.where(short, step, self.inner[todo])
        self.inner_root[todo] = np.where(short, root, self.inner_root[todo])
        self.outer[todo] = np.where(short, self.outer[todo], step)
        self.outer_root[todo] = np.where(short, self.outer_root[todo], root)
        self.end[todo] = step
        at_bound = short & (step >= self.room[todo])
        self.at_bound[todo] |= at_bound
        left = todo[~(at_bound | (np.abs(root - self.wanted) < _CLOSE * self.wanted))]
        self.step[left] = self._propose(left)
        return left

    def _roots(self, todo: NDArray[np.intp]) -> Array:
        """Hold parameters at the proposed distances, refit the others, and give the roots of the objective's rise."""
        fit, every, which = self.fit, np.arange(todo.size), self.which[todo]
        place = fit.coordinates[which] + self.side[todo] * self.step[todo]
        start = self.others[todo].copy()
        start[every, which] = place
        # The others start where they were, and where the covariance says that they would follow to.
        follow = (fit.covariance / np.diag(fit.covariance)).T[which]
        following = start + follow * (place - self.others[todo, which])[:, None]
        following[every, which] = place
        low, high = np.tile(fit.problem.lower, (todo.size, 1)), np.tile(fit.problem.upper, (todo.size, 1))
        low[every, which] = high[every, which] = place
        solved = fit.problem.solve(
            np.vstack([start, following]),
            lower=np.tile(low, (2, 1)),
            upper=np.tile(high, (2, 1)),
            iterations=40,
            tolerance=1e-8,
        )
        costs = solved.cost.reshape(2, todo.size)
        better, cost = costs.argmin(axis=0), costs.min(axis=0)
        refitted = solved.coordinates.reshape(2, todo.size, -1)[better, every]
        self.others[todo] = np.where(np.isfinite(cost)[:, None], refitted, self.others[todo])
        return np.asarray(np.sqrt(np.maximum(2 * (cost - fit.objective), 0.0) / fit.scale))

    def _propose(self, ends: NDArray[np.intp]) -> Array:
        """Propose the next distance: between the brackets where there are two, further out where there is one."""
        inner, outer = self.inner[ends], self.outer[ends]
        inner_root, outer_root, step = self.inner_root[ends], self.outer_root[ends], self.step[ends]
        with np.errstate(divide="ignore", invalid="ignore"):
            share = (self.wanted - inner_root) / (outer_root - inner_root)
            between = inner + np.clip(np.where(np.isfinite(share), share, 0.5), 0.1, 0.9) * (outer - inner)
            further = inner * np.clip(np.where(inner_root > 0, self.wanted / inner_root, _FURTHER), 1.2, _FURTHER)
        further = np.where(further > step, further, step * 1.5)
        return np.asarray(np.where(np.isfinite(outer), between, np.minimum(further, self.room[ends])))
