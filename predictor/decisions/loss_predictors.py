"""Which held-out loss predicts which benchmark, over the runs of all recipes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.panel import Panel
from predictor.results.series import Series

Array = NDArray[np.float64]

_LEAST_RUNS = 6
_EDGE = 0.01


@dataclass(frozen=True)
class LossPredictor:
    """How well each held-out loss tells the scores on one benchmark.

    Attributes:
        series: the benchmark.
        errors: held-out loss -> root mean square error in shares of scores of runs that were left out, the best first.
        without: the same of compute instead of a loss.
        runs: how many observations were left out in turn.
    """

    series: Series
    errors: dict[str, float]
    without: float
    runs: int

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {
            "task": self.series.task,
            "metric": self.series.metric,
            "num_fewshot": self.series.num_fewshot,
            "error_by_loss": self.errors,
            "error_by_compute": self.without,
            "observations": self.runs,
        }


def rank_losses(panels: Mapping[str, Panel]) -> tuple[LossPredictor, ...]:
    """Rank the held-out losses that all families share by how well they predict each benchmark that all share.

    The logit of the score above chance is a parabola of the loss, the same for all recipes; each observation is left
    out in turn. A loss that does no better than compute tells nothing of how recipes differ on the benchmark.

    Args:
        panels: family -> its observations.
    """
    each = list(panels.values())
    losses = [name for name in each[0].heldout if all(name in panel.heldout for panel in each)]
    found = []
    for series in each[0].series:
        rows = [{one.key: row for row, one in enumerate(panel.series)}.get(series.key) for panel in each]
        if not losses or any(row is None for row in rows):
            continue
        score = np.concatenate([panel.score[row] for panel, row in zip(each, rows, strict=True)])
        share = np.clip((score - (series.chance or 0.0)) / (1 - (series.chance or 0.0)), _EDGE, 1 - _EDGE)
        columns = {name: _stacked_loss(each, name) for name in losses}
        columns["compute"] = np.log(np.concatenate([panel.flops for panel in each]))
        seen = np.isfinite(score) & np.all([np.isfinite(values) for values in columns.values()], axis=0)
        if seen.sum() < _LEAST_RUNS:
            continue
        logit = np.log(share[seen] / (1 - share[seen]))
        errors = {name: _left_out_error(values[seen], logit, share[seen]) for name, values in columns.items()}
        without = errors.pop("compute")
        ordered = dict(sorted(errors.items(), key=lambda item: item[1]))
        found.append(LossPredictor(series.key, ordered, without, int(seen.sum())))
    return tuple(found)


def _stacked_loss(panels: Sequence[Panel], name: str) -> Array:
    return np.concatenate([panel.heldout_loss[panel.heldout.index(name)] for panel in panels])


def _left_out_error(x: Array, logit: Array, share: Array) -> float:
    """Fit a parabola and return the root mean square error, in shares, of observations left out in turn."""
    design = np.vander((x - x.mean()) / (x.std() or 1.0), 3)
    hat = design @ np.linalg.pinv(design)
    residual = (logit - hat @ logit) / np.maximum(1 - np.diag(hat), 1e-6)
    predicted = 1 / (1 + np.exp(-(logit - residual)))
    return float(np.sqrt(np.mean((predicted - share) ** 2)))
