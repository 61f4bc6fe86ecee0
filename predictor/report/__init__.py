"""What decisions are taken from: the forecast report, and a run in training held against its forecast."""

from predictor.report.calibration_page import write_calibration
from predictor.report.content import Report, build_report
from predictor.report.diff_page import write_diff
from predictor.report.drawings import write_figures
from predictor.report.loss_laws import LossLaw, fit_loss_laws
from predictor.report.pdf import write_pdf
from predictor.report.tables import write_tables
from predictor.report.track_json import track_to_json
from predictor.report.track_page import write_track
from predictor.report.verdict import Made, Verdict
from predictor.report.write import write_html, write_report
from predictor.results.destination import check_destination

__all__ = [
    "LossLaw",
    "Made",
    "Report",
    "Verdict",
    "build_report",
    "check_destination",
    "fit_loss_laws",
    "track_to_json",
    "write_calibration",
    "write_diff",
    "write_figures",
    "write_html",
    "write_pdf",
    "write_report",
    "write_tables",
    "write_track",
]
