"""`predictor subset`: a short list of items that stands for a whole benchmark."""

from __future__ import annotations

from pathlib import Path

import click

from predictor.cli.options import results_option


@click.command()
@click.argument("task")
@results_option()
@click.option("--size", type=click.IntRange(min=1), required=True, metavar="K", help="How many items to choose.")
@click.option("--family", metavar="F", help="Family of runs (default: that with the most runs).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the choice.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write the list (default: TASK-K.txt); weights go beside it, as TASK-K.json.",
)
def command(task: str, results: Path, size: int, family: str | None, seed: int, out: Path | None) -> None:
    """Choose K items of TASK from which its full score can be estimated, and write them as a list for a suite.

    A suite scores only these items when its task says `items: FILE`. The weights that turn the answers into an estimate
    of the full score, and its standard deviation on runs that were left out, are written beside the list.

    \b
    Examples:
      predictor subset hellaswag --size 100 --results store/
      predictor subset arc_easy --size 50 --results store/ --out suites/arc_easy-50.txt
    """
    from predictor.difficulty import item_table
    from predictor.difficulty.listing import write_short_list
    from predictor.difficulty.short_list import choose_items, table_values
    from predictor.results import read_results

    table = item_table(read_results(results), task, family=family)
    found = choose_items(table_values(table), table.run, size, seed)
    path = out or Path(f"{task.replace(':', '-')}-{size}.txt")
    weights = write_short_list(found, table, path)
    click.echo(
        f"{size} of {table.item.size} items estimate the full score of {task} to {100 * found.error:.2f} points "
        f"(standard deviation on runs left out); {size} items drawn at random: {100 * found.plain_error:.2f}"
    )
    click.echo(f"items: {path}\nweights: {weights}")
