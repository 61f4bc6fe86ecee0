"""Write a report to a file, whole or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from predictor.difficulty import ClusterAnalysis
from predictor.forecasting import Forecaster
from predictor.report.content import Report, build_report
from predictor.report.html import render_html
from predictor.results.destination import check_destination
from predictor.results.files import write_text_atomically


def write_report(
    forecaster: Forecaster,
    params: float,
    tokens: float,
    out: str | Path,
    command: str = "",
    clusters: Mapping[str, ClusterAnalysis] | None = None,
) -> Path:
    """Forecast a target and write the report about it as one HTML file that opens offline.

    The same inputs give the same bytes: nothing in the file depends on the time or the place. For the loss laws, for
    measured coverage and for other forms of a report, see `build_report`.

    Args:
        forecaster: from `predictor.forecasting.fit_forecaster`.
        params: the target's parameters N, counted as in the results table.
        tokens: its training tokens D.
        out: the file to write; one that is there is replaced once the new one is complete.
        command: what a reader can run to make the report again; shown as it is.
        clusters: task -> the clusters of its items, whose curves are drawn beside its forecast.

    Returns:
        the path written.

    Raises:
        InputError: the file cannot be written there.
    """
    path = check_destination(out)
    return write_html(build_report(forecaster, params, tokens, command, clusters), path)


def write_html(report: Report, out: str | Path) -> Path:
    """Write a report as one HTML file that opens offline.

    Args:
        report: from `build_report`.
        out: the file to write; one that is there is replaced once the new one is complete.

    Raises:
        InputError: the file cannot be written there.
    """
    path = check_destination(out)
    write_text_atomically(path, render_html(report))
    return path
