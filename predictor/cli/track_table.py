"""A tracked run as text."""

from __future__ import annotations

import click
from rich.markup import escape
from rich.table import Table

from predictor.cli.tables import console
from predictor.forecast.trajectory import RunTrack, SeriesTrack
from predictor.quantity import format_quantity


def print_track(track: RunTrack) -> None:
    """Print the verdict, then a line per benchmark and loss; notes go to standard error."""
    share = 100 * track.tokens / track.end
    where = f"{format_quantity(track.tokens)} of {format_quantity(track.end)} tokens ({share:.0f} %)"
    click.echo(f"{track.run} ({track.family}), {format_quantity(track.params)} parameters, {where}")
    for alarm in track.alarms:
        click.echo(f"ALARM: {alarm.describe()}")
    if not track.alarms:
        click.echo("on its path: no departure for the worse beyond noise")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task", overflow="fold")
    for name in ("now", "expected now", "deviation", "end, before the run", "end, as of now", "80 %"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in track.series:
        table.add_row(*_row(one))
    console().print(table)
    click.echo("scores in percent, losses as they are; deviations in standard deviations, from the forecast made")
    click.echo("from the checkpoints before (worse for a loss is up)")
    for note in track.record.get("notes", []):
        click.echo(f"note: {note}", err=True)


def _row(one: SeriesTrack) -> tuple[str, ...]:
    def show(value: float) -> str:
        return f"{value:.3f}" if one.series.is_loss else f"{100 * value:.1f}"

    final = one.final
    return (
        escape(one.series.label),
        show(float(one.observed[-1])),
        show(float(one.expected[-1])),
        f"{one.deviation[-1]:+.1f}",
        show(float(final.median[0])),
        show(float(final.median[-1])),
        f"{show(float(final.lower['80'][-1]))}–{show(float(final.upper['80'][-1]))}",
    )
