"""Registered forecasts as text: lists, single ones, what became of them, and the track record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from rich.table import Table

    from predictor.cli.register_options import Answer
    from predictor.forecasting.changes import Changes
    from predictor.forecasting.register import Entries, Registration, Resolution, Resolved, TeamRecord

_SHOWN_HASH = 12


def print_answer(answer: Answer, why: bool = False) -> None:
    """Print a forecast, what moved since it was registered last, and under which hash it is registered now."""
    from predictor.cli.tables import print_forecast

    print_forecast(answer.forecast, why)
    if answer.earlier is not None and answer.changes is not None:
        print_changes(answer.earlier, answer.changes)
    if answer.check is not None:
        click.echo(f"track record: {answer.check['sentence']}")
    if answer.registered is not None:
        entry = answer.registered
        click.echo(f"registered as {entry.label}, sha256 {entry.sha256}")
        click.echo(
            "publish the hash: 'predictor registered verify --published HASH' shows that nothing was changed since"
        )
        if entry.late:
            names = ", ".join(series.label for series in entry.late)
            click.echo(f"warning: the target was scored already and does not count for the record: {names}", err=True)


def print_changes(earlier: Registration, changes: Changes) -> None:
    """Print what moved since a registered forecast, and why."""
    click.echo(f"since {earlier.label} of {earlier.time[:10]}:")
    if changes.mean_difference is not None:
        click.echo(f"  mean {100 * changes.mean_difference:+.1f} points")
    moved = [move for move in changes.moves if move.what != "unchanged"]
    for move in moved:
        out = ", outside its 80% interval of then" if move.leaves_interval else ""
        click.echo(f"  {move.series.label}: {move.what}{out}")
    if not moved:
        click.echo("  no forecast moved by a tenth of a point")
    for cause in changes.causes:
        click.echo(f"  because of: {cause}")


def warn_of_faults(entries: Entries) -> None:
    """Print on standard error which records are not as they were written."""
    for file, what in entries.faults:
        click.echo(f"warning: forecasts/{file}: {what}; see 'predictor registered verify'", err=True)


def print_list(entries: Entries) -> None:
    """Print the registered forecasts, oldest first."""
    from predictor.cli.tables import console, interval, percent
    from predictor.quantity import format_quantity

    warn_of_faults(entries)
    if not entries.registrations:
        click.echo("no forecast is registered; 'predictor forecast --register NAME' does it")
        return
    table = _table("#", "name", "date", "params", "tokens", "mean", "80%", "resolved", right=(0, 3, 4, 5, 6, 7))
    for entry in entries.registrations:
        target, mean = entry.forecast.target, entry.forecast.mean
        done = len(entries.outcomes_of(entry))
        table.add_row(
            str(entry.number),
            entry.name,
            entry.time[:10],
            format_quantity(target.params),
            format_quantity(target.tokens),
            "-" if mean is None else percent(mean.median),
            "-" if mean is None else interval(mean.intervals["80"]),
            f"{done}/{len(entry.forecast.forecasts)}",
        )
    console().print(table)


def print_entry(entry: Registration, entries: Entries) -> None:
    """Print one registered forecast with what became of it."""
    from predictor.cli.tables import print_forecast

    warn_of_faults(entries)
    click.echo(f"{entry.label}, registered {entry.time} by {entry.who}")
    click.echo(f"sha256 {entry.sha256}")
    if entry.note:
        click.echo(f"note: {entry.note}")
    if entry.late:
        click.echo(f"scored before it was registered: {', '.join(series.label for series in entry.late)}")
    print_forecast(entry.forecast)
    found = entries.resolutions_of(entry)
    for resolution in found:
        click.echo()
        print_resolution(entry, resolution)
    if not found:
        click.echo("not resolved yet")


def print_resolution(entry: Registration, resolution: Resolution) -> None:
    """Print a registered forecast beside what was measured."""
    from predictor.cli.tables import console, interval, percent
    from predictor.quantity import format_quantity

    size = f"{format_quantity(resolution.params)} parameters, {format_quantity(resolution.tokens)} tokens"
    again = " again, in place of earlier scores," if resolution.again else ""
    click.echo(f"{entry.label}: resolved{again} by run {resolution.run} ({size})")
    table = _table(
        "task", "forecast", "80%", "truth", "error", "percentile", "inside", "grade", right=(1, 2, 3, 4, 5, 6)
    )
    answers = {answer.series: answer for answer in entry.forecast.forecasts}
    for outcome in resolution.outcomes:
        answer = answers[outcome.series]
        scale, (low, high) = answer.scale, answer.intervals["80"]
        table.add_row(
            outcome.series.label + (" (late)" if outcome.late else ""),
            scale.write(outcome.median),
            f"{scale.write(low)}–{scale.write(high)}",
            scale.write(outcome.truth),
            f"{100 * outcome.error:+.1f}" if scale.is_share else f"{outcome.error:+.3g}",
            f"{100 * outcome.percentile:.0f}",
            _inside(outcome.inside),
            outcome.grade,
        )
    if (mean := resolution.mean) is not None:
        table.add_section()
        part = "" if mean["benchmarks"] == mean["of"] else f" of {mean['of']}"
        table.add_row(
            f"{mean['name']} of {mean['benchmarks']}{part}",
            percent(mean["median"]),
            interval(mean["intervals"]["80"]),
            percent(mean["truth"]),
            f"{100 * mean['error']:+.1f}",
            f"{100 * mean['percentile']:.0f}",
            _inside(mean["inside"]),
            "",
        )
    console().print(table)
    if resolution.joint is not None:
        click.echo(f"together the errors lie at percentile {100 * resolution.joint:.0f} of their joint distribution")
    for note in resolution.notes:
        click.echo(f"note: {note}", err=True)


def print_resolved(found: Resolved) -> None:
    """Print what was resolved, and what waits for what."""
    for entry, resolution in found.resolutions:
        print_resolution(entry, resolution)
    for entry, reason in found.waiting:
        click.echo(f"{entry.label} waits: {reason}")
    for entry, reason in found.refused:
        click.echo(f"{entry.label} cannot be resolved: {reason}", err=True)
    if not (found.resolutions or found.waiting or found.refused):
        click.echo(f"nothing to resolve: {found.done} registered forecasts are resolved" if found.done else _NOTHING)


_NOTHING = "nothing to resolve: no forecast is registered; 'predictor forecast --register NAME' does it"


def resolved_line(entry: Registration, resolution: Resolution) -> str:
    """Return a resolution in one line."""
    count = len(resolution.outcomes)
    inside = sum(outcome.inside["80"] for outcome in resolution.outcomes)
    return f"resolved: {entry.label} by run {resolution.run}: {inside} of {count} scores inside the 80% interval"


def print_record(record: TeamRecord) -> None:
    """Print the track record: how often intervals held, and errors beside their stated width."""
    from predictor.cli.tables import console

    warn_of_faults(record.entries)
    counts = f"{record.registered} registered, {record.resolved} resolved, {record.waiting} waiting"
    late = f"; {record.late} scores were known before and do not count" if record.late else ""
    click.echo(f"forecasts: {counts}; models: {record.targets}{late}")
    if not record.judged:
        click.echo("no track record yet: 'predictor resolve' compares forecasts with the scores of their targets")
        return
    click.echo(record.check().sentence)
    shown = console()
    shown.print()
    shown.print(_calibration(record.calibration()))
    shown.print()
    shown.print(_by_width(record.by_width()))
    groups = (
        ("distance", [{**row, "name": row["band"]} for row in record.by_distance()]),
        ("grade", [{**row, "name": row["grade"]} for row in record.by_grade()]),
        ("benchmark", [{**row, "name": _label(row)} for row in record.by_task()]),
    )
    for title, rows in groups:
        shown.print()
        shown.print(_groups(title, rows))
    if (mean := record.track.of_means()) is not None:
        click.echo(
            f"\nmean over benchmarks: {mean['forecasts']} missed by {100 * mean['error']:.1f} points on average; "
            f"80% intervals held {100 * mean['coverage']['80']:.0f}%, 95% {100 * mean['coverage']['95']:.0f}%"
        )
    if (joint := record.joint()) is not None:
        click.echo(
            f"all benchmarks of a model together: {100 * joint['inside80']:.0f}% of {joint['forecasts']} inside the "
            "central 80% of their joint distribution"
        )


def _calibration(curve: Sequence[Mapping[str, float]]) -> Table:
    table = _table("interval", *(f"{100 * point['level']:.0f}%" for point in curve), right=range(1, len(curve) + 1))
    table.add_row("held", *(f"{100 * point['inside']:.0f}%" for point in curve))
    return table


def _by_width(groups: Sequence[Mapping[str, float]]) -> Table:
    table = _table("stated ± (80%)", "forecasts", "error expected", "error", "held", right=range(1, 5))
    for group in groups:
        table.add_row(
            f"{100 * group['half_width']:.1f} points",
            f"{group['forecasts']:.0f}",
            f"{100 * group['expected']:.1f}",
            f"{100 * group['error']:.1f}",
            f"{100 * group['inside80']:.0f}%",
        )
    return table


def _groups(title: str, rows: Sequence[Mapping[str, Any]]) -> Table:
    table = _table(
        title, "forecasts", "error", "noise floor", "80% held", "95% held", "width of 80%", right=range(1, 7)
    )
    for row in rows:
        table.add_row(
            row["name"],
            str(row["forecasts"]),
            f"{100 * row['error']:.1f}",
            f"{100 * row['noise_floor']:.1f}",
            *(f"{100 * row['coverage'][level]:.0f}%" for level in ("80", "95")),
            f"{100 * row['width']['80']:.1f}",
        )
    return table


def _label(row: Mapping[str, Any]) -> str:
    from predictor.results.series import Series

    return Series(row["task"], row["metric"], row["num_fewshot"]).label


def _table(*columns: str, right: Sequence[int]) -> Table:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    for place, name in enumerate(columns):
        table.add_column(name, justify="right" if place in right else "left", no_wrap=place in right)
    return table


def _inside(inside: Mapping[str, bool]) -> str:
    return "80%" if inside["80"] else "95%" if inside["95"] else "no"
