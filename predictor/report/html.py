"""Render a report as one HTML file with everything inside."""

from __future__ import annotations

import base64
import gzip
import json
from functools import lru_cache
from importlib.resources import files
from typing import Any

import jinja2
import plotly.offline
from markupsafe import Markup, escape

from predictor.quantity import format_quantity
from predictor.report import wording
from predictor.report.content import Report
from predictor.report.figures import COLOURS

TEMPLATE = "template.html.j2"


def render_html(report: Report) -> str:
    """Render the page. It loads nothing: style, script, plotly and the figures' data are part of the text."""
    figures = {one.anchor: one.figure for one in report.benchmarks}
    return (
        _environment()
        .get_template(TEMPLATE)
        .render(
            report=report,
            target=report.forecast.target,
            record=report.forecast.record,
            style=Markup(_beside("report.css")),
            script=Markup(_beside("report.js")),
            plotly=_plotly(),
            figures=pack(json.dumps(figures, ensure_ascii=False, separators=(",", ":"), allow_nan=False)),
            colours=pack(json.dumps(dict(COLOURS.values()))),
        )
    )


def pack(text: str) -> Markup:
    """Compress a text for the browser to inflate: plotly alone is 4.8 MB as it is.

    The time is left out of the header, as equal inputs must give equal bytes; base64 needs no escaping in HTML.
    """
    return Markup(base64.b64encode(gzip.compress(text.encode(), compresslevel=9, mtime=0)).decode("ascii"))


def breakable(name: str) -> Markup:
    """Let a long name break after its underscores, rather than anywhere."""
    return Markup("_<wbr>").join(escape(part) for part in name.split("_"))


@lru_cache(maxsize=1)
def _plotly() -> Markup:
    return pack(plotly.offline.get_plotlyjs())


def _beside(name: str) -> str:
    return files("predictor.report").joinpath(name).read_text(encoding="utf-8")


@lru_cache(maxsize=1)
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("predictor.report", ""),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    filters: dict[str, Any] = {
        "percent": wording.percent,
        "points": wording.points,
        "interval": wording.interval,
        "compute": wording.compute,
        "times": wording.times,
        "quantity": format_quantity,
        "sentence": wording.sentence,
        "in_short": wording.grade_in_short,
        "breakable": breakable,
        "meaning": wording.grade_meaning,
    }
    environment.filters.update(filters)
    environment.globals["plural"] = wording.plural
    return environment
