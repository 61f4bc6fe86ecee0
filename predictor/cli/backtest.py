"""`predictor backtest`: hold out the largest runs, forecast them, and show how right that was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.options import TaskList, deliver, json_option, results_option, seed_option

if TYPE_CHECKING:
    from predictor.forecasting import TrackRecord


@click.command()
@results_option()
@click.option("--family", metavar="F", help="Family of runs to look at (default: that with the most runs).")
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to forecast (default: all).")
@click.option(
    "--hold-out",
    type=click.IntRange(min=1),
    metavar="N",
    help="Hold out only the N runs of most compute (default: the largest, then about 10 %, 25 % and 50 % of them).",
)
@seed_option
@json_option("Write every forecast as JSON")
def command(
    results: Path,
    family: str | None,
    tasks: tuple[str, ...] | None,
    hold_out: int | None,
    seed: int,
    json_path: str | None,
) -> None:
    """Forecast the largest runs from the others, and compare with what they scored.

    Everything is fitted anew without the held-out runs, the weights of the methods and the widths of the intervals too.
    Prints the mean absolute error of each method by distance of extrapolation, beside the error that noise alone would
    charge to a perfect forecast, how often the intervals held, and the same for each benchmark.

    \b
    Examples:
      predictor backtest --results store/
      predictor backtest --results evals.csv --family base --hold-out 3
      predictor backtest --results evals.parquet --tasks arc_easy,piqa --json backtest.json
    """
    from predictor.api.forecasts import backtest
    from predictor.cli.console import progress

    answer = backtest(
        results,
        family=family,
        tasks=tasks,
        hold_out=hold_out,
        seed=seed,
        progress=lambda total: progress("Holding out", total),
    )
    deliver(answer, json_path, print_track_record)


def print_track_record(answer: TrackRecord) -> None:
    """Print errors by method and distance, then by benchmark; notes go to standard error."""
    from predictor.cli.tables import console

    shown = console()
    shown.print(_by_distance(answer))
    shown.print()
    shown.print(_by_task(answer))
    if (means := answer.of_means()) is not None:
        click.echo()
        click.echo(_of_means(means))
    for note in answer.record["notes"]:
        click.echo(f"note: {note}", err=True)


def _of_means(means: dict[str, Any]) -> str:
    """Write how right the forecasts of the mean over benchmarks were, in one line."""
    unchanged = means["error_unchanged"]
    beside = "" if unchanged is None else f" (largest run taken as is: {100 * unchanged:.1f})"
    inside = ", ".join(f"{100 * means['coverage'][level]:.0f}% inside the {level}% interval" for level in ("80", "95"))
    return (
        f"mean over benchmarks: {means['forecasts']} held-out means missed by {100 * means['error']:.1f} points{beside}"
        f"; {inside}, {100 * means['width']['80']:.1f} points wide at 80%"
    )


def _by_distance(answer: TrackRecord) -> Any:
    from rich.table import Table

    bands = answer.by_distance()
    held = ", ".join(str(len(runs)) for runs in answer.record["hold_outs"])
    table = Table(
        title=f"{answer.family}: mean absolute error in points by compute over the fitted runs ({held} runs held out)",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    table.add_column("")
    for one in bands:
        table.add_column(one["band"], justify="right", no_wrap=True)
    for name in answer.methods():
        table.add_row(name, *(_error(one, name) for one in bands))
    table.add_row("noise floor", *(f"{100 * one['noise_floor']:.1f}" for one in bands), end_section=True)
    for level in ("80", "95"):
        table.add_row(f"inside {level} %", *(f"{100 * one['coverage'][level]:.0f} %" for one in bands))
    for level in ("80", "95"):
        table.add_row(f"width of {level} %", *(f"{100 * one['width'][level]:.1f}" for one in bands))
    table.add_row("forecasts", *(str(one["forecasts"]) for one in bands))
    return table


def _error(summary: dict[str, Any], name: str) -> str:
    """Write an error, with the number of forecasts behind it where the method refused some."""
    if name not in summary["errors"]:
        return "-"
    error = summary["errors"][name]
    part = "" if error["forecasts"] == summary["forecasts"] else f" (of {error['forecasts']})"
    return f"{100 * error['mean']:.1f}{part}"


def _by_task(answer: TrackRecord) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task")
    for name in ("shots", "error", "noise floor", "inside 80 %", "inside 95 %", "forecasts"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("grades", no_wrap=True)
    for one in answer.by_task():
        table.add_row(
            one["task"],
            "-" if one["num_fewshot"] is None else str(one["num_fewshot"]),
            f"{100 * one['errors']['combination']['mean']:.1f}",
            f"{100 * one['noise_floor']:.1f}",
            *(f"{100 * one['coverage'][level]:.0f} %" for level in ("80", "95")),
            str(one["forecasts"]),
            " ".join(f"{letter}:{count}" for letter, count in one["grades"].items()),
        )
    return table
