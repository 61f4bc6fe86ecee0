"""Variable projection: the parameters in which a law is affine, solved for exactly given the others.

For a law fitted as it is, the best linear parameters are a bounded linear least-squares problem, weighted anew until
the weights agree with the Huber loss. For a law fitted by its logarithm they are not linear in the residual; there the
logarithm is linearised at the law's present value, which is a Gauss-Newton step in these parameters alone, repeated.

Source: Golub and Pereyra 1973, SIAM Journal on Numerical Analysis 10:413; in 2003, Inverse Problems 19:R1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.laws.law import Law

Array = NDArray[np.float64]

_ROUNDS = 2
_FIRST_ROUNDS = 12


@dataclass(frozen=True)
class Elimination:
    """Solves for the linear parameters of a batch of fits of one law.

    Attributes:
        law: the law.
        inputs: name -> shape (rows, observations) or (1, observations).
        observed: on the scale of the fit, NaN where missing, shape (problems, observations).
        sigma: standard deviations on that scale, the same shape.
        weight: weights, the same shape.
        lower: lower bounds of all coordinates, shape (problems, parameters).
        upper: upper bounds.
        huber: corner of the Huber loss, or None.
    """

    law: Law
    inputs: dict[str, Array]
    observed: Array
    sigma: Array
    weight: Array
    lower: Array
    upper: Array
    huber: float | None

    def __call__(self, theta: Array, which: NDArray[np.intp]) -> Array:
        """Improve the linear parameters of problems on the way, shape (len(which), parameters)."""
        return self._solve(theta, which, _ROUNDS, fresh=False)

    def start(self, theta: Array) -> Array:
        """Find the linear parameters of all problems from the others alone."""
        return self._solve(theta, np.arange(theta.shape[0]), _FIRST_ROUNDS, fresh=True)

    def _solve(self, theta: Array, which: NDArray[np.intp], rounds: int, *, fresh: bool) -> Array:
        linear = [i for i, one in enumerate(self.law.parameters) if one.linear]
        if not linear or theta.shape[0] == 0:
            return theta
        inputs = {name: value if value.shape[0] == 1 else value[which] for name, value in self.inputs.items()}
        seen, sigma = self.observed[which], self.sigma[which]
        present = np.isfinite(seen) & (self.weight[which] > 0)
        with np.errstate(all="ignore"):
            values = self.law.outside(theta)
            ends = self.law.outside(self.lower[which])[:, linear], self.law.outside(self.upper[which])[:, linear]
            base, columns = affine_parts(self.law, inputs, values, linear)
            usable = present & np.isfinite(base) & np.isfinite(columns).all(axis=2)
            base, columns = np.where(usable, base, 0.0), np.where(usable[..., None], columns, 0.0)
            weight = np.where(usable, self.weight[which], 0.0)
            seen = np.where(usable, seen, 0.0)
            found = None if fresh else values[:, linear]
            for _ in range(rounds):
                target, spread, robust = self._linearised(base, columns, seen, sigma, found)
                scaled = np.where(usable, weight * robust / spread**2, 0.0)
                scaled = np.where(np.isfinite(scaled), scaled, 0.0)
                found = bounded_least_squares(columns, np.where(usable, target - base, 0.0), scaled, *ends)
            values[:, linear] = found
            moved = self.law.inside(values)
        good = np.isfinite(moved).all(axis=1) & (usable == present).all(axis=1)
        return np.where(good[:, None], moved, theta)

    def _linearised(
        self, base: Array, columns: Array, seen: Array, sigma: Array, found: Array | None
    ) -> tuple[Array, Array, Array | float]:
        """Give the target, the standard deviations and the robust weights of one linear problem."""
        logs = self.law.fit_scale == "log"
        if found is None:
            return (np.exp(seen), np.exp(seen) * sigma, 1.0) if logs else (seen, sigma, 1.0)
        value = base + np.einsum("pij,pj->pi", columns, found)
        gap = self.law.on_fit_scale(value) - seen
        robust = 1.0 if self.huber is None else self.huber / np.maximum(np.abs(gap / sigma), self.huber)
        return (value * (1 - gap), value * sigma, robust) if logs else (seen, sigma, robust)


def affine_parts(law: Law, inputs: dict[str, Array], values: Array, linear: list[int]) -> tuple[Array, Array]:
    """Split a law, affine in some parameters, into its part without them and the factor of each.

    Args:
        law: the law.
        inputs: name -> shape (problems, observations) or (1, observations).
        values: parameters as they are, shape (problems, parameters).
        linear: numbers of the affine ones.

    Returns:
        shapes (problems, observations) and (problems, observations, len(linear)).
    """
    problems, count = values.shape[0], len(linear) + 1
    stacked = np.repeat(values[None], count, axis=0)
    stacked[:, :, linear] = 0.0
    for number, index in enumerate(linear):
        stacked[number + 1, :, index] = 1.0
    tiled = {name: value if value.shape[0] == 1 else np.tile(value, (count, 1)) for name, value in inputs.items()}
    parts = law.predict(tiled, stacked.reshape(count * problems, -1)).reshape(count, problems, -1)
    return parts[0], np.moveaxis(parts[1:] - parts[0], 0, 2)


def bounded_least_squares(columns: Array, target: Array, weight: Array, lower: Array, upper: Array) -> Array:
    """Minimise sum_i weight_i·(columns_i·x - target_i)² within lower ≤ x ≤ upper, for many problems at once.

    Variables are exchanged between the bounds and the inside, all that should be at a time while that helps, else one
    by one, until the optimality conditions hold (block principal pivoting).

    Args:
        columns: shape (problems, observations, variables).
        target: shape (problems, observations).
        weight: the same shape, not negative.
        lower: shape (problems, variables), finite where it can hold.
        upper: the same shape.

    Returns:
        shape (problems, variables).

    Source:
        Júdice and Pires 1994, Computers and Operations Research 21:587; Kim and Park 2011, SIAM Journal on Scientific
        Computing 33:3261.
    """
    norm = np.sqrt(np.einsum("pi,pij,pij->pj", weight, columns, columns))
    norm = np.where(norm > 0, norm, 1.0)
    root = np.sqrt(weight)[..., None] * columns / norm[:, None, :]
    gram = root.transpose(0, 2, 1) @ root
    moment = np.einsum("pij,pi->pj", root, np.sqrt(weight) * target)
    size = gram.shape[1]
    # Collinear columns leave the split among them open; this makes it even instead of failing.
    gram[:, np.arange(size), np.arange(size)] += 1e-13
    low, high = lower * norm, upper * norm
    inside = np.linalg.solve(gram, moment[..., None])[..., 0]
    if ((inside >= low) & (inside <= high)).all():
        return np.asarray(inside / norm)
    side = np.zeros(low.shape, dtype=int)  # -1 at the lower bound, 1 at the upper one, 0 inside
    answer = np.clip(np.zeros_like(low), low, high)
    active = np.arange(low.shape[0])
    fewest = np.full(low.shape[0], size + 1)
    patience = np.full(low.shape[0], 3)
    for _ in range(20 * size + 20):
        state = side[active]
        free = state == 0
        fixed = np.where(state < 0, low[active], np.where(state > 0, high[active], 0.0))
        matrix = np.where(free[:, :, None] & free[:, None, :], gram[active], 0.0)
        matrix[:, np.arange(size), np.arange(size)] += ~free
        rest = moment[active] - np.einsum("pjk,pk->pj", gram[active], fixed)
        x = np.linalg.solve(matrix, np.where(free, rest, 0.0)[..., None])[..., 0] + fixed
        slope = np.einsum("pjk,pk->pj", gram[active], x) - moment[active]
        answer[active] = np.clip(x, low[active], high[active])
        slack = 1e-12 * (np.abs(moment[active]).max(axis=1, keepdims=True) + 1e-300)
        goes = np.where(free & (x < low[active]), -1, np.where(free & (x > high[active]), 1, 2))
        goes = np.where((state < 0) & (slope < -slack) | (state > 0) & (slope > slack), 0, goes)
        wrong = goes != 2
        count = wrong.sum(axis=1)
        improved = count < fewest[active]
        fewest[active] = np.where(improved, count, fewest[active])
        patience[active] = np.where(improved, 3, patience[active] - 1)
        # Out of patience: move the last one only, which cannot cycle.
        last = size - 1 - np.argmax(wrong[:, ::-1], axis=1)
        single = np.zeros_like(wrong)
        single[np.arange(active.size), last] = True
        exchanged = np.where((patience[active] < 0)[:, None], wrong & single, wrong)
        side[active] = np.where(exchanged, goes, state)
        active = active[count > 0]
        if active.size == 0:
            break
    return np.asarray(np.clip(answer / norm, lower, upper))
