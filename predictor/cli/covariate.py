"""`predictor covariate`: a score by what is known of each item, as whether it was in the training data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import deliver, json_option, num_fewshot_option, results_option

if TYPE_CHECKING:
    from rich.table import Table

    from predictor.statistics import Covariate


@click.command()
@click.argument("task")
@results_option()
@click.option(
    "--covariate",
    "file",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="A .csv or .parquet with doc_id and a column: 0 and 1 for a flag, or a count such as a frequency.",
)
@click.option("--column", metavar="C", help="Which column (default: the only one).")
@click.option(
    "--against", metavar="RUN", help="Of a flag: the run whose gap is taken for innocent (default: the smallest)."
)
@click.option("--family", metavar="F", help="Family of runs (default: all).")
@num_fewshot_option
@click.option(
    "--level", type=click.FloatRange(0.5, 1, max_open=True), default=0.95, show_default=True, help="Of the intervals."
)
@json_option("Write the answer as JSON")
def command(
    task: str,
    results: Path,
    file: Path,
    column: str | None,
    against: str | None,
    family: str | None,
    num_fewshot: int | None,
    level: float,
    json_path: str | None,
) -> None:
    """Divide the score of TASK by a column of its items: a contamination flag, a frequency, a difficulty.

    A flag gives clean against flagged items for every run, and how much wider the gap is than that of a reference run:
    flagged items may be easier for every model. A count gives bins and a law in the logarithms of count and size.

    \b
    Examples:
      predictor covariate arc_easy --covariate overlap.csv --results store/
      predictor covariate triviaqa --covariate frequency.parquet --column pages --results store/
    """
    from predictor.results import read_results
    from predictor.statistics import covariate

    answer = covariate(
        read_results(results),
        task,
        file,
        column=column,
        against=against,
        family=family,
        num_fewshot=num_fewshot,
        level=level,
    )
    deliver(answer, json_path, print_covariate)


def print_covariate(answer: Covariate) -> None:
    """Print gaps, or bins and the law; notes go to standard error."""
    from predictor.cli.tables import console

    console().print(_gaps(answer) if answer.gaps else _bins(answer))
    if answer.law is not None:
        for name, value in answer.law.coefficients.items():
            low, high = answer.law.intervals[name]
            click.echo(f"{name.replace('_', ' ')}: {value:+.3f}, {low:+.3f} to {high:+.3f}")
        click.echo(
            f"score = {answer.law.chance:g} + {1 - answer.law.chance:g}·sigmoid(constant + log count · ln(1 + count)"
            f"{' + log size · ln N' if 'log_size' in answer.law.coefficients else ''})"
        )
    for note in answer.notes:
        click.echo(f"note: {note}", err=True)


def _gaps(answer: Covariate) -> Table:
    from predictor.cli.tables import percent, plain_table

    title = f"{answer.task} by {answer.column}: {answer.flagged} of {answer.items} items flagged, in %"
    table = plain_table(
        title, ["run"], ["clean", "flagged", "gap", "interval", f"wider than {answer.reference}", "interval"]
    )
    for row in answer.gaps:
        wider = (
            ("-", "-")
            if row.wider is None or row.wider_interval is None
            else (
                f"{100 * row.wider:+.1f}",
                _ends(row.wider_interval),
            )
        )
        table.add_row(
            row.run,
            percent(row.clean),
            percent(row.flagged),
            f"{100 * row.gap:+.1f}",
            _ends(row.interval),
            *wider,
        )
    return table


def _bins(answer: Covariate) -> Table:
    from predictor.cli.tables import percent, plain_table

    runs = list(answer.bins[0][2])
    # The smallest and the largest say how the trend moves; JSON has all.
    shown = runs if len(runs) <= 4 else [runs[0], runs[len(runs) // 2], runs[-1]]
    table = plain_table(f"{answer.task} by {answer.column}, in %", [answer.column], ["items", *shown])
    for (low, high), items, scores in answer.bins:
        table.add_row(f"{low:g}–{high:g}", str(items), *(percent(scores[run]) for run in shown))
    return table


def _ends(interval: tuple[float, float]) -> str:
    return f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f}"
