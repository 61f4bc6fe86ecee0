"""`predictor calibration`: do probabilities mean what they say, and do places or lengths sway answers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import COUNT, TaskList, deliver, json_option, num_fewshot_option, results_option
from predictor.cli.project_store import store_of_project
from predictor.errors import InputError

if TYPE_CHECKING:
    from predictor.statistics.reliability import Calibrations


@click.command()
@click.argument("task")
@results_option(required=False)
@click.option("--runs", type=TaskList(), metavar="a,b", help="Whose checkpoints (default: all runs).")
@click.option("--step", type=COUNT, metavar="S", help="Only this checkpoint of each run.")
@num_fewshot_option
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="OUT.html", help="Write a page with reliability curves."
)
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="FOLDER", help="Write a results table of them to forecast."
)
@json_option("Write the numbers as JSON")
def command(
    task: str,
    results: Path | None,
    runs: tuple[str, ...] | None,
    step: int | None,
    num_fewshot: int | None,
    html: Path | None,
    out: Path | None,
    json_path: str | None,
) -> None:
    """Measure calibration and bias of the answers to TASK, along training and over sizes.

    Prints, for each checkpoint, expected calibration error, Brier score, the place that is taken too often and the
    bias towards the longest choice, with tests. A folder written by --out can be forecast. See docs/statistics.md.

    \b
    Examples:
      predictor calibration arc_easy --results store/ --step 56000
      predictor calibration arc_easy --results store/ --html calibration.html --out calibration/
    """
    from predictor.cli.console import progress
    from predictor.results import read_results
    from predictor.results.destination import check_destination, check_folder
    from predictor.statistics import calibration
    from predictor.statistics.sides import ROLES

    if html is not None:
        check_destination(html, "--html")
    if out is not None and (check_folder(out, "--out") / "evals.parquet").exists():
        raise InputError(f"{out} holds results already", "name another folder with --out")
    where = results or store_of_project()
    found = calibration(
        read_results(where, ROLES),
        task,
        runs=runs,
        step=step,
        num_fewshot=num_fewshot,
        progress=lambda total: progress("Reading", total),
    )
    if html is not None:
        from predictor.report import write_calibration

        write_calibration(found, html)
    if out is not None:
        # The target's own checkpoints are shown, but no law may be fitted to them.
        _write_table(found, out, set(read_results(where).evals["run"]))
    deliver(found, json_path, print_calibration)
    for path in (html, out):
        if path is not None:
            click.echo(f"written to {path}", err=True)


def _write_table(found: Calibrations, folder: Path, runs: set[str]) -> None:
    from dataclasses import replace

    from predictor.statistics.reliability import to_results

    ladder = tuple(one for one in found.checkpoints if one.run in runs)
    if not ladder:
        raise InputError(f"no runs of the ladder have items of {found.task}", "leave out --out")
    scores, tasks = to_results(replace(found, checkpoints=ladder))
    folder.mkdir(exist_ok=True)
    scores.to_parquet(folder / "evals.parquet", index=False)
    tasks.to_parquet(folder / "tasks.parquet", index=False)


def print_calibration(found: Calibrations) -> None:
    """Print a table, one line per checkpoint."""
    from rich.table import Table

    from predictor.cli.tables import console
    from predictor.statistics.words import p_value

    title = f"{found.label}: calibration, and places and lengths that sway the choice; shares in %"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    table.add_column("run", overflow="fold")
    for name in ("step", "items", "right", "sure", "ECE", "Brier", "place", "excess", "p", "longest", "p"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in found.checkpoints:
        excess = [chosen - gold for chosen, gold in zip(one.chosen, one.gold, strict=True)]
        table.add_row(
            one.run,
            str(one.step if one.step is not None else one.tokens),
            str(one.items),
            f"{100 * one.accuracy:.1f}",
            f"{100 * one.confidence:.1f}",
            f"{100 * one.ece:.1f}",
            f"{one.brier:.3f}",
            str(excess.index(max(excess))),
            f"{100 * one.place_excess:+.1f}",
            p_value(one.place_p),
            "-" if one.longest != one.longest else f"{100 * one.longest:+.1f}",
            p_value(one.longest_p),
        )
    console().print(table)
