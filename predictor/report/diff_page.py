"""Differences of runs as one HTML page: what differs, the intervals drawn, tests and power."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from predictor.report.figures.differences import differences_figure
from predictor.report.html import render
from predictor.results.destination import check_destination
from predictor.results.files import write_text_atomically
from predictor.statistics import Difference, Differences, words


@dataclass(frozen=True)
class _Block:
    """One figure with its tables: a baseline and a measure."""

    anchor: str
    baseline: str
    measure: str
    rows: tuple[Difference, ...]


def write_diff(answer: Differences, out: str | Path) -> Path:
    """Write the page about differences, whole or not at all.

    Raises:
        InputError: the file cannot be written there.
    """
    path = check_destination(out)
    write_text_atomically(path, render_diff(answer))
    return path


def render_diff(answer: Differences) -> str:
    """Render the page; the same differences give the same text."""
    rows = [*answer.suites, *answer.rows]
    blocks = [
        _Block(f"figure-{number}", baseline, measure, tuple(own))
        for number, (baseline, measure, own) in enumerate(_blocks(answer, rows), 1)
    ]
    figures = {block.anchor: differences_figure(block.rows, list(map(answer.name, block.rows))) for block in blocks}
    return render(
        "diff.html.j2", figures, scripts=("plots.js",), answer=answer, blocks=blocks, words=words, record=answer.record
    )


def _blocks(answer: Differences, rows: list[Difference]) -> list[tuple[str, str, list[Difference]]]:
    """Part the differences into one figure for each baseline and metric that shares an axis."""
    keys = dict.fromkeys((row.baseline, row.measure, row.is_share or row.metric) for row in rows)
    parts = [
        (key[0], key[1], [row for row in rows if (row.baseline, row.measure, row.is_share or row.metric) == key])
        for key in keys
    ]
    return sorted(parts, key=lambda part: (answer.baselines.index(part[0]), answer.measures.index(part[1])))
