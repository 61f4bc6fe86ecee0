"""A tracked run as a data frame and a figure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from predictor.presentation import LEVELS, Presentable, interval_figure
from predictor.quantity import format_quantity

if TYPE_CHECKING:
    import pandas as pd

    from predictor.forecasting.trajectory.alarm import Alarm
    from predictor.forecasting.trajectory.tracker import SeriesTrack


class RunTrackFrame(Presentable):
    """What `RunTrack` is in a notebook.

    Attributes:
        run: its name.
        tokens: where it is.
        end: tokens at which it ends.
        series: its benchmarks, then its losses.
        alarms: when it left its path.
    """

    run: str
    tokens: float
    end: float
    series: tuple[SeriesTrack, ...]
    alarms: tuple[Alarm, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per benchmark and loss at the last checkpoint, in the metric's own unit.

        Columns: task, metric, num_fewshot, expected, observed, deviation (observed less expected, in standard
        deviations), end_before, median, lo-80, hi-80, lo-95, hi-95 (of the end as of now).
        """
        import pandas as pd

        rows = []
        for own in self.series:
            key, final = own.series.key, own.final
            ends = {
                f"{side}-{level}": float(values[level][-1])
                for level in LEVELS
                for side, values in (("lo", final.lower), ("hi", final.upper))
            }
            rows.append(
                {
                    "task": key.task,
                    "metric": key.metric,
                    "num_fewshot": key.num_fewshot,
                    "expected": float(own.expected[-1]),
                    "observed": float(own.observed[-1]),
                    "deviation": float(own.deviation[-1]),
                    "end_before": float(final.median[0]),
                    "median": float(final.median[-1]),
                    **ends,
                }
            )
        frame = pd.DataFrame(rows)
        return frame.astype({"num_fewshot": "Int64"}) if rows else frame

    def plot(self) -> Any:
        """Draw where each benchmark measured as a share is now, and its end with 80% and 95% intervals."""
        shown = [place for place, own in enumerate(self.series) if own.series.share.is_share and not own.series.is_loss]
        labels = [self.series[place].series.label for place in shown]
        frame = self.to_frame().iloc[shown]
        return interval_figure(frame, labels, "median", self.summary(), "score at the end, as a share", "observed")

    def summary(self) -> str:
        """Return the run, how far it is and whether it is on track in one line."""
        where = f"{format_quantity(self.tokens)} of {format_quantity(self.end)} tokens"
        count = len(self.alarms)
        verdict = f"{count} alarm{'' if count == 1 else 's'}" if count else "on track"
        return f"{self.run}, {where}, {verdict}"
