"""`predictor rank`: trained models over several benchmarks, and how far these agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import TaskList, deliver, json_option, results_option, seed_option

if TYPE_CHECKING:
    from predictor.decisions import ModelRanking


@click.command()
@results_option()
@click.option("--families", type=TaskList(), metavar="a,b", help="Families of models (default: all).")
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to rank by (default: all).")
@click.option(
    "--reference", type=TaskList(), metavar="a,b", help="Benchmarks that each is held against (default: all)."
)
@seed_option
@json_option("Write the ranking as JSON")
def command(
    results: Path,
    families: tuple[str, ...] | None,
    tasks: tuple[str, ...] | None,
    reference: tuple[str, ...] | None,
    seed: int,
    json_path: str | None,
) -> None:
    """Rank models over benchmarks by Kemeny and Borda, and say how far the benchmarks agree.

    Looks at the end of each run: its last checkpoint, or what the last stretch of a finished schedule says of it.

    \b
    Examples:
      predictor rank --results evals.parquet
      predictor rank --results store/ --tasks arc_easy,piqa,hellaswag
      predictor rank --results evals.parquet --reference hellaswag,mmlu --json rank.json
    """
    from predictor.api.decisions import rank

    answer = rank(results, families=families, tasks=tasks, reference=reference, seed=seed)
    deliver(answer, json_path, print_ranking)


def print_ranking(answer: ModelRanking) -> None:
    """Print models, benchmarks, and agreement by the number of models; notes go to standard error."""
    from rich.table import Table

    from predictor.cli.tables import console
    from predictor.quantity import format_quantity

    shown = console()
    proved = "exact" if answer.kemeny.exact else "found by local search, not proved to be the best"
    models = Table(
        title=f"{len(answer.models)} models over {len(answer.agreement)} benchmarks, Kemeny's order ({proved})",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    models.add_column("Kemeny", justify="right")
    models.add_column("model", no_wrap=True)
    for name in ("family", "parameters", "tokens", "Borda", "Borda rank", "benchmarks"):
        models.add_column(name, justify="left" if name == "family" else "right", no_wrap=True)
    for one in answer.models:
        models.add_row(
            str(one.kemeny_rank),
            one.run,
            one.family,
            format_quantity(one.params),
            format_quantity(one.tokens),
            f"{one.borda:.3f}",
            f"{one.borda_rank:g}",
            str(one.benchmarks),
        )
    shown.print(models)
    shown.print()
    agreement = Table(
        title="agreement with the other benchmarks", title_justify="left", box=None, pad_edge=False, header_style="bold"
    )
    agreement.add_column("task")
    for name in ("shots", "models", "Kendall", "95 %", "Spearman", "z"):
        agreement.add_column(name, justify="right", no_wrap=True)
    for benchmark in answer.agreement:
        agreement.add_row(
            benchmark.task,
            "-" if benchmark.num_fewshot is None else str(benchmark.num_fewshot),
            str(benchmark.models),
            f"{benchmark.kendall:.2f}",
            f"{benchmark.interval[0]:.2f} to {benchmark.interval[1]:.2f}",
            f"{benchmark.spearman:.2f}",
            "-" if benchmark.z is None else f"{benchmark.z:+.1f}",
        )
    shown.print(agreement)
    shown.print()
    sizes = Table(title="mean Kendall by number of models", title_justify="left", box=None, pad_edge=False)
    for name in ("models", "random", "adjacent"):
        sizes.add_column(name, justify="right")
    for size in answer.by_size:
        sizes.add_row(str(size.models), f"{size.random:.2f}", f"{size.adjacent:.2f}")
    shown.print(sizes)
    for note in answer.record["notes"]:
        click.echo(f"note: {note}", err=True)
