"""`predictor report`: forecasts of every benchmark as one HTML file."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from predictor.cli.options import TaskList, results_option, target_options
from predictor.quantity import format_quantity, parse_quantity


@click.command()
@results_option()
@target_options
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to report on (default: all).")
@click.option("--clusters", is_flag=True, help="Draw the clusters of the benchmarks' items, where items were kept.")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, metavar="report.html", help="The HTML file to write."
)
def command(
    results: Path,
    params: float,
    tokens: float,
    family: str | None,
    method: str,
    seed: int,
    tasks: tuple[str, ...] | None,
    clusters: bool,
    out: Path,
) -> None:
    """Write a report about the scores of a model that has not been trained.

    One HTML file that opens offline: the forecasts with their intervals and grades, a figure per benchmark, the
    backtest and everything else they rest on.

    \b
    Examples:
      predictor report --results store/ --params 7B --tokens 300B --out report.html
      predictor report --results evals.parquet --family base --params 7e9 --tokens 1.4T --out report.html
      predictor report --results evals.csv --params 7B --tokens 300B --tasks arc_easy,piqa --out report.html
      predictor report --results store/ --params 7B --tokens 300B --clusters --out report.html
    """
    from predictor.difficulty import analyse_tasks
    from predictor.forecast import fit_forecaster
    from predictor.report import check_destination, write_report
    from predictor.results import read_results

    check_destination(out)
    results_table = read_results(results)
    forecaster = fit_forecaster(results_table, family=family, tasks=tasks, method=method, seed=seed)
    line = _command_line(results, params, tokens, family, method, seed, tasks, clusters)
    items = analyse_tasks(results_table, forecaster.panel.family, tasks) if clusters else None
    path = write_report(forecaster, params, tokens, out, command=line, clusters=items)
    click.echo(f"written to {path}", err=True)


def _command_line(
    results: Path,
    params: float,
    tokens: float,
    family: str | None,
    method: str,
    seed: int,
    tasks: tuple[str, ...] | None,
    clusters: bool,
) -> str:
    """Write the command that makes the report again; where it was written to is no part of what it says."""
    words = ["predictor", "report", "--results", str(results)]
    if family is not None:
        words += ["--family", family]
    words += ["--params", _exactly(params), "--tokens", _exactly(tokens)]
    if tasks is not None:
        words += ["--tasks", ",".join(tasks)]
    words += ["--clusters"] if clusters else []
    words += ["--method", method, "--seed", str(seed), "--out", "report.html"]
    return shlex.join(words)


def _exactly(value: float) -> str:
    """Write a number short where that loses nothing."""
    short = format_quantity(value)
    return short if parse_quantity(short) == value else f"{value:.17g}"
