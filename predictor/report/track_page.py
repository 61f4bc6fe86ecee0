"""A tracked run as one HTML page: the verdict, a figure per benchmark, the signals behind the alarm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.forecasting.trajectory import Requirement, RunTrack, SeriesTrack
from predictor.forecasting.trajectory.alarm import DRIFT, JUMP
from predictor.report.figures import path_figure, signal_figure
from predictor.report.html import render
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
        low: lower end of its 80% interval.
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
        """Return on which side of its forecast the last checkpoint lies."""
        worse = float(self.track.worse[-1])
        return "worse than expected" if worse > 2 else "better than expected" if worse < -2 else "on track"

    @property
    def sentence(self) -> str:
        """Sum it up, as `expected 32.4%, measured 32.6%, on track; forecast at the end 41.0% (39.2 to 42.9)`."""
        unit = "%" if self.track.series.share.is_share and not self.track.series.is_loss else ""
        ends = f"{self.final}{unit} ({self.low} to {self.high})"
        return (
            f"expected {self.expected}{unit}, measured {self.now}{unit}, {self.state}; forecast at the end {ends}; "
            f"before the run {self.final_before}{unit}"
        )


def write_track(track: RunTrack, out: str | Path, required: Sequence[Requirement] = ()) -> Path:
    """Write the page about a tracked run, whole or not at all.

    Raises:
        InputError: the file cannot be written there.
    """
    path = check_destination(out)
    write_text_atomically(path, render_track(track, required))
    return path


def render_track(track: RunTrack, required: Sequence[Requirement] = ()) -> str:
    """Render the page; the same track gives the same text."""
    lines = [_line(f"series-{number}", series) for number, series in enumerate(track.series, 1)]
    figures: dict[str, Any] = {line.anchor: path_figure(line.track, track.alarms, track.events) for line in lines}
    for signal in track.signals:
        figures[signal.name] = signal_figure(signal, JUMP[signal.name], DRIFT[signal.name], track.alarms)
    return render(
        "track.html.j2",
        figures,
        scripts=("fold.js", "plots.js"),
        track=track,
        lines=lines,
        required=required,
        by_class=any(series.by_class for series in track.series),
        record=track.record,
    )


def _line(anchor: str, track: SeriesTrack) -> Line:
    def show(value: float) -> str:
        share = track.series.share.is_share and not track.series.is_loss
        return f"{100 * float(value):.1f}" if share else f"{float(value):.3f}"

    final = track.final
    ends = final.lower["80"][-1], final.upper["80"][-1]
    shown = (track.observed[-1], track.expected[-1], final.median[0], final.median[-1], *ends)
    return Line(anchor, track, *map(show, shown))
