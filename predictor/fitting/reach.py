"""How far a prediction lies from what was fitted: between the observations, or beyond them and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

# Distances from the hull below this share of its extent are rounding.
_ROUNDING = 1e-6


@dataclass(frozen=True)
class Reach:
    """Where one point lies among the inputs that a law was fitted to.

    Attributes:
        beyond: input -> natural logarithm of its ratio to the largest fitted value where it lies above, to the smallest
            (negative) where it lies below, 0 between. Inputs that are not positive everywhere count in spans of the
            data instead of logarithms.
        hull_distance: distance from the convex hull of the fitted inputs, in the same units; 0 inside. A point can lie
            within each range and outside of the hull, as the largest size at the most tokens where no run had both.
    """

    beyond: dict[str, float]
    hull_distance: float

    @property
    def interpolates(self) -> bool:
        """Whether the point lies among the observations."""
        return self.hull_distance == 0.0

    def to_json(self) -> dict[str, Any]:
        """Give it as plain values."""
        return {"interpolates": self.interpolates, "beyond": self.beyond, "hull_distance": self.hull_distance}

    def __str__(self) -> str:
        if self.interpolates:
            return "interpolates: among the fitted inputs"
        parts = [
            f"{name} {np.exp(abs(gap)):.3g}x {'above' if gap > 0 else 'below'} the fitted"
            for name, gap in self.beyond.items()
            if gap != 0
        ]
        return f"extrapolates: {', '.join(parts) or 'each input within its range, no fit near their combination'}"


def reach(fitted: Mapping[str, Array], at: Mapping[str, float]) -> Reach:
    """Locate one point among fitted inputs.

    Args:
        fitted: input -> shape (observations,).
        at: input -> value.
    """
    from scipy.optimize import nnls

    beyond, points, place = {}, [], []
    for name, values in fitted.items():
        point = float(at[name])
        if values.min() > 0 and point > 0:
            seen, here = np.log(values), float(np.log(point))
        else:
            span = float(np.ptp(values)) or 1.0
            seen, here = values / span, point / span
        low, high = float(seen.min()), float(seen.max())
        slack = _ROUNDING * max(high - low, 1.0)
        gap = here - high if here > high + slack else here - low if here < low - slack else 0.0
        beyond[name] = gap
        points.append(seen - low)
        place.append(here - low)
    # The nearest point of the hull: weights that are not negative and sum to one, the sum held by a heavy row.
    extent = max(float(np.max(points)), 1.0)
    rows = np.vstack([*points, np.full(points[0].size, 1e3 * extent)])
    weights, _ = nnls(rows, np.array([*place, 1e3 * extent]), maxiter=50 * rows.shape[1])
    nearest = np.array(points) @ (weights / max(weights.sum(), 1e-300))
    distance = float(np.linalg.norm(nearest - np.array(place)))
    return Reach(beyond, distance if distance > 1e-4 * extent else 0.0)
