"""`predictor init`: write a checkpoints.yaml for a tree of checkpoints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import QUANTITY
from predictor.errors import ConfigError
from predictor.project import DEFAULT_CONFIG

if TYPE_CHECKING:
    from predictor.checkpoints.describe import Wanted
    from predictor.checkpoints.scan import Scan

_SCHEMA = ".checkpoints.schema.json"
_SHOWN = 5


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), metavar="DIR")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path(DEFAULT_CONFIG),
    show_default=True,
    metavar="FILE",
    help="The file to write.",
)
@click.option("--suite", default="core", show_default=True, metavar="NAME", help="What is scored on.")
@click.option("--family", default="base", show_default=True, metavar="F", help="Name of the runs' family.")
@click.option("--store", default="store", show_default=True, help="Where scores are kept.")
@click.option("--tokens-per-step", type=QUANTITY, metavar="N", help="Training tokens of one optimizer step, as 4M.")
@click.option("--online", is_flag=True, help="Fetch data sets from the hub where they are not in its cache.")
@click.option("--force", is_flag=True, help="Replace the file where it exists.")
def command(
    folder: Path,
    out: Path,
    suite: str,
    family: str,
    store: str,
    tokens_per_step: float | None,
    online: bool,
    force: bool,
) -> None:
    """Write a checkpoints.yaml for the checkpoints below DIR.

    Finds the runs and their steps by the names of the folders, counts parameters from the weights, and reads tokens per
    step and the end of the schedule from the files beside them. What it could not know is listed, and stands in the
    file as a comment.

    \b
    Examples:
      predictor init /project/ladder
      predictor init /project/ladder --suite core --tokens-per-step 4M
    """
    from predictor.checkpoints.describe import SCHEMA_LINE, Wanted, describe
    from predictor.checkpoints.scan import scan
    from predictor.cli.config import schema_text
    from predictor.evaluation.suites import load_suite
    from predictor.results.destination import check_destination
    from predictor.results.files import write_text_atomically

    if out.exists() and not force:
        raise ConfigError(f"{out} exists", "give --force to replace it, or name another file with --out")
    check_destination(out, "--out")
    load_suite(suite)
    per_step = None if tokens_per_step is None else round(tokens_per_step)
    wanted = Wanted(suite, family, store, per_step, online)
    found = scan(folder)
    text = f"{SCHEMA_LINE}{_SCHEMA}\n{describe(found, wanted, out.parent)}"
    write_text_atomically(out.parent / _SCHEMA, schema_text())
    write_text_atomically(out, text)
    _show(found, wanted, out)


def _show(found: Scan, wanted: Wanted, out: Path) -> None:
    """Print the runs, then what is not known and what to do next."""
    from rich.markup import escape
    from rich.table import Table

    from predictor.checkpoints.describe import unknown_tokens
    from predictor.cli.tables import console
    from predictor.quantity import format_quantity

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("run", overflow="fold")
    for name in ("params", "checkpoints", "last step", "tokens per step"):
        table.add_column(name, justify="right", no_wrap=True)
    for run in found.runs:
        size = "?" if run.model.params is None else format_quantity(run.model.params)
        per_step = wanted.tokens_per_step or run.training.tokens_per_step
        tokens = format_quantity(per_step) if per_step else "-" if not run.lacks_tokens else "?"
        table.add_row(escape(run.name), size, str(len(run.steps)), str(run.steps[-1]), tokens)
    console().print(table)
    lacking = unknown_tokens(found, wanted)
    if lacking:
        click.echo(f"not known: tokens per step of {len(lacking)} runs; give --tokens-per-step or fill them in")
    sizes = [run.name for run in found.runs if run.model.params is None]
    if sizes:
        click.echo(f"not known: parameters of {', '.join(sizes)}; fill them in as params")
    for name, reason in found.left_out[:_SHOWN]:
        click.echo(f"left out: {name}: {reason}", err=True)
    if len(found.left_out) > _SHOWN:
        click.echo(f"left out: {len(found.left_out) - _SHOWN} more folders", err=True)
    click.echo("not known: the target; fill it in as target")
    click.echo(f"written to {out}; next: predictor evaluate --config {out}", err=True)
