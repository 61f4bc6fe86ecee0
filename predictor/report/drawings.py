"""The figures of a report, one after the other: what each shows, and the files they are written to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.progress import Progress, opened
from predictor.report.content import Benchmark, Report, name_of_mean
from predictor.report.figures.static import FORMATS, render_figure, require_matplotlib
from predictor.report.wording import interval, percent
from predictor.results.destination import check_folder
from predictor.results.files import write_bytes_atomically

# Longer names are cut: file systems end at 255 bytes.
_LONGEST_NAME = 120
_SQUARE = (5.2, 5.2)
_WIDE = (6.4, 4.2)


@dataclass(frozen=True)
class Drawing:
    """One figure.

    Attributes:
        name: of its files, without their endings; each once in a report.
        title: what it is of.
        subtitle: what it says, in short.
        figure: the plotly figure.
        legend: whether its traces are to be named.
        inches: width and height on a page of its own.
    """

    name: str
    title: str
    subtitle: str
    figure: dict[str, Any]
    legend: bool = True
    inches: tuple[float, float] = _WIDE


def list_drawings(report: Report) -> list[Drawing]:
    """List every figure of a report in the order of its page."""
    names: set[str] = set()
    found = []
    for drawing in _drawings(report):
        name, number = drawing.name, 2
        # File systems may not tell capitals apart.
        while name.lower() in names:
            name, number = f"{drawing.name}-{number}", number + 1
        names.add(name.lower())
        found.append(Drawing(name, drawing.title, drawing.subtitle, drawing.figure, drawing.legend, drawing.inches))
    return found


def write_figures(report: Report, folder: str | Path, progress: Progress | None = None) -> list[Path]:
    """Write every figure of a report as SVG, PDF and PNG; no browser takes part.

    Files are named after the benchmark; older ones of the same names are replaced, each once the new one is whole.

    Args:
        report: from `build_report`.
        folder: made where it is missing; the folder it lies in must exist.
        progress: opened with the number of figures; gives what is called with a line after each.

    Returns:
        the files.

    Raises:
        InputError: matplotlib is not installed, or nothing can be written there.
    """
    require_matplotlib()
    place = check_folder(folder, "--figures")
    drawings = list_drawings(report)
    place.mkdir(exist_ok=True)
    written = []
    with opened(progress, len(drawings)) as done:
        for one in drawings:
            files = render_figure(
                one.figure, title=one.title, subtitle=one.subtitle, legend=one.legend, inches=one.inches
            )
            for ending in FORMATS:
                path = place / f"{one.name}.{ending}"
                write_bytes_atomically(path, files[ending])
                written.append(path)
            done(one.name)
    return written


def _drawings(report: Report) -> Iterator[Drawing]:
    for one in report.benchmarks:
        yield Drawing(_file_name(one), _title(one), _verdict(one), one.figure)
        if one.clusters is not None:
            name = f"{_file_name(one)}-clusters"
            yield Drawing(name, _title(one), "clusters of its items by difficulty", one.clusters, legend=False)
    if report.sensitivity:
        shown = "over size, length and cost"
        yield Drawing("sensitivity", name_of_mean(report.forecast).capitalize(), shown, report.sensitivity)
    for law in report.laws or ():
        if law.figure is not None:
            yield Drawing(_safe(law.task), law.task, law.formula, law.figure)
    if report.tested:
        told = "held-out runs, once per hold-out"
        yield Drawing("backtest", "Forecast against truth", told, report.tested, inches=_SQUARE)
    if report.covered:
        told = "share of held-out scores inside, by distance"
        yield Drawing("coverage", "How often the intervals held", told, report.covered)


def _title(one: Benchmark) -> str:
    return f"{one.forecast.task}, {one.setting.replace(' · ', ' ')}"


def _verdict(one: Benchmark) -> str:
    if one.forecast.grade == NOT_FORECASTABLE:
        return f"not forecastable (F), 95% range {interval(one.forecast.intervals['95'])}"
    ends = one.forecast.intervals["80"]
    return f"forecast {percent(one.forecast.median)}, 80% interval {interval(ends)}, grade {one.forecast.grade}"


def _file_name(one: Benchmark) -> str:
    return _safe(f"{one.forecast.task}-{one.setting.replace(' · ', '-')}")


def _safe(name: str) -> str:
    """Keep what every file system takes; a name never begins with a dot or leaves its folder."""
    return re.sub(r"[^A-Za-z0-9._-]+", "_", name).strip("._-")[:_LONGEST_NAME] or "figure"
