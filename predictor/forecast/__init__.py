"""From a results table to a distribution of the target's scores, with the record that earned it."""

from predictor.forecast.forecaster import AUTO, Forecaster, fit_forecaster, forecast
from predictor.forecast.methods import METHODS
from predictor.forecast.target import Curve, Forecast, Target, TaskForecast
from predictor.forecast.track_record import HeldOutForecast, TrackRecord, track_record

__all__ = [
    "AUTO",
    "METHODS",
    "Curve",
    "Forecast",
    "Forecaster",
    "HeldOutForecast",
    "Target",
    "TaskForecast",
    "TrackRecord",
    "fit_forecaster",
    "forecast",
    "track_record",
]
