"""`predictor compare`: which family will be better at the target, and how sure that is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.multiplier_table import multiplier_table, predictor_lines
from predictor.cli.options import QUANTITY, TaskList, deliver, json_option, results_option, seed_option

if TYPE_CHECKING:
    from rich.table import Table

    from predictor.decisions import Comparison, Ranking


@click.command()
@results_option()
@click.option("--params", type=QUANTITY, required=True, metavar="N", help="The target's parameters, as 7B.")
@click.option("--tokens", type=QUANTITY, required=True, metavar="D", help="Its training tokens, as 300B.")
@click.option("--families", type=TaskList(), metavar="a,b", help="Families or recipes to compare (default: all).")
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to look at (default: all).")
@click.option("--method", default="auto", show_default=True, metavar="NAME", help="One method instead of all.")
@seed_option
@json_option("Write the comparison as JSON")
def command(
    results: Path,
    params: float,
    tokens: float,
    families: tuple[str, ...] | None,
    tasks: tuple[str, ...] | None,
    method: str,
    seed: int,
    json_path: str | None,
) -> None:
    """Rank families or recipes by their forecast at the target.

    Prints the ranking by the mean score over the benchmarks that can be forecast, with the probability that each family
    beats the next one and an interval of their difference, then the best two on each benchmark.

    \b
    Examples:
      predictor compare --results evals.parquet --params 7B --tokens 140B
      predictor compare --results store/ --params 7B --tokens 140B --families web,mix --tasks arc_easy,piqa
      predictor compare --results evals.csv --params 7B --tokens 140B --json -
    """
    from predictor.api.decisions import compare
    from predictor.cli.console import progress

    answer = compare(
        results,
        params=params,
        tokens=tokens,
        families=families,
        tasks=tasks,
        method=method,
        seed=seed,
        progress=lambda total: progress("Fitting", total),
    )
    deliver(answer, json_path, print_comparison)


def print_comparison(answer: Comparison) -> None:
    """Print the overall ranking and the best of each benchmark; notes go to standard error."""
    from predictor.cli.tables import console
    from predictor.quantity import format_quantity

    shown = console()
    target = f"{format_quantity(answer.params)} parameters, {format_quantity(answer.tokens)} tokens"
    if answer.overall is None:
        shown.print(f"{target}: no benchmark can be forecast for every family, so there is no ranking by the mean")
    else:
        shown.print(_overall(answer.overall, f"{target}: mean of {len(answer.averaged)} benchmarks"))
    shown.print()
    shown.print(_by_task(answer.tasks))
    if answer.multipliers:
        shown.print()
        shown.print(multiplier_table(answer.multipliers))
    for line in predictor_lines(answer.loss_predictors):
        shown.print(line)
    for name, why in answer.left_out.items():
        click.echo(f"note: {name} is not compared: {why}", err=True)
    seen = answer.correlation.pairs
    basis = f"{seen} pairs of held-out runs" if seen else "published ladders, as no held-out runs are alike"
    click.echo(
        f"note: errors of two families on one benchmark correlate by {answer.correlation.families:.2f}, from {basis}",
        err=True,
    )
    for note in answer.record["notes"]:
        click.echo(f"note: {note}", err=True)


def _overall(ranking: Ranking, title: str) -> Table:
    from rich.table import Table

    from predictor.cli.tables import interval, percent

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("family")
    for name in ("forecast", "expected", "80 %", "best", "beats the next", "by points (80 %)"):
        table.add_column(name, justify="right", no_wrap=True)
    odds = {(one.a, one.b): one for one in ranking.pairs}
    for place, one in enumerate(ranking.standings):
        following = ranking.standings[place + 1].family if place + 1 < len(ranking.standings) else None
        pair = odds[one.family, following] if following else None
        table.add_row(
            one.family,
            percent(one.forecast),
            percent(one.expected),
            interval(one.intervals["80"]),
            f"{100 * one.best:.0f} %",
            "-" if pair is None else f"{100 * pair.probability:.0f} %",
            "-" if pair is None else points(pair.difference, pair.intervals["80"]),
        )
    return table


def points(difference: float, ends: tuple[float, float]) -> str:
    """Write a difference in points with its interval, as `+1.2 (-0.5 to +2.9)`."""
    return f"{100 * difference:+.1f} ({100 * ends[0]:+.1f} to {100 * ends[1]:+.1f})"


def _by_task(rankings: tuple[Ranking, ...]) -> Table:
    from rich.table import Table

    from predictor.cli.tables import percent

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task")
    table.add_column("shots", justify="right")
    table.add_column("best")
    table.add_column("expected", justify="right")
    table.add_column("grade", justify="center")
    table.add_column("before")
    for name in ("expected", "probability", "by points (80 %)"):
        table.add_column(name, justify="right", no_wrap=True)
    for ranking in rankings:
        first, second = ranking.standings[:2]
        pair = ranking.pairs[0]
        table.add_row(
            ranking.task,
            "-" if ranking.num_fewshot is None else str(ranking.num_fewshot),
            first.family,
            percent(first.expected),
            f"{first.grade}{second.grade}",
            second.family,
            percent(second.expected),
            f"{100 * pair.probability:.0f} %",
            points(pair.difference, pair.intervals["80"]),
        )
    return table
