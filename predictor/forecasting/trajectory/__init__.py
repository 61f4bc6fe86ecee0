"""The path of a run that is being trained: from its first checkpoints and other runs to its end."""

from predictor.forecasting.trajectory.alarm import Alarm, Signal
from predictor.forecasting.trajectory.observations import TrackedSeries
from predictor.forecasting.trajectory.outlook import Candidates, Requirement, compare_candidates, judge
from predictor.forecasting.trajectory.tracker import Band, RunTrack, SeriesTrack, track

__all__ = [
    "Alarm",
    "Band",
    "Candidates",
    "Requirement",
    "RunTrack",
    "SeriesTrack",
    "Signal",
    "TrackedSeries",
    "compare_candidates",
    "judge",
    "track",
]
