"""`predictor passes`: pass rates of sampled answers, their law in size, and scores over the number of attempts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.options import QUANTITY, TaskList, deliver, json_option, num_fewshot_option, results_option
from predictor.errors import InputError, PredictorError
from predictor.quantity import format_quantity

if TYPE_CHECKING:
    from predictor.statistics.sampling_report import SamplingReport


@click.command()
@click.argument("task")
@results_option()
@click.option("--family", metavar="F", help="Family of runs (default: that with the most runs).")
@num_fewshot_option
@click.option("--params", type=QUANTITY, metavar="N", help="Forecast the pass rate of a model of so many parameters.")
@click.option(
    "--attempts", type=TaskList(), metavar="k,k", help="Show pass@k and maj@k at these k, forecast beyond the samples."
)
@click.option("--run", metavar="RUN", help="With --attempts: which model (default: the largest).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the resampling.")
@json_option("Write the rates, the law and the curves as JSON")
def command(
    task: str,
    results: Path,
    family: str | None,
    num_fewshot: int | None,
    params: float | None,
    attempts: tuple[str, ...] | None,
    run: str | None,
    seed: int,
    json_path: str | None,
) -> None:
    """Show how often sampled answers to TASK are right, whether that follows its law in size, and forecast it.

    Rates far below one in a hundred are measured where the suite samples until so many answers are right.

    \b
    Examples:
      predictor passes gsm8k --results store/ --params 7B
      predictor passes gsm8k --results store/ --run 1b --attempts 1,10,100,1000
    """
    from predictor.results import read_results
    from predictor.statistics.sampling_report import report_sampling

    if run is not None and attempts is None:
        raise InputError("--run says which model --attempts is about", "give --attempts, or leave --run out")
    answer = report_sampling(
        read_results(results),
        task,
        family=family,
        num_fewshot=num_fewshot,
        params=params,
        attempts=_whole(attempts or ()),
        run=run,
        seed=seed,
    )
    deliver(answer, json_path, print_report)


def _whole(texts: Sequence[str]) -> tuple[int, ...]:
    from predictor.quantity import parse_count

    try:
        found = tuple(sorted({parse_count(text) for text in texts}))
    except PredictorError as error:
        raise InputError(f"--attempts: {error.message}", error.remedy or "give whole numbers, as 1,10,100") from None
    if found and not 1 <= found[0] <= found[-1] <= 1_000_000:
        raise InputError("--attempts lie between 1 and 1,000,000", "give whole numbers, as 1,10,100")
    return found


def print_report(answer: SamplingReport) -> None:
    """Print the models, the law, and the curves; notes go to standard error."""
    from predictor.cli.tables import console

    shown = console()
    shown.print(_models(answer))
    for line in answer.sentences():
        click.echo(line)
    if answer.curves:
        shown.print()
        shown.print(_curves(answer))
    for note in answer.notes:
        click.echo(f"note: {note}", err=True)


def _models(answer: SamplingReport) -> Any:
    items = answer.models[0].samples.size
    table = _table(f"{answer.task}: pass rates over {items} items, in %, 95% intervals over samples", ["run"])
    for name in ("parameters", "tokens", "samples", "right", "capped", "pass rate", "interval"):
        table.add_column(name, justify="right")
    for model in answer.models:
        low, high = model.interval()
        table.add_row(
            model.run,
            format_quantity(model.params),
            format_quantity(model.tokens),
            f"{int(model.samples.sum()):,}",
            f"{int(model.passes.sum()):,}",
            str(answer.capped(model)),
            f"{100 * model.rate:.3g}",
            f"{100 * low:.3g}–{100 * high:.3g}",
        )
    return table


def _curves(answer: SamplingReport) -> Any:
    table = _table(f"{answer.run} over attempts, in %, 95% intervals of the forecast", ["score"])
    for name in ("attempts", "measured", "forecast", "interval"):
        table.add_column(name, justify="right")
    for name, points in answer.curves.items():
        for point in points:
            low, high = point.interval
            table.add_row(
                name,
                f"{point.k:,}",
                "-" if point.measured is None else f"{100 * point.measured:.1f}",
                f"{100 * point.forecast:.1f}",
                f"{100 * low:.1f}–{100 * high:.1f}",
            )
    return table


def _table(title: str, left: list[str]) -> Any:
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in left:
        table.add_column(name, no_wrap=True)
    return table
