"""Forecasts on the record: registered before the run, resolved by its scores, and judged over the years."""

from predictor.forecasting.register.entries import Entries, Outcome, Registration, Resolution, read_entries
from predictor.forecasting.register.registering import register
from predictor.forecasting.register.resolving import Resolved, resolve
from predictor.forecasting.register.team_record import TeamRecord, team_record

__all__ = [
    "Entries",
    "Outcome",
    "Registration",
    "Resolution",
    "Resolved",
    "TeamRecord",
    "read_entries",
    "register",
    "resolve",
    "team_record",
]
