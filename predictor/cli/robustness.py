"""`predictor robustness`: how much a score depends on wording, order of choices and names."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import TaskList, deliver, json_option, num_fewshot_option, results_option

if TYPE_CHECKING:
    from predictor.statistics import Robustness


@click.command()
@click.argument("task")
@results_option()
@click.option("--variants", type=TaskList(), metavar="a,b", help="Its variants (default: `variant_of` in the suite).")
@click.option("--family", metavar="F", help="Family of runs (default: all).")
@num_fewshot_option
@click.option(
    "--level", type=click.FloatRange(0.5, 1, max_open=True), default=0.95, show_default=True, help="Of the intervals."
)
@json_option("Write the comparison as JSON")
def command(
    task: str,
    results: Path,
    variants: tuple[str, ...] | None,
    family: str | None,
    num_fewshot: int | None,
    level: float,
    json_path: str | None,
) -> None:
    """Compare the variants of TASK with it: paraphrases, orders of choices, changed names, styles of prompt.

    For every run the paired drop with its interval, the worst of the group and the share of items that are right in
    all; over the runs, whether the variants rank them alike.

    \b
    Examples:
      predictor robustness arc_easy_letters --results store/
      predictor robustness arc_easy --variants arc_easy_short,arc_easy_polite --results store/
    """
    from predictor.results import read_results
    from predictor.statistics import robustness

    answer = robustness(
        read_results(results), task, variants or (), family=family, num_fewshot=num_fewshot, level=level
    )
    deliver(answer, json_path, print_robustness)


def print_robustness(answer: Robustness) -> None:
    """Print runs by variants, then how the variants rank the runs; notes go to standard error."""
    from predictor.cli.tables import console, percent, plain_table

    shown = console()
    table = plain_table(
        f"{answer.task} and its variants, in %, {100 * answer.level:g}% intervals of the drop", ["run", "variant"]
    )
    for name in ("items", "score", "drop", "interval"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in answer.runs:
        table.add_row(run.run, answer.task, f"{run.items:,}", percent(run.score), "", "")
        for variant in run.variants:
            low, high = variant.interval
            known = math.isfinite(low) and math.isfinite(high)
            ends = f"{100 * low:+.1f} to {100 * high:+.1f}" if known else "-"
            table.add_row("", variant.task, "", percent(variant.score), f"{100 * variant.drop:+.1f}", ends)
    shown.print(table)
    table = plain_table("over the group, in %", ["run"], ["mean", "worst", "right in all", "wrong in all"])
    for run in answer.runs:
        table.add_row(run.run, *(percent(value) for value in (run.mean, run.worst, run.always, run.never)))
    shown.print(table)
    if answer.ranking:
        table = plain_table(
            "order of the runs, beside that of the task", ["variant"], ["tau", "pairs turned", "beyond doubt", "of"]
        )
        for row in answer.ranking:
            tau = "-" if math.isnan(row.tau) else f"{row.tau:.2f}"
            table.add_row(row.task, tau, str(row.flipped), str(row.seen), str(row.pairs))
        shown.print(table)
    for note in answer.notes:
        click.echo(f"note: {note}", err=True)
