"""A tracked run as one HTML page: the verdict, a figure per benchmark, the signals behind the alarm."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.forecast.trajectory import RunTrack, SeriesTrack
from predictor.forecast.trajectory.alarm import DRIFT, JUMP
from predictor.report.figures import path_figure, signal_figure
from predictor.report.html import render
from predictor.report.wording import percent
from predictor.results.destination import check_destination
from predictor.results.files import write_text_atomically


@dataclass(frozen=True)
class Line:
    """One series of the page, in words.

    Attributes:
        anchor: id of its figure.
        track: the numbers.
        now: what was last measured.
        expected: what was expected there from the checkpoints before.
        final_before: forecast of the end before the run.
        final: forecast of the end as of now.
        low: lower end of its 80 % interval.
        high: upper end.
    """

    anchor: str
    track: SeriesTrack
    now: str
    expected: str
    final_before: str
    final: str
    low: str
    high: str

    @property
    def state(self) -> str:
        """Say on which side of its forecast the last checkpoint lies."""
        worse = float(self.track.worse[-1])
        return "below" if worse > 2 else "above" if worse < -2 else "as expected"


def write_track(track: RunTrack, out: str | Path) -> Path:
    """Write the page about a tracked run, whole or not at all.

    Raises:
        InputError: the file cannot be written there.
    """
    path = check_destination(out)
    write_text_atomically(path, render_track(track))
    return path


def render_track(track: RunTrack) -> str:
    """Render the page; the same track gives the same text."""
    lines = [_line(f"series-{number}", one) for number, one in enumerate(track.series, 1)]
    figures: dict[str, Any] = {line.anchor: path_figure(line.track, track.alarms) for line in lines}
    for signal in track.signals:
        figures[signal.name] = signal_figure(signal, JUMP[signal.name], DRIFT[signal.name], track.alarms)
    return render("track.html.j2", figures, scripts=("plots.js",), track=track, lines=lines, record=track.record)


def _line(anchor: str, one: SeriesTrack) -> Line:
    def show(value: float) -> str:
        return f"{float(value):.3f}" if one.series.is_loss else percent(float(value))

    final = one.final
    ends = final.lower["80"][-1], final.upper["80"][-1]
    shown = (one.observed[-1], one.expected[-1], final.median[0], final.median[-1], *ends)
    return Line(anchor, one, *map(show, shown))
