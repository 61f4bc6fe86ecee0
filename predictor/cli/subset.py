"""`predictor subset`: a short list of items that stands for a whole benchmark."""

from __future__ import annotations

from pathlib import Path

import click

from predictor.cli.options import num_fewshot_option, results_option
from predictor.cli.signal_line import signal_line, signal_of


@click.command()
@click.argument("task")
@results_option()
@click.option("--size", type=click.IntRange(min=1), required=True, metavar="K", help="How many items to choose.")
@click.option("--family", metavar="F", help="Family of runs (default: that with the most runs).")
@num_fewshot_option
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the choice.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where to write the list (default: TASK-K.txt); weights go beside it, as TASK-K.json. A group of "
    "tasks gets a folder TASK-K with a list of each task, and the suite TASK-K.yaml.",
)
def command(
    task: str, results: Path, size: int, family: str | None, num_fewshot: int | None, seed: int, out: Path | None
) -> None:
    """Choose K items of TASK from which its full score can be estimated, and write them as a list for a suite.

    A suite scores only these items when its task says `items: FILE`; the mean of the answers estimates the full score.
    Its standard deviation on runs that were left out is printed, and written beside the list with the items' exact
    weights. Of a group of tasks, such as mmlu, items are chosen over all its tasks, and a suite of them is written.

    \b
    Examples:
      predictor subset hellaswag --size 100 --results store/
      predictor subset mmlu --size 100 --results store/ --out suites/mmlu-100.txt
    """
    from predictor.difficulty import item_table
    from predictor.difficulty.listing import write_short_list
    from predictor.difficulty.short_list import choose_items, table_values
    from predictor.results import read_results
    from predictor.results.destination import check_destination, check_keeps

    path = out or Path(f"{task.replace(':', '-')}-{size}.txt")
    check_keeps(check_destination(path), results, "--out")
    loaded = read_results(results)
    table = item_table(loaded, task, family=family, num_fewshot=num_fewshot)
    values, guide = table_values(table)
    found = choose_items(values, guide, table.run, table.flops, size, seed)
    written = write_short_list(found, table, loaded.task(task).metric, path)
    left = (
        f"the {found.left_out} largest runs, left out"
        if found.left_out
        else "the runs themselves: too few to leave out"
    )
    click.echo(
        f"{size} of {table.item.size} items estimate the full score of {table.label} to {100 * found.error:.2f} points "
        f"(standard deviation, measured on {left}); {size} items drawn at random: {100 * found.plain_error:.2f}"
    )
    click.echo("\n".join(f"{name}: {file}" for name, file in written.items()))
    judged = signal_of(loaded, task, table.num_fewshot)
    if judged is not None:
        click.echo(signal_line(judged))
