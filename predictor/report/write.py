"""Write a report to a file, whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from predictor.difficulty import ClusterAnalysis
from predictor.errors import InputError
from predictor.forecast import Forecaster
from predictor.report.content import build_report
from predictor.report.html import render_html
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

    The same inputs give the same bytes: nothing in the file depends on the time or the place.

    Args:
        forecaster: from `predictor.forecast.fit_forecaster`.
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
    write_text_atomically(path, render_html(build_report(forecaster, params, tokens, command, clusters)))
    return path


def check_destination(out: str | Path) -> Path:
    """Say before the work of fitting that a report cannot be written there.

    Raises:
        InputError: it names a folder, or its folder is missing or not writable.
    """
    path = Path(out)
    if path.is_dir():
        raise InputError(f"{path} is a folder", "name a file in it, as report.html")
    if not path.parent.is_dir():
        raise InputError(f"the folder {path.parent} does not exist", "make it, or choose another --out")
    if not os.access(path.parent, os.W_OK):
        raise InputError(f"the folder {path.parent} is not writable", "choose another --out")
    return path
