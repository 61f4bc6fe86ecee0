"""Calibration of a benchmark as one HTML page: a reliability curve per run's newest checkpoint, and the numbers."""

from __future__ import annotations

from pathlib import Path

from predictor import __version__
from predictor.report.figures.reliability import reliability_figure
from predictor.report.html import render
from predictor.results.destination import check_destination
from predictor.results.files import write_text_atomically
from predictor.statistics import Calibration, Calibrations, words


def write_calibration(found: Calibrations, out: str | Path) -> Path:
    """Write the page, whole or not at all.

    Raises:
        InputError: the file cannot be written there.
    """
    path = check_destination(out)
    newest: dict[str, Calibration] = {one.run: one for one in found.checkpoints}
    figures = {f"reliability-{number}": reliability_figure(one) for number, one in enumerate(newest.values(), 1)}
    drawn = list(zip(figures, newest.values(), strict=True))
    record = {"version": __version__}
    text = render(
        "calibration.html.j2", figures, scripts=("plots.js",), found=found, drawn=drawn, words=words, record=record
    )
    write_text_atomically(path, text)
    return path
