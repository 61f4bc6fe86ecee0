"""`predictor compression`: information gained from held-out texts per compute, family by family."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import TaskList, deliver, json_option, results_option

if TYPE_CHECKING:
    from predictor.statistics import Compression


@click.command()
@results_option()
@click.option("--texts", type=TaskList(), metavar="a,b", help="Held-out texts, as loss:c4 (default: all).")
@click.option("--families", type=TaskList(), metavar="a,b", help="Families of runs (default: all).")
@json_option("Write models and families as JSON")
def command(
    results: Path, texts: tuple[str, ...] | None, families: tuple[str, ...] | None, json_path: str | None
) -> None:
    """Compare models and families by the information they gain from held-out texts for the compute they spend.

    Texts need losses in nats per token and in bits per byte: together they say how many bytes a token holds, so models
    with other tokenizers compare.

    \b
    Examples:
      predictor compression --results store/
      predictor compression --results evals.parquet --texts loss:c4,loss:wiki --json -
    """
    from predictor.results import read_results
    from predictor.statistics import compression

    deliver(compression(read_results(results), texts or (), families or ()), json_path, print_compression)


def print_compression(answer: Compression) -> None:
    """Print models, then families; notes go to standard error."""
    from rich.table import Table

    from predictor.cli.tables import console
    from predictor.quantity import format_quantity

    shown = console()
    table = Table(title="models", title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in ("text", "family", "run"):
        table.add_column(name, overflow="fold")
    for name in ("params", "bpb", "bytes/token", "FLOPs/byte", "bits/GFLOP", "capacity"):
        table.add_column(name, justify="right", no_wrap=True)
    for model in answer.models:
        table.add_row(
            model.text,
            model.family,
            model.run,
            format_quantity(model.params),
            f"{model.bpb:.3f}",
            f"{model.bytes_per_token:.2f}",
            format_quantity(model.flops_per_byte),
            f"{model.saved_per_gflop:.3g}",
            f"{model.capacity:.3f}",
        )
    shown.print(table)
    table = Table(
        title="families: bits saved per token over log2 of FLOPs per token",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    for name in ("text", "family"):
        table.add_column(name, overflow="fold")
    for name in ("models", "capacity", "spread"):
        table.add_column(name, justify="right")
    for row in answer.families:
        spread = "-" if row.spread is None else f"{row.spread:.3f}"
        table.add_row(row.text, row.family, str(row.models), f"{row.capacity:.3f}", spread)
    shown.print(table)
    for note in answer.notes:
        click.echo(f"note: {note}", err=True)
