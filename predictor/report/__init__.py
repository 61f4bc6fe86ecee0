"""What decisions are taken from: the forecast report, and a run in training held against its forecast."""

from predictor.report.track_json import track_to_json
from predictor.report.track_page import write_track
from predictor.report.write import check_destination, write_report

__all__ = ["check_destination", "track_to_json", "write_report", "write_track"]
