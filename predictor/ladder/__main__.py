"""Train the tiny ladder and write the tiny tasks.

\b
python -m predictor.ladder --out benchmarks/ladder                          everything; finished runs are kept
python -m predictor.ladder --out quick --sizes 4k,9k --tokens 200k          two short runs, in seconds
python -m predictor.ladder --data benchmarks/tasks/tiny --tasks-only        only the items of the tasks
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from predictor.errors import InputError, PredictorError
from predictor.ladder.build import build
from predictor.ladder.sizes import DEFAULT_TOKENS, SIZES, Size, size_named
from predictor.ladder.tasks import write_tasks
from predictor.quantity import parse_quantity

LOG_EVERY = 500
"""Steps between two lines of the plain log."""


@contextmanager
def _shown() -> Iterator[Callable[[str, int, int, float], None]]:
    """Show progress as bars on a terminal, as plain lines elsewhere."""
    console = Console(stderr=True)
    if not console.is_terminal:

        def log(name: str, step: int, steps: int, loss: float) -> None:
            if step % LOG_EVERY == 0 or step == steps:
                click.echo(f"{name} step {step}/{steps} loss {loss:.3f}", err=True)

        yield log
        return
    columns = (TextColumn("{task.description:>7}"), BarColumn(), TextColumn("{task.completed}/{task.total}"))
    with Progress(*columns, TextColumn("loss {task.fields[loss]:.3f}"), TimeRemainingColumn(), console=console) as bars:
        rows: dict[str, int] = {}

        def draw(name: str, step: int, steps: int, loss: float) -> None:
            if name not in rows:
                rows[name] = int(bars.add_task(name, total=steps, loss=loss))
            for row in bars.tasks:
                if row.id == rows[name]:
                    bars.update(row.id, completed=step, loss=loss)

        yield draw


def _sizes(text: str | None) -> Sequence[Size]:
    return SIZES if text is None else [size_named(name.strip()) for name in text.split(",")]


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110}, help=__doc__)
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Folder of the ladder.")
@click.option("--sizes", "size_names", help=f"Runs to train, with commas: {', '.join(s.name for s in SIZES)}.")
@click.option("--tokens", default=str(DEFAULT_TOKENS), show_default=True, help="End of each schedule, as 10M or 2e5.")
@click.option("--seed", default=0, show_default=True, help="Of the text and of the initial weights.")
@click.option("--workers", type=click.IntRange(1), help="Runs trained side by side, a core each.  [default: up to 2]")
@click.option("--force", is_flag=True, help="Train finished runs anew.")
@click.option("--data", type=click.Path(path_type=Path, file_okay=False), help="Write the tasks' items to this folder.")
@click.option("--tasks-only", is_flag=True, help="Train nothing.")
def main(
    out: Path | None,
    size_names: str | None,
    tokens: str,
    seed: int,
    workers: int | None,
    force: bool,
    data: Path | None,
    tasks_only: bool,
) -> None:
    """Parse the command line and call the library."""
    try:
        if data is not None:
            for path in write_tasks(data):
                click.echo(f"wrote {path}", err=True)
        if tasks_only:
            if data is None:
                raise InputError("--tasks-only has nowhere to write", "add --data benchmarks/tasks/tiny")
            return
        if out is None:
            raise InputError("nowhere to train to", "add --out benchmarks/ladder")
        command = " ".join(["python -m predictor.ladder", *sys.argv[1:]])
        with _shown() as progress:
            trained = build(
                out,
                _sizes(size_names),
                int(parse_quantity(tokens, "--tokens")),
                seed,
                workers,
                force,
                progress,
                command,
            )
        for run in trained:
            click.echo(f"trained {run.name}: {run.params} params, {run.seconds:.0f} s", err=True)
        click.echo(f"{len(trained)} runs trained; {out / 'ladder.json'} describes the ladder", err=True)
    except PredictorError as error:
        click.echo(f"error: {error}", err=True)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
