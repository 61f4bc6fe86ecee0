"""`predictor track`: a run in training, held against its forecast."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import QUANTITY, TaskList, json_option, results_option, write_json
from predictor.errors import InputError

if TYPE_CHECKING:
    from predictor.forecast.trajectory import RunTrack

# Exit code that says: the run left its path.
ALARM = 3


@click.command()
@results_option()
@click.option("--run", required=True, metavar="RUN", help="The run in training.")
@click.option("--tokens", type=QUANTITY, metavar="D", help="Where it ends (default: the end of its schedule).")
@click.option("--family", metavar="F", help="Family of the run, where its name is in several.")
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to show (default: all).")
@json_option("Write everything as JSON")
@click.option(
    "--html", "html_path", type=click.Path(path_type=Path), metavar="OUT.html", help="Write a page with figures."
)
@click.option("--watch", is_flag=True, help="Look again whenever scores are added, until the run ends or an alarm.")
@click.option(
    "--every",
    type=click.FloatRange(min=0.1),
    default=60.0,
    show_default=True,
    metavar="SECONDS",
    help="How often --watch looks.",
)
def command(
    results: Path,
    run: str,
    tokens: float | None,
    family: str | None,
    tasks: tuple[str, ...] | None,
    json_path: str | None,
    html_path: Path | None,
    watch: bool,
    every: float,
) -> None:
    """Hold a run in training against its forecast.

    From its first checkpoints and the other runs of its family: for each benchmark the expected path, what came, and
    the forecast of the final score as of now. Exits with 3 when the run leaves its path for more than noise, for a
    scheduler to act on.

    \b
    Examples:
      predictor track --results store/ --run base-7b
      predictor track --results store/ --run base-7b --html track.html --json track.json
      predictor track --results evals.parquet --run base-7b --tokens 300B --watch --every 300
    """
    from predictor.results.readers import hash_inputs

    if watch and json_path == "-":
        raise InputError("--watch prints many times, and JSON on standard output is one object", "name a file")
    while True:
        seen = hash_inputs(results)
        found = _look(results, run, tokens, family, tasks, json_path, html_path)
        if found.alarms:
            sys.exit(ALARM)
        if not watch or found.tokens >= found.end:
            return
        while hash_inputs(results) == seen:
            time.sleep(every)


def _look(
    results: Path,
    run: str,
    tokens: float | None,
    family: str | None,
    tasks: tuple[str, ...] | None,
    json_path: str | None,
    html_path: Path | None,
) -> RunTrack:
    from predictor.forecast.trajectory import track
    from predictor.report import track_to_json, write_track
    from predictor.results import read_results
    from predictor.results.destination import check_apart, check_destination

    named = {"--html": html_path, "--json": None if json_path in (None, "-") else Path(str(json_path))}
    files = {option: path for option, path in named.items() if path is not None}
    for option, path in files.items():
        check_destination(path, option)
    check_apart(files, results, [])
    table = read_results(results, roles=("ladder", "target"))
    found = track(table, run, tokens=tokens, tasks=tasks, family=family)
    if json_path is not None:
        write_json(track_to_json(found), json_path)
    if html_path is not None:
        write_track(found, html_path)
    if json_path != "-":
        from predictor.cli.track_table import print_track

        print_track(found)
        for path in files.values():
            click.echo(f"written to {path}", err=True)
    return found
