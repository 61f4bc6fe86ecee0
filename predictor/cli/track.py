"""`predictor track`: runs in training, held against their forecasts."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.options import QUANTITY, TaskList, json_option, results_option, write_json
from predictor.errors import InputError, PredictorError
from predictor.quantity import parse_quantity

if TYPE_CHECKING:
    from predictor.cli.posting import Post
    from predictor.forecasting.trajectory import Candidates, Requirement, RunTrack

# Exit code that says: a run left its path, or will hardly reach what is required of it.
ALARM = 3


class Required(click.ParamType):
    """A benchmark and a score, as `mmlu=0.55`."""

    name = "task=score"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Split it."""
        if isinstance(value, tuple):
            return value
        name, sign, score = str(value).rpartition("=")
        try:
            return name.strip(), float(score) if sign and name.strip() else self.fail(f"{value} lacks a score", param)
        except ValueError:
            self.fail(f"{score} is no number; write it as mmlu=0.55", param, ctx)


class Event(click.ParamType):
    """Tokens and what happened there, as `150B=new data`."""

    name = "tokens=what"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[float, str]:
        """Split it."""
        if isinstance(value, tuple):
            return value
        tokens, sign, what = str(value).partition("=")
        try:
            at = parse_quantity(tokens, "--event")
        except PredictorError as error:
            self.fail(str(error), param, ctx)
        return at, what.strip() if sign and what.strip() else self.fail(f"{value} does not say what happened", param)


@dataclass(frozen=True)
class _Asked:
    """What the command was asked for; see its options."""

    results: Path
    runs: tuple[str, ...]
    tokens: float | None
    family: str | None
    tasks: tuple[str, ...] | None
    require: tuple[tuple[str, float], ...]
    alarm_below: float
    events: tuple[tuple[float, str], ...]
    json_path: str | None
    html_path: Path | None

    @property
    def files(self) -> dict[str, Path]:
        """The files that are written, by option."""
        named = {
            "--html": self.html_path,
            "--json": None if self.json_path in (None, "-") else Path(str(self.json_path)),
        }
        return {option: path for option, path in named.items() if path is not None}


@dataclass(frozen=True)
class _Found:
    """What was found of the runs."""

    tracks: tuple[RunTrack, ...]
    required: dict[str, tuple[Requirement, ...]] = field(default_factory=dict)
    candidates: Candidates | None = None

    def alarms(self, below: float) -> bool:
        """Whether a run left its path, or will reach a requirement with a probability below the one given."""
        missed = any(one.probability < below for required in self.required.values() for one in required)
        return missed or any(track.alarms for track in self.tracks)

    @property
    def ended(self) -> bool:
        """Whether all runs have ended."""
        return all(track.tokens >= track.end for track in self.tracks)


@click.command()
@results_option()
@click.option("--run", "named", multiple=True, metavar="RUN", help="A run in training; several are compared.")
@click.option("--runs", type=TaskList(), default=(), metavar="a,b", help="The same, several at once.")
@click.option("--tokens", type=QUANTITY, metavar="D", help="Where it ends (default: the end of its schedule).")
@click.option("--family", metavar="F", help="Family of the run, where its name is in several.")
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to show (default: all).")
@click.option(
    "--require", type=Required(), multiple=True, metavar="TASK=SCORE", help="A score to end with, as mmlu=0.55."
)
@click.option(
    "--alarm-below",
    type=click.FloatRange(0.0, 1.0),
    default=0.1,
    show_default=True,
    metavar="P",
    help="Exit with 3 where a required score will be reached with a probability below this.",
)
@click.option(
    "--event", "events", type=Event(), multiple=True, metavar="TOKENS=WHAT", help="A pause, restart or switch of data."
)
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
@click.option("--notify", metavar="CONFIG", help="Send alarms to those whom this checkpoints.yaml names.")
def command(
    results: Path,
    named: tuple[str, ...],
    runs: tuple[str, ...],
    watch: bool,
    every: float,
    notify: str | None,
    **options: Any,
) -> None:
    """Hold a run in training against its forecast.

    From its checkpoints and other runs: for each benchmark the expected path, what came, and the forecast of the final
    score as of now. Exits with 3 when the run leaves its path for more than noise, or will hardly reach a required
    score, for a scheduler to act on.

    \b
    Examples:
      predictor track --results store/ --run base-7b
      predictor track --results store/ --run base-7b --html track.html --json track.json
      predictor track --results store/ --run base-7b --require mmlu=0.55 --alarm-below 0.2
      predictor track --results store/ --runs base-7b-a,base-7b-b
      predictor track --results evals.parquet --run base-7b --tokens 300B --watch --every 300
      predictor track --results store/ --run base-7b --notify checkpoints.yaml
    """
    from predictor.results.readers import hash_inputs

    asked = _Asked(results, tuple(dict.fromkeys((*named, *runs))), **options)
    _check(asked, watch)
    post = None if notify is None else _post(notify, results)
    while True:
        seen = hash_inputs(results)
        found = _look(asked)
        if found.alarms(asked.alarm_below):
            if post is not None:
                with post:
                    post.alarms(found.tracks)
            sys.exit(ALARM)
        if not watch or found.ended:
            return
        while hash_inputs(results) == seen:
            time.sleep(every)


def _post(config: str, results: Path) -> Post:
    """Read whom to tell, before the work."""
    from predictor.cli.posting import Post
    from predictor.project import load_project

    return Post(load_project(config), results)


def _check(asked: _Asked, watch: bool) -> None:
    """Refuse what cannot be done before the work.

    Raises:
        InputError: no run, a page of several, or a file that cannot be written.
    """
    from predictor.results.destination import check_apart, check_destination

    if not asked.runs:
        raise InputError("no run was named", "name one with --run, or several with --runs a,b")
    if watch and asked.json_path == "-":
        raise InputError("--watch prints many times, and JSON on standard output is one object", "name a file")
    if len(asked.runs) > 1 and asked.html_path is not None:
        raise InputError("a page shows one run", f"name one of {', '.join(asked.runs)}")
    for option, path in asked.files.items():
        check_destination(path, option)
    check_apart(asked.files, asked.results, [])


def _look(asked: _Asked) -> _Found:
    """Track the runs, write the files and print the tables."""
    from predictor.cli.track_table import print_candidates, print_track
    from predictor.report import track_to_json, write_track

    found = _track(asked)
    if asked.json_path is not None:
        values = [track_to_json(track, found.required[track.run]) for track in found.tracks]
        together = {"runs": values, "comparison": found.candidates and found.candidates.to_json()}
        write_json(values[0] if len(values) == 1 else together, asked.json_path)
    if asked.html_path is not None:
        write_track(found.tracks[0], asked.html_path, found.required[found.tracks[0].run])
    if asked.json_path != "-":
        for track in found.tracks:
            print_track(track, found.required[track.run])
        if found.candidates is not None:
            print_candidates(found.candidates)
        for path in asked.files.values():
            click.echo(f"written to {path}", err=True)
    return found


def _track(asked: _Asked) -> _Found:
    from dataclasses import replace

    from predictor.forecasting.trajectory import compare_candidates, judge, track
    from predictor.results import read_results

    table = read_results(asked.results, roles=("ladder", "target"))
    wanted = None if asked.tasks is None else {table.task(name).task for name in asked.tasks}
    whole = [
        track(table, run, tokens=asked.tokens, family=asked.family, events=dict(asked.events), cache=True)
        for run in asked.runs
    ]
    required = {found.run: judge(found, asked.require) for found in whole}
    candidates = compare_candidates(whole) if len(whole) > 1 else None
    tracks = tuple(
        replace(found, series=tuple(one for one in found.series if wanted is None or one.series.task in wanted))
        for found in whole
    )
    return _Found(tracks, required, candidates)
