"""What every forecasting method offers: fit a panel, predict a target, refuse with a reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.panel import Panel
from predictor.results import Results

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Resampling:
    """How many resamples to fit beside the undisturbed observations, and their seed."""

    resamples: int
    seed: int


class Fitted(Protocol):
    """A method fitted to a panel of T series with R resamples."""

    def predict(self, params: float, tokens: float) -> Array:
        """Predict a model's scores, shape (T, 1 + R): first the undisturbed fit's, then the resamples'."""
        ...


class Method(Protocol):
    """A way of forecasting."""

    @property
    def name(self) -> str:
        """How the command line and the record call it."""
        ...

    @property
    def title(self) -> str:
        """What it does, in a few words."""
        ...

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Say which series it cannot forecast, by number, and why."""
        ...

    def fit(self, panel: Panel, resampling: Resampling) -> Fitted:
        """Fit all series of a panel together, none of them refused."""
        ...


@runtime_checkable
class NeedsResults(Protocol):
    """A method that uses more than the panel holds, and refuses everything until it is bound to a table."""

    def bound_to(self, results: Results, panel: Panel) -> Method:
        """Read what it needs for a panel of these results."""
        ...


def effective_floor(panel: Panel) -> Array:
    """Give each series' chance level, shape (T,), lowered where models score clearly below it; 0 where it is unknown.

    Small models can be worse than guessing (length bias, a majority class of the wrong kind): a law that starts at
    chance would then bend towards a level the data never had.
    """
    chance = np.array([one.chance or 0.0 for one in panel.series])
    lowest = np.nanmin(np.where(np.isfinite(panel.score), panel.score + 2 * panel.stderr, np.inf), axis=1)
    return np.clip(np.minimum(chance, lowest), 0.0, 1.0)


def distinct_runs(panel: Panel, values: Array) -> NDArray[np.intp]:
    """Count, for each series, the runs that have a finite value, shape (T,)."""
    return np.array([np.unique(panel.run[np.isfinite(row)]).size for row in values])


def too_few_runs(panel: Panel, needed: int) -> dict[int, str]:
    """Say which series were scored on fewer runs than are needed, by number."""
    runs = distinct_runs(panel, panel.score)
    return {int(i): f"only {runs[i]} runs were scored, {needed} are needed" for i in np.flatnonzero(runs < needed)}
