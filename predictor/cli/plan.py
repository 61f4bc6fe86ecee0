"""`predictor plan`: which runs to train next for the target's forecast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.options import QUANTITY, TaskList, deliver, json_option, results_option, seed_option
from predictor.errors import PredictorError
from predictor.quantity import parse_quantity

if TYPE_CHECKING:
    from predictor.decisions import Plan


class Quantities(click.ParamType):
    """Positive numbers separated by commas, as `100M,1B`."""

    name = "a,b"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, ...]:
        """Parse each, naming the option in errors."""
        if isinstance(value, tuple):
            return value
        name = f"--{param.opts[0].lstrip('-')}" if param else "number"
        try:
            return tuple(sorted({parse_quantity(one, name) for one in str(value).split(",")}))
        except PredictorError as error:
            self.fail(str(error), param, ctx)


@click.command()
@click.option("--budget", type=QUANTITY, required=True, metavar="FLOPS", help="What the runs may cost, as 1e21.")
@click.option("--params", type=QUANTITY, required=True, metavar="N", help="The target's parameters, as 7B.")
@click.option("--tokens", type=QUANTITY, required=True, metavar="D", help="Its training tokens, as 300B.")
@results_option(required=False)
@click.option("--family", metavar="F", help="Family of runs to go on with (default: that with the most runs).")
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to plan for (default: all).")
@click.option("--sizes", type=Quantities(), metavar="N,N", help="Parameters that a run may have, as 100M,400M,1B.")
@click.option("--ratios", type=Quantities(), metavar="M,M", help="Tokens per parameter that a run may have, as 20,100.")
@click.option(
    "--runs", "most_runs", type=click.IntRange(min=1), default=12, show_default=True, help="How many runs at most."
)
@click.option(
    "--seeds",
    "most_seeds",
    type=click.IntRange(min=1),
    default=3,
    show_default=True,
    help="How many runs of one size and length at most.",
)
@click.option(
    "--published",
    metavar="NAME",
    help="Without --results: whose coefficients of the chinchilla law are the prior (default: besiroglu).",
)
@seed_option
@json_option("Write the plan as JSON")
def command(
    budget: float,
    params: float,
    tokens: float,
    results: Path | None,
    family: str | None,
    tasks: tuple[str, ...] | None,
    sizes: tuple[float, ...] | None,
    ratios: tuple[float, ...] | None,
    most_runs: int,
    most_seeds: int,
    published: str | None,
    seed: int,
    json_path: str | None,
) -> None:
    """Choose the runs that narrow the target's forecast most within a budget.

    A run costs 6·N·D FLOPs, N counted as in the table (as for the target). Without --results nothing has been trained
    yet: the plan is then a first ladder, from published laws.

    \b
    Examples:
      predictor plan --budget 1e21 --params 7B --tokens 140B --results store/
      predictor plan --budget 1e20 --params 7B --tokens 140B --results evals.csv --sizes 100M,400M,1B --ratios 20,80
      predictor plan --budget 1e20 --params 7B --tokens 140B
    """
    from predictor.api.decisions import plan
    from predictor.cli.console import progress

    if results is None and (family is not None or tasks is not None):
        raise click.UsageError(f"{'--family' if family else '--tasks'} needs --results")
    if results is not None and published is not None:
        raise click.UsageError("--published is for a plan without --results")
    answer = plan(
        results,
        budget=budget,
        params=params,
        tokens=tokens,
        family=family,
        tasks=tasks,
        sizes=sizes,
        ratios=ratios,
        most_runs=most_runs,
        most_seeds=most_seeds,
        published=published,
        seed=seed,
        progress=lambda total: progress("Fitting", total),
    )
    deliver(answer, json_path, print_plan)


def print_plan(answer: Plan) -> None:
    """Print the runs, and what they are expected to do; notes go to standard error."""
    from rich.table import Table

    from predictor.cli.tables import console, percent
    from predictor.quantity import format_quantity

    shown = console()
    target = f"{format_quantity(answer.params)} parameters, {format_quantity(answer.tokens)} tokens"
    click.echo(
        f"{answer.family or 'a first ladder'}: runs towards {target}, {answer.flops:.3g} of {answer.budget:.3g} FLOPs"
    )
    runs = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("parameters", "tokens", "tokens/parameter", "seeds", "FLOPs", "share"):
        runs.add_column(name, justify="right", no_wrap=True)
    for run in answer.runs:
        runs.add_row(
            format_quantity(run.params),
            format_quantity(run.tokens),
            f"{run.tokens / run.params:.3g}",
            str(run.seeds),
            f"{run.flops:.3g}",
            f"{100 * run.flops / answer.budget:.0f} %",
        )
    if answer.runs:
        shown.print(runs)
    else:
        shown.print("no run within the budget narrows the forecast by as much as a thousandth of its width")
    shown.print()
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("task")
    table.add_column("shots", justify="right")
    for name in ("forecast", "grade", "80 % width now", "expected after"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in answer.tasks:
        table.add_row(
            one.task or "a typical benchmark",
            "-" if one.num_fewshot is None else str(one.num_fewshot),
            percent(one.median),
            one.grade or "-",
            percent(one.before),
            percent(one.after),
        )
    if len(answer.tasks) > 1:
        pairs = [(one.before, one.after) for one in answer.tasks]
        now, later = (sum(values) / len(answer.tasks) for values in zip(*pairs, strict=True))
        table.add_section()
        table.add_row("mean", "", "", "", percent(now), percent(later))
    shown.print(table)
    for note in answer.record["notes"]:
        click.echo(f"note: {note}", err=True)
