"""Measuring how often intervals hold, as reports show it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from predictor.errors import ForecastError

if TYPE_CHECKING:
    from predictor.forecasting import TrackRecord
    from predictor.results import Results


def measure_coverage(
    table: Results, family: str, tasks: tuple[str, ...] | None = None, seed: int = 0
) -> TrackRecord | None:
    """Forecast held-out runs, telling how far it is; None where there are too few runs to hold any out."""
    from predictor.cli.console import progress
    from predictor.forecasting import track_record

    try:
        return track_record(
            table, family=family, tasks=tasks, seed=seed, progress=lambda total: progress("Holding out", total)
        )
    except ForecastError:
        # The report says that nothing could be held out.
        return None
