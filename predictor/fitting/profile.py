"""Profile-likelihood intervals: how far each parameter can go while the others make up for it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InputError
from predictor.fitting.law_fit import LawFit

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
    problem, names = fit.problem, fit.law.parameter_names
    lower, upper, size = problem.lower, problem.upper, len(names)
    if not np.isfinite(fit.scale):
        allowed = fit.law.outside(np.stack([lower, upper]))
        intervals = {name: (float(allowed[0, i]), float(allowed[1, i])) for i, name in enumerate(names)}
        return Profile(level, intervals, dict.fromkeys(names, (True, True)))
    from scipy.stats import norm, t

    wanted = float(t.ppf(0.5 + level / 2, fit.freedom) if fit.freedom else norm.ppf(0.5 + level / 2))
    low, high = problem.prior_range
    deviation = np.sqrt(np.maximum(np.diag(fit.covariance), 1e-24))
    # Where the covariance says nothing the first proposal is a usual distance.
    step = np.tile(np.minimum(wanted * deviation, 2 * np.maximum(high - low, 1e-3)), 2)
    which, side = np.tile(np.arange(size), 2), np.repeat([-1.0, 1.0], size)
    bound = np.where(side < 0, lower[which], upper[which])
    room = np.abs(bound - fit.coordinates[which])
    step = np.minimum(step, room)
    inner, inner_root = np.zeros(2 * size), np.zeros(2 * size)
    outer, outer_root = np.full(2 * size, np.inf), np.full(2 * size, np.inf)
    nuisance = np.tile(fit.coordinates, (2 * size, 1))
    end, open_ended = step.copy(), np.zeros(2 * size, bool)
    follow = (fit.covariance / np.diag(fit.covariance)).T[which]
    todo = np.flatnonzero(room > 0)
    end[room <= 0], open_ended[room <= 0] = 0.0, True
    for _ in range(_ROUNDS):
        if todo.size == 0:
            break
        place = fit.coordinates[which[todo]] + side[todo] * step[todo]
        start = nuisance[todo].copy()
        start[np.arange(todo.size), which[todo]] = place
        # The others start where they were, and where the covariance says that they would follow to.
        following = start + follow[todo] * (place - nuisance[todo, which[todo]])[:, None]
        following[np.arange(todo.size), which[todo]] = place
        low_box, high_box = np.tile(lower, (todo.size, 1)), np.tile(upper, (todo.size, 1))
        low_box[np.arange(todo.size), which[todo]] = high_box[np.arange(todo.size), which[todo]] = place
        boxes = np.tile(low_box, (2, 1)), np.tile(high_box, (2, 1))
        solved = problem.solve(
            np.vstack([start, following]), lower=boxes[0], upper=boxes[1], iterations=40, tolerance=1e-8
        )
        costs = solved.cost.reshape(2, todo.size)
        better, cost = costs.argmin(axis=0), costs.min(axis=0)
        refitted = solved.coordinates.reshape(2, todo.size, size)[better, np.arange(todo.size)]
        root = np.sqrt(np.maximum(2 * (cost - fit.objective), 0.0) / fit.scale)
        nuisance[todo] = np.where(np.isfinite(cost)[:, None], refitted, nuisance[todo])
        short = root < wanted
        inner[todo] = np.where(short, step[todo], inner[todo])
        inner_root[todo] = np.where(short, root, inner_root[todo])
        outer[todo] = np.where(short, outer[todo], step[todo])
        outer_root[todo] = np.where(short, outer_root[todo], root)
        end[todo] = step[todo]
        at_bound = short & (step[todo] >= room[todo])
        open_ended[todo] |= at_bound
        done = at_bound | (np.abs(root - wanted) < _CLOSE * wanted)
        todo = todo[~done]
        step[todo] = _propose(
            wanted, inner[todo], inner_root[todo], outer[todo], outer_root[todo], step[todo], room[todo]
        )
    places = (fit.coordinates[which] + side * end).reshape(2, size)
    values = fit.law.outside(np.clip(places, lower, upper))
    flags = open_ended.reshape(2, size)
    return Profile(
        level,
        {name: (float(values[0, i]), float(values[1, i])) for i, name in enumerate(names)},
        {name: (bool(flags[0, i]), bool(flags[1, i])) for i, name in enumerate(names)},
    )


def _propose(
    wanted: float, inner: Array, inner_root: Array, outer: Array, outer_root: Array, step: Array, room: Array
) -> Array:
    """Propose the next distance: between the brackets where there are two, further out where there is one."""
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (wanted - inner_root) / (outer_root - inner_root)
        between = inner + np.clip(np.where(np.isfinite(share), share, 0.5), 0.1, 0.9) * (outer - inner)
        further = inner * np.clip(np.where(inner_root > 0, wanted / inner_root, _FURTHER), 1.2, _FURTHER)
    further = np.where(further > step, further, step * 1.5)
    return np.asarray(np.where(np.isfinite(outer), between, np.minimum(further, room)))
