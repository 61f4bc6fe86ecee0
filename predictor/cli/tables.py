"""Forecasts as text: a table for many benchmarks, a few lines for one."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.forecasting.mean import MeanForecast
from predictor.forecasting.target import Forecast, TaskForecast
from predictor.quantity import format_probability, format_quantity

# Tables that go into a file or a pipe are not folded to the width of a terminal nobody looks at.
_WIDTH_OF_FILES = 200
# From this width on, a forecast's reasons stand in a column beside its numbers.
_WIDE = 120


class _Console(Console):
    def on_broken_pipe(self) -> None:
        # rich would exit with 1; the command line knows that nothing is wrong.
        raise


def console() -> Console:
    """Make a console for standard output."""
    return _Console(width=None if sys.stdout.isatty() else _WIDTH_OF_FILES)


def percent(value: float) -> str:
    """Write a share in percent, one decimal."""
    return f"{100 * value:.1f}"


def interval(ends: tuple[float, float]) -> str:
    """Write an interval in percent, as `65.0–69.4`."""
    return f"{percent(ends[0])}–{percent(ends[1])}"


def plain_table(title: str, left: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    """Make a table without lines: columns of text, whose long cells are folded, then columns of numbers."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in left:
        table.add_column(name, overflow="fold")
    for name in numbers:
        table.add_column(name, justify="right")
    return table


def describe_target(forecast: Forecast) -> str:
    """Name the target, as `pythia, 6.9B parameters, 300B tokens, 2.5x the compute of the largest run`."""
    target, ratio = forecast.target, forecast.record["compute_ratio"]
    size = f"{format_quantity(target.params)} parameters, {format_quantity(target.tokens)} tokens"
    if axis := forecast.record.get("axis"):
        place = f"{axis['column']} {format_quantity(axis['value'])}"
        size = place if axis["alone"] else f"{format_quantity(target.params)} parameters, {place}"
        return f"{target.family}: {size}, {ratio:.3g}x as far as the furthest run"
    return f"{target.family}: {size}, {ratio:.3g}x the compute of the largest run"


def print_forecast(forecast: Forecast, why: bool = False) -> None:
    """Print the table of a forecast; notes go to standard error.

    Args:
        forecast: of the target.
        why: on a terminal too narrow for the column of reasons, print them below the table.
    """
    shown = console()
    wide = shown.width >= _WIDE
    shown.print(_forecast_table(forecast, wide))
    if why and not wide:
        for answer in forecast.forecasts:
            click.echo(f"{answer.series.label}, grade {answer.grade}: {answer.why}")
    print_requirements(forecast)
    print_notes(forecast)


def _forecast_table(forecast: Forecast, wide: bool) -> Table:
    """Build the table; a narrow one has no column of reasons, and folds long names rather than cutting them."""
    table = Table(
        title=describe_target(forecast),
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 1) if wide else (0, 1, 0, 0),
        header_style="bold",
    )
    table.add_column("task", overflow="fold")
    table.add_column("shots", justify="right", no_wrap=True)
    table.add_column("metric", overflow="fold")
    for name in ("largest run", "forecast", "80 %", "95 %"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("grade", justify="center", no_wrap=True)
    if wide:
        table.add_column("why", overflow="fold")
    for one in forecast.forecasts:
        cells = (
            one.task,
            "-" if one.num_fewshot is None else str(one.num_fewshot),
            one.metric,
            "-" if one.largest is None else one.scale.write(one.largest),
            *_numbers(one),
            one.grade,
            one.why,
        )
        table.add_row(*cells[: len(table.columns)])
    if forecast.mean is not None:
        table.add_section()
        table.add_row(*_mean_row(forecast.mean)[: len(table.columns)])
    return table


def _mean_row(mean: MeanForecast) -> tuple[str, ...]:
    """Write the mean over benchmarks as a row of the forecasts' table."""
    runs = mean.shared.runs
    basis = f"measured on {runs} held-out run{'' if runs == 1 else 's'}" if runs else "no run could be held out"
    left = f"; without {', '.join(f'{name} ({why})' for name, why in mean.left_out.items())}" if mean.left_out else ""
    return (
        f"{mean.name} of {len(mean.series)}",
        "",
        "",
        "-" if mean.largest is None else percent(mean.largest),
        percent(mean.median),
        interval(mean.intervals["80"]),
        interval(mean.intervals["95"]),
        "",
        f"errors of two benchmarks correlate by {mean.shared.correlation:.2f} ({basis}){left}",
    )


def print_requirements(forecast: Forecast) -> None:
    """Print the probability of each required score, and of all together."""
    if forecast.require is None:
        return
    for requirement in forecast.require.each:
        odds = format_probability(requirement.probability)
        click.echo(f"probability of {requirement.name} at least {percent(requirement.level)}%: {odds}")
    if len(forecast.require.each) > 1:
        click.echo(f"probability of all of them: {format_probability(forecast.require.together)}")


def _numbers(one: TaskForecast) -> tuple[str, str, str]:
    """Write median and intervals; of what cannot be forecast none, as in reports."""
    if one.grade == NOT_FORECASTABLE:
        return "-", "-", "-"
    return one.scale.write(one.median), _ends(one, "80"), _ends(one, "95")


def _ends(one: TaskForecast, level: str) -> str:
    """Write an interval in the metric's unit, shares in percent, as `65.0–69.4`."""
    low, high = one.intervals[level]
    return f"{one.scale.write(low)}–{one.scale.write(high)}"


def print_answer(forecast: Forecast) -> None:
    """Print the answer to one question: the number, the intervals, the grade and why."""
    click.echo(describe_target(forecast))
    for one in forecast.forecasts:
        if one.grade == NOT_FORECASTABLE:
            click.echo(f"{_label(one)}: no forecast; left open {_ends(one, '95')}{_unit(one)}")
        else:
            click.echo(f"{_label(one)}: {one.scale.write(one.median)}{_unit(one)}")
            click.echo(f"  80 % interval {_ends(one, '80')}, 95 % interval {_ends(one, '95')}")
        click.echo(f"  grade {one.grade}: {one.why}")
        shares = ", ".join(
            f"{name} {one.scale.write(one.by_method[name])} (weight {one.methods[name]:.2f})" for name in one.methods
        )
        click.echo(f"  methods: {shares}")
    print_requirements(forecast)
    print_notes(forecast)


def print_comparison(forecast: Forecast, truth: dict[str, float]) -> None:
    """Print forecasts beside what was measured afterwards.

    Args:
        forecast: made before.
        truth: task -> score in [0, 1].
    """
    table = Table(title=describe_target(forecast), title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("task")
    for name in ("largest run", "forecast", "80 %", "truth", "error", "inside"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("grade", justify="center")
    known = [one for one in forecast.forecasts if one.task in truth]
    for one in known:
        score, (low, high) = truth[one.task], one.intervals["80"]
        table.add_row(
            one.task,
            "-" if one.largest is None else percent(one.largest),
            percent(one.median),
            interval(one.intervals["80"]),
            percent(score),
            f"{100 * (one.median - score):+.1f}",
            "yes" if low <= score <= high else "no",
            one.grade,
        )
    console().print(table)
    errors = [abs(one.median - truth[one.task]) for one in known]
    unchanged = [abs((one.largest or 0.0) - truth[one.task]) for one in known]
    inside = sum(one.intervals["80"][0] <= truth[one.task] <= one.intervals["80"][1] for one in known)
    click.echo(
        f"mean error {percent(sum(errors) / len(errors))} points (largest run taken as is: "
        f"{percent(sum(unchanged) / len(unchanged))}); {inside} of {len(known)} inside the 80 % interval"
    )


def print_notes(forecast: Forecast) -> None:
    """Print what a reader should know to standard error."""
    for note in forecast.record.get("notes", []):
        click.echo(f"note: {note}", err=True)


def print_mean(forecast: Forecast) -> None:
    """Print the mean over benchmarks: the number, the intervals and what it is the mean of."""
    click.echo(describe_target(forecast))
    mean = forecast.mean
    if mean is None:
        click.echo("no mean: fewer than two benchmarks can be forecast")
        return
    row = _mean_row(mean)
    click.echo(f"{row[0]} benchmarks: {percent(mean.median)}%")
    click.echo(f"  80% interval {interval(mean.intervals['80'])}, 95% interval {interval(mean.intervals['95'])}")
    click.echo(f"  {row[-1]}")
    click.echo(f"  benchmarks: {', '.join(series.label for series in mean.series)}")
    print_requirements(forecast)
    print_notes(forecast)


def _unit(one: TaskForecast) -> str:
    """Write what stands behind a number: ` %`, or the direction of a metric that is no share."""
    return " %" if one.scale.is_share else f" ({one.scale.direction} is better)"


def _label(one: TaskForecast) -> str:
    shots = "" if one.num_fewshot is None else f", {one.num_fewshot}-shot"
    return f"{one.task} ({one.metric}{shots})"
