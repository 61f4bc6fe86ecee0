"""The report that a decision is taken from: one HTML file that opens offline."""

from predictor.report.write import check_destination, write_report

__all__ = ["check_destination", "write_report"]
