"""The path of a run that is being trained: from its first checkpoints and the family's other runs to its end."""

from predictor.forecast.trajectory.alarm import Alarm, Signal
from predictor.forecast.trajectory.observations import TrackedSeries
from predictor.forecast.trajectory.tracker import Band, RunTrack, SeriesTrack, track

__all__ = ["Alarm", "Band", "RunTrack", "SeriesTrack", "Signal", "TrackedSeries", "track"]
