"""`predictor density`: how large a reference model would have to be to score as a model does."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import QUANTITY, TaskList, deliver, json_option, results_option, seed_option

if TYPE_CHECKING:
    from predictor.decisions import Densities, ModelDensity


@click.command()
@results_option()
@click.option("--reference", required=True, metavar="F", help="Family whose sizes are the measure.")
@click.option(
    "--reference-results",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where its scores are (default: --results).",
)
@click.option("--families", type=TaskList(), metavar="a,b", help="Families to measure (default: all others).")
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to look at (default: all).")
@click.option(
    "--tokens",
    type=QUANTITY,
    metavar="D",
    help="Training tokens of the reference's models (default: those of its largest run).",
)
@seed_option
@json_option("Write the densities as JSON")
def command(
    results: Path,
    reference: str,
    reference_results: Path | None,
    families: tuple[str, ...] | None,
    tasks: tuple[str, ...] | None,
    tokens: float | None,
    seed: int,
    json_path: str | None,
) -> None:
    """Measure the capacity density of models against a reference family.

    \b
    Examples:
      predictor density --results evals.parquet --reference pythia
      predictor density --results store/ --reference-results evals.parquet --reference pythia --tasks arc_easy,piqa
    """
    from predictor.cli.console import progress
    from predictor.decisions import density
    from predictor.results import read_results

    answer = density(
        read_results(results),
        reference,
        reference_results=None if reference_results is None else read_results(reference_results),
        families=families,
        tasks=tasks,
        tokens=tokens,
        seed=seed,
        progress=lambda total: progress("Fitting", total),
    )
    deliver(answer, json_path, print_densities)


def print_densities(answer: Densities) -> None:
    """Print models over benchmarks; notes go to standard error."""
    from rich.table import Table

    from predictor.cli.tables import console
    from predictor.quantity import format_quantity

    low, high = (format_quantity(one) for one in answer.reference_params)
    table = Table(
        title=f"capacity density against {answer.reference}, {low} to {high} parameters on "
        f"{format_quantity(answer.reference_tokens)} tokens",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    table.add_column("model", no_wrap=True)
    for name in ("family", "parameters", "tokens", "density", "benchmarks", "effective parameters (80 %)"):
        table.add_column(name, justify="left" if name == "family" else "right", no_wrap=name != "family")
    for one in answer.models:
        table.add_row(
            one.run,
            one.family,
            format_quantity(one.params),
            format_quantity(one.tokens),
            "-" if one.density is None else f"{one.density:.2f}",
            str(one.benchmarks),
            _effective(one),
        )
    console().print(table)
    for note in answer.record["notes"]:
        click.echo(f"note: {note}", err=True)


def _effective(model: ModelDensity) -> str:
    """Write the effective size of each benchmark, or on which side of the reference it lies, at most three of them."""
    from predictor.quantity import format_quantity

    words = []
    for one in model.tasks:
        if one.effective_params is not None:
            ends = ["…" if end is None else format_quantity(end) for end in one.interval]
            words.append(f"{one.task} {format_quantity(one.effective_params)} ({ends[0]}–{ends[1]})")
        elif one.side:
            words.append(f"{one.task} {one.side}")
    return ", ".join(words[:3]) + (", …" if len(words) > 3 else "")
