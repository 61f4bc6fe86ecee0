"""Render a page as one HTML file with everything inside."""

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

from predictor.quantity import format_probability, format_quantity
from predictor.report import wording
from predictor.report.content import Report, name_of_mean
from predictor.report.figures import COLOURS
from predictor.report.sensitivity import GPU, UTILISATION, gpu_days
from predictor.report.verdict import GO, NO_GO


def render_html(report: Report) -> str:
    """Render the report's page."""
    figures: dict[str, Any] = {one.anchor: one.figure for one in report.benchmarks}
    figures |= {f"{one.anchor}-clusters": one.clusters for one in report.benchmarks if one.clusters is not None}
    figures |= {f"law-{number}": one.figure for number, one in enumerate(report.laws or ()) if one.figure is not None}
    single = {"tested": report.tested, "covered": report.covered, "sensitivity": report.sensitivity}
    figures |= {name: drawn for name, drawn in single.items() if drawn}
    figures |= report.team.figures if report.team is not None else {}
    return render(
        "report.html.j2",
        figures,
        scripts=("fold.js", "tables.js", "plots.js", "whatif.js"),
        what_if=Markup(json.dumps(report.what_if, separators=(",", ":"))),
        report=report,
        target=report.forecast.target,
        record=report.forecast.record,
        go=GO,
        no_go=NO_GO,
        gpu=GPU,
        utilisation=UTILISATION,
        plan_gpu_days=gpu_days(report.forecast.target.flops),
        mean_name=name_of_mean(report.forecast),
        grade_scale=wording.grade_scale(),
    )


def render(template: str, figures: dict[str, Any], scripts: tuple[str, ...], **content: Any) -> str:
    """Render a page that loads nothing: style, scripts, plotly and the figures' data are part of the text.

    Args:
        template: its name; it extends `base.html.j2`.
        figures: name -> plotly figure as plain data.
        scripts: files beside this one.
        content: what the template says; `record` with the version is needed.
    """
    return (
        page_environment("predictor.report", "", keep_trailing_newline=True)
        .get_template(template)
        .render(
            **content,
            style=Markup(_beside("report.css")),
            scripts=[Markup(_beside(name)) for name in scripts],
            plotly=_plotly(),
            figures=pack(json.dumps(figures, ensure_ascii=False, separators=(",", ":"), allow_nan=False)),
            colours=packed_colours(),
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
def packed_colours() -> Markup:
    """Pack the colours that a page needs to turn its light figures dark."""
    return pack(json.dumps(dict(COLOURS.values())))


@lru_cache
def page_environment(package: str, folder: str, keep_trailing_newline: bool = False) -> jinja2.Environment:
    """Make what renders the templates in a package's folder: escaped, strict, with the filters that all pages share."""
    environment = jinja2.Environment(
        loader=jinja2.ChoiceLoader(
            [
                jinja2.PackageLoader(package, folder),
                # Parts of the report that other pages show as well.
                jinja2.PrefixLoader({"report": jinja2.PackageLoader("predictor.report", "sections")}),
            ]
        ),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=keep_trailing_newline,
    )
    filters: dict[str, Any] = {
        "percent": wording.percent,
        "points": wording.points,
        "probability": format_probability,
        "interval": wording.interval,
        "compute": wording.compute,
        "times": wording.times,
        "quantity": format_quantity,
        "sentence": wording.sentence,
        "in_short": wording.grade_in_short,
        "breakable": breakable,
        "meaning": wording.grade_meaning,
        "in_unit": wording.in_unit,
        "ends_in_unit": wording.ends_in_unit,
    }
    environment.filters.update(filters)
    environment.globals["plural"] = wording.plural
    return environment
