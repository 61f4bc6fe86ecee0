"""Forecasts and track records as data frames and figures."""

from __future__ import annotations

from collections.abc import Sequence
from math import nan
from typing import TYPE_CHECKING, Any

from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.presentation import Presentable, interval_figure, level_columns
from predictor.quantity import format_quantity

if TYPE_CHECKING:
    import pandas as pd

    from predictor.forecasting.target import Target, TaskForecast
    from predictor.forecasting.track_record import HeldOutForecast


class ForecastFrame(Presentable):
    """What `Forecast` is in a notebook.

    Attributes:
        target: the model.
        forecasts: one per benchmark.
    """

    target: Target
    forecasts: tuple[TaskForecast, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per benchmark, in the metric's own unit: shares in [0, 1] are shares here.

        Columns: task, metric, num_fewshot, median, lo-80, hi-80, lo-95, hi-95, grade, largest, chance,
        backtest_error, why. Median and intervals are missing where the grade is F: nothing was forecast there.
        """
        import pandas as pd

        rows = [
            {
                "task": answer.task,
                "metric": answer.metric,
                "num_fewshot": answer.num_fewshot,
                "median": nan if answer.grade == NOT_FORECASTABLE else answer.median,
                **_ends(answer),
                "grade": answer.grade,
                "largest": answer.largest,
                "chance": answer.chance,
                "backtest_error": answer.backtest_error,
                "why": answer.why,
            }
            for answer in self.forecasts
        ]
        frame = pd.DataFrame(rows)
        return frame.astype({"num_fewshot": "Int64"}) if rows else frame

    def plot(self) -> Any:
        """Draw the benchmarks measured as shares that can be forecast: medians with their 80% and 95% intervals."""
        frame = self.to_frame()
        shown = [
            place
            for place, answer in enumerate(self.forecasts)
            if answer.scale.is_share and answer.grade != NOT_FORECASTABLE
        ]
        labels = [self.forecasts[place].series.label for place in shown]
        return interval_figure(frame.iloc[shown], labels, "median", self.summary(), "score, as a share")

    def summary(self) -> str:
        """Return family, size, tokens and the number of benchmarks in one line."""
        refused = sum(answer.grade == NOT_FORECASTABLE for answer in self.forecasts)
        count = f"{len(self.forecasts)} benchmark{'' if len(self.forecasts) == 1 else 's'}"
        left = f", {refused} not forecastable" if refused else ""
        return f"{_describe(self.target)}, {count}{left}"


def _ends(answer: TaskForecast) -> dict[str, float]:
    ends = level_columns(answer.intervals)
    return dict.fromkeys(ends, nan) if answer.grade == NOT_FORECASTABLE else ends


def _describe(target: Target) -> str:
    return f"{target.family}, {format_quantity(target.params)} parameters, {format_quantity(target.tokens)} tokens"


class TrackRecordFrame(Presentable):
    """What `TrackRecord` is in a notebook.

    Attributes:
        family: whose runs were held out.
        forecasts: of the held-out runs.
    """

    family: str
    forecasts: tuple[HeldOutForecast, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per held-out score, in the metric's own unit.

        Columns: hold_out (runs left out together), run, task, metric, num_fewshot, ratio (compute over that of the
        largest fitted run), truth, median, lo-80, hi-80, lo-95, hi-95, error (median less truth), noise_floor, grade.
        """
        import pandas as pd

        rows = [
            {
                "hold_out": held.hold_out,
                "run": held.run,
                "task": held.forecast.task,
                "metric": held.forecast.metric,
                "num_fewshot": held.forecast.num_fewshot,
                "ratio": held.ratio,
                "truth": held.truth,
                "median": held.forecast.median,
                **level_columns(held.forecast.intervals),
                "error": held.forecast.median - held.truth,
                "noise_floor": held.noise_floor,
                "grade": held.forecast.grade,
            }
            for held in self.forecasts
        ]
        return pd.DataFrame(rows).astype({"num_fewshot": "Int64"})

    def plot(self) -> Any:
        """Draw the held-out scores measured as shares beside their forecasts, those of the fewest runs left out."""
        frame = self.to_frame()
        shown = _first_hold_out(self.forecasts)
        labels = [f"{self.forecasts[place].run}: {self.forecasts[place].forecast.series.label}" for place in shown]
        return interval_figure(frame.iloc[shown], labels, "median", self.summary(), "score, as a share", truth="truth")

    def summary(self) -> str:
        """Return family, number of held-out scores and their mean absolute error in one line."""
        shares = [held.as_share() for held in self.forecasts]
        error = sum(abs(held.forecast.median - held.truth) for held in shares) / len(shares)
        inside = sum(held.inside("80") for held in shares) / len(shares)
        return (
            f"{self.family}, {len(shares)} held-out scores, mean absolute error {100 * error:.1f} points, "
            f"{100 * inside:.0f}% inside the 80% interval"
        )


def _first_hold_out(forecasts: Sequence[HeldOutForecast]) -> list[int]:
    shares = [place for place, held in enumerate(forecasts) if held.forecast.scale.is_share]
    fewest = min((forecasts[place].hold_out for place in shares), default=0)
    return [place for place in shares if forecasts[place].hold_out == fewest]
