"""From a results table to a distribution of the target's scores, with the record that earned it."""

from predictor.forecasting.forecaster import AUTO, Forecaster, fit_forecaster, forecast
from predictor.forecasting.methods import METHODS
from predictor.forecasting.target import Curve, Forecast, Target, TaskForecast
from predictor.forecasting.track_record import HeldOutForecast, TrackRecord, track_record

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
