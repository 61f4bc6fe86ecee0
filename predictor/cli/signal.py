"""`predictor signal`: which benchmark, and which metric of it, to trust."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import TaskList, deliver, json_option, results_option
from predictor.cli.project_store import store_of_project

if TYPE_CHECKING:
    from rich.table import Table

    from predictor.statistics import SeriesSignal, Signals


@click.command()
@results_option(required=False)
@click.option("--families", type=TaskList(), metavar="a,b", help="Families of runs to take (default: all).")
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to look at (default: all).")
@click.option("--every-metric", is_flag=True, help="Show every metric of a benchmark, and the held-out losses.")
@json_option("Write the signals as JSON")
def command(
    results: Path | None,
    families: tuple[str, ...] | None,
    tasks: tuple[str, ...] | None,
    every_metric: bool,
    json_path: str | None,
) -> None:
    """Show which benchmarks tell runs of these sizes apart, by which metric, and why the others do not.

    Families that have runs of one size are recipes: how far they lie apart is held against the noise of the last
    checkpoints, and their order at small sizes against that at larger ones. Without --results the store of the
    checkpoints.yaml in this folder is read. See docs/statistics.md.

    \b
    Examples:
      predictor signal --results store/
      predictor signal --results evals.parquet --families web,mix,code --every-metric --json signal.json
    """
    from predictor.results import read_results
    from predictor.statistics import signal

    answer = signal(read_results(results or store_of_project()), families=families, tasks=tasks)
    deliver(answer, json_path, lambda found: print_signals(found, every_metric))


def print_signals(answer: Signals, every_metric: bool) -> None:
    """Print a table of the benchmarks, the best first; notes go to standard error."""
    from predictor.cli.tables import console

    rows = list(answer.series) if every_metric else answer.best()
    console().print(_table(sorted(rows, key=lambda own: (-own.quality[0], -own.quality[1], own.label))))
    losses = [line for own in answer.best() if (line := _with_losses(own))]
    if losses and every_metric:
        click.echo("rank correlation of runs with held-out losses, better counting up:")
        click.echo("\n".join(f"  {line}" for line in losses))
    for note in answer.notes:
        click.echo(f"note: {note}", err=True)


def _table(rows: list[SeriesSignal]) -> Table:
    from rich.table import Table

    from predictor.statistics.trust import USE

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("benchmark", overflow="fold")
    table.add_column("metric")
    for name in ("best", "room", "S/N", "kept", "decided", "size", "tokens", "wrong"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("verdict")
    table.add_column("why", overflow="fold")
    for own in rows:
        numbers = own.numbers
        decided = f"{_share(numbers.decision)} of {numbers.decision_pairs}" if numbers.decision_pairs else "-"
        table.add_row(
            own.label,
            own.metric,
            f"{own.highest:.3g}",
            _share(own.position),
            _number(numbers.ratio, ".1f"),
            _share(numbers.agreement),
            decided,
            _number(numbers.over_size, ".2f"),
            _number(numbers.over_tokens, ".2f"),
            _share(own.wrong),
            own.verdict,
            "" if own.verdict == USE else own.reason,
        )
    return table


def _share(value: float) -> str:
    return "-" if math.isnan(value) else f"{100 * value:.0f}%"


def _number(value: float, form: str) -> str:
    return "-" if math.isnan(value) else f"{value:{form}}"


def _with_losses(own: SeriesSignal) -> str:
    known = {name: value for name, value in own.numbers.losses.items() if not math.isnan(value)}
    return f"{own.label}: " + ", ".join(f"{name} {value:.2f}" for name, value in known.items()) if known else ""
