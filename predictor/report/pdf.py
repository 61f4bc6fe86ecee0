"""A report on paper: the same words, tables and figures, figures as vectors, laid out by fpdf2 without a browser.

fpdf2 and matplotlib are plain Python packages that need no library of the system, as compute nodes rarely have any;
WeasyPrint would need Pango, and printing the HTML page a browser.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from predictor.distribution import install_command
from predictor.errors import InputError
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.progress import Done, Progress, opened
from predictor.quantity import format_probability, format_quantity
from predictor.report.content import Benchmark, Report, name_of_mean
from predictor.report.evidence import Errors
from predictor.report.figures.static import render_figure, require_matplotlib
from predictor.report.sensitivity import GPU, UTILISATION, gpu_days
from predictor.report.wording import (
    compute,
    grade_in_short,
    grade_meaning,
    in_unit,
    interval,
    percent,
    plural,
    points,
    sentence,
    times,
)
from predictor.results.destination import check_destination
from predictor.results.files import write_bytes_atomically

if TYPE_CHECKING:
    from predictor.report.sheet import Sheet

# Inches of a figure whose width is half a page, and points of its type.
_HALF = (3.45, 2.2)
_SQUARE = (3.45, 3.1)
_TYPE = 6.5
# Millimetres of a heading, a paragraph and a line of figures.
_WITH_FIGURES = 120.0
_BREAK = "\\1\N{ZERO WIDTH SPACE}"


def require_paper() -> None:
    """Say before any work that no PDF can be written.

    Raises:
        InputError: fpdf2 or matplotlib is not installed.
    """
    require_matplotlib()
    try:
        import fpdf  # noqa: F401
    except ModuleNotFoundError:
        raise InputError("the package fpdf2 is not installed", install_command("paper")) from None


def write_pdf(report: Report, out: str | Path, progress: Progress | None = None) -> Path:
    """Write a report as a PDF of A4 pages with vector figures; the same report gives the same bytes.

    Args:
        report: from `build_report`.
        out: the file to write; one that is there is replaced once the new one is complete.
        progress: opened with the number of figures; gives what is called with a line after each.

    Raises:
        InputError: fpdf2 or matplotlib is not installed, or the file cannot be written there.
    """
    require_paper()
    path = check_destination(out, "--pdf")
    from predictor.report.sheet import Sheet

    target = report.forecast.target
    size = f"{format_quantity(target.params)} parameters on {format_quantity(target.tokens)} tokens"
    sheet = Sheet(f"{target.family}, {size}")
    count = len(report.benchmarks) + sum(one.figure is not None for one in report.laws or ())
    with opened(progress, count) as done:
        _head(sheet, report)
        _forecasts(sheet, report)
        _unsure(sheet, report)
        _figures(sheet, report, done)
        _what_if(sheet, report)
        _laws(sheet, report, done)
        _backtest(sheet, report)
        _record(sheet, report)
    write_bytes_atomically(path, sheet.finish())
    return path


def _head(sheet: Sheet, report: Report) -> None:
    sheet.title()
    largest = report.runs[-1]
    sheet.facts(
        (
            ("Training compute", compute(report.forecast.target.flops)),
            ("Against the largest run", f"{times(report.ratio)} the compute of {largest.name}"),
            ("Fitted to", plural(len(report.runs), "run")),
            *_mean_facts(report),
            ("Can be forecast", f"{len(report.firm)} of {plural(len(report.benchmarks), 'benchmark')}"),
        )
    )
    verdict = report.verdict
    sheet.notice(f"{verdict.word}. {sentence(verdict.reason)}")
    for place, risk in enumerate(verdict.risks, 1):
        sheet.text(f"{'Risks. ' if place == 1 else ''}{place}. {sentence(risk)}")
    sheet.text(f"Distance. {sentence(verdict.distance)}")
    sheet.text(f"Calibration. {sentence(verdict.calibration)}")
    if report.team is not None:
        sheet.text(f"Track record. {sentence(report.team.sentence)}")
    if report.made is not None:
        sheet.aside(f"{report.made.date}, made by {report.made.by}.")
    _changes(sheet, report)
    _beside(sheet, report)


def _changes(sheet: Sheet, report: Report) -> None:
    changes = report.changes
    if changes is None:
        return
    sheet.heading("Changes since the earlier forecast")
    if changes.mean_difference is not None:
        sheet.text(f"The mean moved by {points(changes.mean_difference)} points.")
    for cause in changes.causes:
        sheet.text(sentence(cause))
    moved = [move for move in changes.moves if move.what != "unchanged"]
    rows = [
        (
            move.series.label,
            *(
                in_unit(found, found.median) if found is not None and found.grade != NOT_FORECASTABLE else "–"
                for found in (move.before, move.after)
            ),
            f"{move.what}{' (outside the earlier 80% interval)' if move.leaves_interval else ''}",
        )
        for move in moved
    ]
    if rows:
        sheet.table(("Benchmark", "Then", "Now", "Change"), rows, (62, 20, 20, 80), "LRRL")


def _beside(sheet: Sheet, report: Report) -> None:
    beside = report.beside
    if beside is None:
        return
    sheet.heading("Side by side")
    sheet.aside(f"Forecasts in percent with their 80% intervals; means over the {beside.common} that all can forecast.")

    def shown(median: float, ends: tuple[float, float]) -> str:
        return f"{points(median)} ({interval(ends)})"

    rows = [("Mean", *(shown(c.mean.median, c.mean.intervals["80"]) if c.mean else "–" for c in beside.columns))]
    for requirement in beside.columns[0].require:
        chances = (format_probability(column.probability_of(requirement.name)) for column in beside.columns)
        rows.append((f"{requirement.name} at least {percent(requirement.level)}", *chances))
    rows.append((f"{GPU} days", *(format_quantity(column.gpu_days) for column in beside.columns)))
    for series in beside.series:
        found = [column.firm(series) for column in beside.columns]
        rows.append((series.label, *("–" if f is None else shown(f.median, f.intervals["80"]) for f in found)))
    width = 130 / len(beside.columns)
    heads = ("Benchmark", *(column.label for column in beside.columns))
    sheet.table(heads, rows, (52, *[width] * len(beside.columns)), "L" + "R" * len(beside.columns))


def _mean_facts(report: Report) -> Iterator[tuple[str, str]]:
    """Write the mean over benchmarks and what is required."""
    mean, require = report.forecast.mean, report.forecast.require
    if mean is not None:
        name = f"{mean.name.capitalize()} of {plural(len(mean.series), 'benchmark')}"
        yield name, f"{points(mean.median)}% (80% interval {interval(mean.intervals['80'])})"
    for requirement in require.each if require else ():
        yield f"{requirement.name} at least {points(requirement.level)}%", format_probability(requirement.probability)


def _forecasts(sheet: Sheet, report: Report) -> None:
    sheet.heading("Forecasts")
    if not report.firm:
        sheet.text("None of the benchmarks can be forecast from these runs.")
        return
    tally = ", ".join(f"{letter}: {count}" for letter, count in report.grades.items() if count)
    sheet.aside(f"Scores in percent. Benchmarks by grade: {tally}. The grade says how wide the 80% interval is.")
    rows = []
    for one in report.firm:
        found = one.forecast
        rows.append(
            (
                _name(one),
                found.grade,
                points(found.median),
                interval(found.intervals["80"]),
                interval(found.intervals["95"]),
                points(found.largest) if found.largest is not None else "–",
                sentence(found.why.removeprefix(report.common)),
            )
        )
    heads = ("Benchmark", "Grade", "Forecast", "80%", "95%", "Largest run", "Why")
    sheet.table(heads, rows, (44, 11, 15, 20, 20, 15, 57), "LCRRRRL", strong=2)
    if report.common:
        sheet.aside(f"Of all of them: {sentence(report.common.removesuffix('; '))}")


def _unsure(sheet: Sheet, report: Report) -> None:
    if not report.unsure:
        return
    sheet.heading("Not forecastable")
    reasons = "; ".join(f"{count} because {reason}" for reason, count in report.reasons)
    sheet.text(f"{plural(len(report.unsure), 'benchmark')} with grade F. No number is given: {reasons}.")
    rows = [
        (
            _name(one),
            points(one.forecast.largest) if one.forecast.largest is not None else "–",
            points(one.forecast.chance) if one.forecast.chance is not None else "–",
            interval(one.forecast.intervals["95"]),
            sentence(one.forecast.why),
        )
        for one in report.unsure
    ]
    sheet.table(("Benchmark", "Largest run", "Chance", "95% range", "Why"), rows, (50, 17, 14, 22, 79), "LRRRL")


def _what_if(sheet: Sheet, report: Report) -> None:
    if not report.firm:
        return
    sheet.heading("What could change it", room=_WITH_FIGURES)
    if report.sensitivity:
        sheet.figure(
            _drawn(report.sensitivity, _SQUARE),
            name_of_mean(report.forecast),
            "over size, length and cost",
            "A line per size; along a line training grows longer, from a quarter to four times the plan. The plan "
            f"takes about {format_quantity(gpu_days(report.forecast.target.flops))} {GPU} days at "
            f"{100 * UTILISATION:g}% of its dense bfloat16 peak.",
        )
        sheet.end_figures()
    sheet.aside("Forecast medians in percent, for other numbers of parameters N and of training tokens D than planned.")
    plan = report.factors.index(1.0)
    places = [plan, *(i for i in range(len(report.factors)) if i != plan)]
    heads = ["Benchmark", "as planned"]
    heads += [f"{report.factors[i]:g}× N" for i in places[1:]]
    heads += [f"{report.factors[i]:g}× D" for i in places[1:]]
    rows = []
    for place, one in enumerate(report.firm):
        cells = [report.what_if[i][plan][place] for i in places] + [report.what_if[plan][i][place] for i in places[1:]]
        rows.append((_name(one), *("–" if cell is None else f"{cell[0]:.1f}" for cell in cells)))
    width = 132 / (len(heads) - 1)
    sheet.table(heads, rows, (50, *[width] * (len(heads) - 1)), "L" + "R" * (len(heads) - 1), strong=1)


def _figures(sheet: Sheet, report: Report, done: Done) -> None:
    sheet.heading("Figures", room=_WITH_FIGURES)
    sheet.text(
        "Scores against training compute. Dots are runs, ± one standard error; the line is the fitted curve, shaded "
        "its 80% band; the diamond is the target with its 80% (thick) and 95% interval (thin); the dashed line is "
        "chance. The curve follows models that grow in size and tokens together, from the smallest run to the target."
    )
    for one in report.benchmarks:
        setting = f"{one.setting}, grade {one.forecast.grade}"
        sheet.figure(_drawn(one.figure), one.forecast.task, setting, one.caption)
        if one.clusters is not None:
            sheet.figure(_drawn(one.clusters), one.forecast.task, "clusters of items", one.clusters_caption)
        done(one.forecast.task)
    sheet.end_figures()


def _laws(sheet: Sheet, report: Report, done: Done) -> None:
    if report.laws is None:
        return
    sheet.heading("Loss laws")
    if not report.laws:
        sheet.text("No held-out loss was scored, so there is no loss law.")
        return
    fitted = [one for one in report.laws if one.intervals is not None]
    for one in report.laws:
        if one.intervals is None:
            sheet.text(f"{one.task}: no law is shown. {sentence(one.refusal or '')}")
    if not fitted:
        return
    sheet.aside(
        "Intervals are those of the fitted law, without what a single measurement scatters and without what the law "
        "itself leaves out."
    )
    rows = [
        (
            one.task,
            one.formula,
            f"{one.best:.4g}",
            f"{one.value:.4g}",
            *(f"{low:.4g}–{high:.4g}" for low, high in (one.intervals or {}).values()),
            f"{100 * one.residual:.2g}%",
        )
        for one in fitted
    ]
    heads = ("Loss", "Law", "Lowest seen", "Target", "80%", "95%", "Residuals")
    sheet.table(heads, rows, (38, 44, 18, 16, 24, 24, 18), "LLRRRRR", strong=3)
    for one in fitted:
        told = ", ".join(f"{each.name} {each.value:.3g} [{each.low:.3g}, {each.high:.3g}]" for each in one.coefficients)
        caption = f"{plural(one.observations, 'observation')}. {told} (95% intervals). The target {one.place}."
        sheet.figure(_drawn(one.figure or {}), one.task, one.law, caption)
        done(one.task)
    sheet.end_figures()


def _backtest(sheet: Sheet, report: Report) -> None:
    sheet.heading("Backtest", room=_WITH_FIGURES)
    if not report.backtest:
        sheet.text("There are too few runs to hold any out. Weights and intervals rest on general expectations.")
        return
    sheet.text(
        "The largest runs were held out, forecast from the smaller ones, and compared with what they scored. Errors "
        "are means of absolute differences, in points."
    )
    if report.tested:
        sheet.figure(
            _drawn(report.tested, _SQUARE),
            "Forecast against truth",
            "held-out runs",
            "Each held-out run and benchmark once per hold-out: blue where a forecast is given, grey where the grade "
            "is F. On the dashed line they agree.",
        )
    if report.covered:
        sheet.figure(
            _drawn(report.covered, _SQUARE),
            "How often the intervals held",
            "80% blue, 95% orange",
            "Share of held-out scores inside the interval, by the compute of the held-out run over that of the largest "
            "fitted one. Dashed lines are what is meant.",
        )
    sheet.end_figures()
    if report.coverage:
        rows = [
            (
                one.band,
                str(one.forecasts),
                f"{100 * one.inside['80']:.0f}%",
                f"{100 * one.inside['95']:.0f}%",
                points(one.width["80"]),
                points(one.error),
                points(one.noise_floor),
            )
            for one in report.coverage
        ]
        heads = ("Distance", "Forecasts", "inside 80%", "inside 95%", "width of 80%", "Error", "Noise floor")
        sheet.aside("Whole forecasts made without the held-out runs: weights, intervals and grades included.")
        sheet.table(heads, rows, (38, *[24] * 6), "LRRRRRR")
    columns = ("Method", *(f"largest {one.count}" for one in report.hold_outs), "all", "tests")
    for title, errors in report.backtest:
        sheet.aside(sentence(f"mean absolute error with the largest runs held out, {title}"))
        numbers = len(columns) - 1
        widths = (42, *[min(24.0, 140 / numbers)] * numbers)
        sheet.table(columns, [_errors(one) for one in errors], widths, "L" + "R" * numbers)


def _record(sheet: Sheet, report: Report) -> None:
    sheet.heading("What it rests on")
    sheet.text(
        "A forecast holds for a model of the same family: same architecture, data, recipe and evaluation, trained to "
        "the end of its schedule. It knows nothing of changes in data, of instruction tuning, or of abilities that "
        "none of the runs shows."
    )
    sheet.table(
        ("Grade", "", "Meaning"),
        [(one, grade_in_short(one), grade_meaning(one)) for one in report.grades],
        (14, 36, 132),
        "CLL",
    )
    rows = [
        (run.name, format_quantity(run.params), format_quantity(run.tokens), compute(run.flops), str(run.benchmarks))
        for run in report.runs
    ]
    sheet.table(("Run", "Parameters", "Tokens", "Compute", "Benchmarks"), rows, (72, 24, 24, 38, 24), "LRRRR")
    record = report.forecast.record
    for note in record["notes"]:
        sheet.aside(sentence(note))
    made = [("Version", f"predictor {record['version']}"), ("Method", record["method"]), ("Seed", str(record["seed"]))]
    made += [(name, digest) for name, digest in sorted(record["inputs"].items())]
    made += [("Command", report.command)] if report.command else []
    sheet.table(("How it was made", ""), made, (40, 142), "LL")


def _name(one: Benchmark) -> str:
    # A long name breaks after its underscores and dashes, rather than anywhere.
    return f"{re.sub('([_-])', _BREAK, one.forecast.task)}\n{one.setting}"


def _errors(one: Errors) -> Sequence[str]:
    cells = ["–" if error is None else points(error) for error in one.errors]
    return (one.method, *cells, "–" if one.overall is None else points(one.overall), str(one.forecasts))


def _drawn(figure: dict, inches: tuple[float, float] = _HALF) -> io.BytesIO:
    made = render_figure(figure, ("svg",), legend=False, inches=inches, font_size=_TYPE)
    return io.BytesIO(made["svg"])
