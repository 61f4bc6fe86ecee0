"""The noise of single checkpoints, measured on other runs: what neighbours differ by, and what wanders slowly."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.trajectory.observations import Trajectories
from predictor.forecasting.trajectory.process import Gaussian

Array = NDArray[np.float64]

# Checkpoints before this share of a run's tokens are left out: scores move fastest there.
_FROM = 0.3
# Checkpoints of a run without which its scatter is not measured.
_FEWEST = 5
# All series together count as this many checkpoints beside a series' own.
_PRIOR = 12.0
# Share of a run over which slow scatter is forgotten.
_SLOW = 0.15
# All checkpoints answer the same items, yet neighbours differ by this share of the items' variance at the least.
_LEAST = 0.1


@dataclass(frozen=True)
class Scatter:
    """Variances about a run's smooth path, on the scale of the series, each of shape (T,), NaN where not measured.

    Attributes:
        white: what neighbouring checkpoints differ by.
        slow: what stays for several checkpoints and passes.
        item: what the items alone would leave.
    """

    white: Array
    slow: Array
    item: Array

    def added_to(self, belief: Gaussian, row: int, share: Array) -> Gaussian:
        """Replace the noise of a belief about a series at shares of a run by what was measured."""
        if not np.isfinite(self.white[row]):
            return belief
        noise = max(float(self.white[row]), _LEAST * float(self.item[row]))
        apart = np.abs(share[:, None] - share[None])
        return Gaussian(belief.mean, belief.covariance + self.slow[row] * np.exp(-apart / _SLOW), noise)


def measure_scatter(trajectories: Trajectories, runs: tuple[int, ...]) -> Scatter:
    """Measure the scatter of the series over runs; NaN where no run has enough checkpoints."""
    white, slow, weight = np.zeros((3, len(trajectories.series)))
    item = np.array([_item_variance(trajectories, row, runs) for row in range(weight.size)])
    for row in range(len(trajectories.series)):
        for run in runs:
            index = trajectories.checkpoints(run)
            index = index[trajectories.tokens[index] >= _FROM * trajectories.tokens[index[-1]]]
            index = index[np.isfinite(trajectories.value[row, index])]
            if index.size < _FEWEST:
                continue
            near, far, free = _about_path(trajectories, row, index)
            white[row] += free * near
            slow[row] += free * max(far - near, 0.0)
            weight[row] += free
    near, far = _shrunken(trajectories, white, slow, weight)
    return Scatter(near, far, item)


def _item_variance(trajectories: Trajectories, row: int, runs: tuple[int, ...]) -> float:
    """Return the sampling variance of a series by its items alone, at the middle of its scores."""
    value = trajectories.value[row, np.isin(trajectories.run, runs)]
    value = value[np.isfinite(value)]
    return float(trajectories.series[row].item_error(np.median(value)) ** 2) if value.size else 0.0


def _about_path(trajectories: Trajectories, row: int, index: NDArray[np.intp]) -> tuple[float, float, int]:
    """Return half the mean square of neighbours' differences, the variance about a path, and degrees of freedom."""
    tokens, value = trajectories.tokens[index], trajectories.value[row, index]
    columns = [np.ones(index.size), np.log(tokens)]
    # A cool-down bends the path of its last fifth.
    columns.append(np.maximum(tokens / tokens[-1] - 0.8, 0.0))
    design = np.stack(columns, axis=1)
    rest = value - design @ np.linalg.lstsq(design, value, rcond=None)[0]
    free = index.size - design.shape[1]
    step = np.diff(rest)
    return float((step**2).mean() / 2), float((rest**2).sum() / free), free


def _shrunken(trajectories: Trajectories, white: Array, slow: Array, weight: Array) -> Array:
    """Shrink the ratio of slow to white towards the one of all series of a kind."""
    kinds = np.array([series.is_loss for series in trajectories.series])
    found = np.full((2, weight.size), np.nan)
    for kind in (False, True):
        own = (kinds == kind) & (weight > 0)
        if not own.any():
            continue
        near, far = white[own] / weight[own], slow[own] / weight[own]
        ratio = float(np.median(far / np.maximum(near, 1e-12)))
        shrunk = (weight[own] * far + _PRIOR * ratio * near) / (weight[own] + _PRIOR)
        found[0, own], found[1, own] = near, shrunk
    return found
