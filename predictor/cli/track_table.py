"""A tracked run as text."""

from __future__ import annotations

from collections.abc import Sequence

import click
from rich.markup import escape
from rich.table import Table

from predictor.cli.tables import console
from predictor.forecasting.trajectory import Candidates, Requirement, RunTrack, SeriesTrack
from predictor.quantity import format_quantity


def print_track(track: RunTrack, required: Sequence[Requirement] = ()) -> None:
    """Print the verdict, then a line per benchmark and loss; notes go to standard error."""
    share = 100 * track.tokens / track.end
    where = f"{format_quantity(track.tokens)} of {format_quantity(track.end)} tokens ({share:.0f}%)"
    click.echo(f"{track.run} ({track.family}), {format_quantity(track.params)} parameters, {where}")
    for alarm in track.alarms:
        click.echo(f"ALARM: {alarm.describe()}")
    if not track.alarms:
        click.echo("on track: no significant shortfall")
    for requirement in required:
        chance = f"{100 * requirement.probability:.0f}%"
        click.echo(f"{requirement.label} ends at {requirement.least:g} or better with a probability of {chance}")
    for tokens, what in track.events.items():
        click.echo(f"at {format_quantity(tokens)} tokens: {what}")
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task", overflow="fold")
    for name in ("expected", "measured", "off", "end before", "end now", "80% interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for series in track.series:
        table.add_row(*_row(series))
    console().print(table)
    click.echo("scores in percent, losses as they are; off: standard deviations from what was expected of the")
    click.echo("last checkpoint by those before (worse for a loss is up); end before the run and as of now")
    if any(series.by_class for series in track.series):
        click.echo("*: answered with one class for long, then jumps; raises no alarm")
    for note in track.record.get("notes", []):
        click.echo(f"note: {note}", err=True)


def print_candidates(candidates: Candidates) -> None:
    """Print which of several runs will probably end best, and what stopping the others would save."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", overflow="fold")
    for name in ("mean score at the end", "80% interval", "ends best", "tokens left", "FLOPs left"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in candidates.candidates:
        interval = f"{100 * one.low:.1f}–{100 * one.high:.1f}"
        left = format_quantity(one.tokens_left), f"{one.flops_left:.2g}"
        table.add_row(escape(one.run), f"{100 * one.mean:.1f}", interval, f"{100 * one.best:.0f}%", *left)
    click.echo(f"\nside by side, mean over the {len(candidates.series)} benchmarks that all share")
    console().print(table)
    tokens, flops = candidates.saved()
    saved = f"{format_quantity(tokens)} tokens, {flops:.2g} FLOPs"
    click.echo(f"stopping all but {candidates.leader.run} now would save {saved}")


def _row(track: SeriesTrack) -> tuple[str, ...]:
    def show(value: float) -> str:
        return f"{100 * value:.1f}" if track.series.share.is_share and not track.series.is_loss else f"{value:.3f}"

    final = track.final
    return (
        escape(track.series.label) + ("*" if track.by_class else ""),
        show(float(track.expected[-1])),
        show(float(track.observed[-1])),
        f"{track.deviation[-1]:+.1f}",
        show(float(final.median[0])),
        show(float(final.median[-1])),
        f"{show(float(final.lower['80'][-1]))}–{show(float(final.upper['80'][-1]))}",
    )
