"""`predictor evaluate`: score what is missing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.console import progress, say
from predictor.cli.options import DURATION, QUANTITY, json_option, write_json
from predictor.cli.posting import Post
from predictor.errors import PredictorError
from predictor.project import DEFAULT_CONFIG

if TYPE_CHECKING:
    from predictor.evaluation import Outcome
    from predictor.project import Project
    from predictor.results.ledger import PairKey


@click.command()
@click.option("--config", default=DEFAULT_CONFIG, show_default=True, help="The ladder: runs, suite, store, executor.")
@click.option(
    "--checkpoints", type=click.Path(path_type=Path), metavar="DIR", help="Without --config: the runs found below DIR."
)
@click.option("--suite", metavar="NAME", help="With --checkpoints: what is scored on.  [default: core]")
@click.option(
    "--tokens-per-step", type=QUANTITY, metavar="N", help="With --checkpoints: tokens of one optimizer step, as 4M."
)
@click.option("--online", is_flag=True, help="Fetch data sets from the hub where they are not in its cache.")
@click.option("--once", is_flag=True, help="Score what is missing now, then end. This is what it does without it, too.")
@click.option(
    "--watch", "watching", is_flag=True, help="Stay, and score new checkpoints as they appear, until SIGTERM."
)
@click.option("--every", type=DURATION, help="With --watch: time between two looks, as 90s or 10m.  [default: 5m]")
@click.option("--cron", metavar="FIELDS", help="With --watch: look at the times of a cron expression.")
@click.option("--store", help="Another store than that of the configuration.")
@click.option("--run", "runs", multiple=True, help="Only this run; may be given again.")
@click.option("--task", "tasks", multiple=True, help="Only this task of the suite; may be given again.")
@click.option("--limit", type=click.IntRange(min=1), help="Score only the first N items of each task.")
@click.option("--include-target", is_flag=True, help="Score the runs of role target, too.")
@click.option("--retry-failed", is_flag=True, help="Try pairs again that failed three times.")
@click.option("--new-version", is_flag=True, help="Score anew what an earlier version of lm-eval scored.")
@click.option("--dry-run", is_flag=True, help="Only say what is missing.")
@json_option("Write what was done as JSON")
def command(
    config: str,
    checkpoints: Path | None,
    suite: str | None,
    tokens_per_step: float | None,
    online: bool,
    once: bool,
    watching: bool,
    every: float | None,
    cron: str | None,
    store: str | None,
    runs: tuple[str, ...],
    tasks: tuple[str, ...],
    limit: int | None,
    include_target: bool,
    retry_failed: bool,
    new_version: bool,
    dry_run: bool,
    json_path: str | None,
) -> int:
    """Score the checkpoints that are not scored yet.

    Finds the checkpoints of the ladder, leaves half-written ones alone, scores every missing (checkpoint, task) pair
    with lm-evaluation-harness, and writes scores and items into the store. Stop it at any time: the same command
    resumes, and scores nothing twice. Registered forecasts whose targets have been scored are resolved. Exits with 1 if
    a pair has no score in the end, a checkpoint is broken, or a run has no checkpoints; 'predictor status' says why.

    \b
    Examples:
      predictor evaluate --once
      predictor evaluate --checkpoints /project/ladder --suite core --tokens-per-step 4M
      predictor evaluate --config cluster.yaml --run 160m --task arc_easy
      predictor evaluate --dry-run --json -
      predictor evaluate --watch --every 10m
      predictor evaluate --watch --cron '*/15 * * * *'
    """
    from predictor.api.evaluation import project_of_folder
    from predictor.evaluation import evaluate
    from predictor.evaluation.plan import Choice
    from predictor.evaluation.presence import store_of
    from predictor.evaluation.surroundings import take_process
    from predictor.evaluation.watch import Stopped, stopping_on_sigterm, watch
    from predictor.project import load_project

    if checkpoints is None:
        for option, value in (("--suite", suite), ("--tokens-per-step", tokens_per_step)):
            if value is not None:
                raise click.UsageError(f"{option} needs --checkpoints; a project states it in its file")
        project = load_project(config)
    else:
        _refuse_with("--checkpoints", {"--config": config != DEFAULT_CONFIG})
        project = project_of_folder(checkpoints, suite=suite or "core", tokens_per_step=tokens_per_step)
        say(f"found {len(project.runs)} runs below {checkpoints}: {', '.join(project.runs)}")
    if online:
        project = project.model_copy(update={"offline": False})
    take_process(project.offline, project.scoring.allow_code_execution)
    post = Post(project, store_of(project, store).path, stays=watching)
    roles = ("ladder", "target") if include_target else ("ladder",)
    if watching:
        _refuse_with("--watch", {"--once": once, "--dry-run": dry_run, "--json": json_path is not None})
        _refuse_with("--every", {"--cron": cron is not None and every is not None})
        try:
            with stopping_on_sigterm(), post:
                watch(
                    project,
                    store=store,
                    choice=Choice(runs, tasks, roles, retry_failed, new_version),
                    limit=limit,
                    every=every,
                    cron=cron,
                    progress=progress,
                    tell=say,
                    # Scores of a few items are not those that were forecast.
                    after=_Looks(None if limit is not None else partial(_resolve, project, store, post), post),
                )
        except Stopped:
            say("stopped; what was in hand waits for the next start")
        return 0
    _refuse_with("a call without --watch", {"--every": every is not None, "--cron": cron is not None})
    try:
        with stopping_on_sigterm():
            outcome = evaluate(
                project,
                store=store,
                runs=runs,
                tasks=tasks,
                limit=limit,
                roles=roles,
                retry_failed=retry_failed,
                new_version=new_version,
                dry_run=dry_run,
                progress=progress,
                tell=say,
            )
    except Stopped:
        say("stopped; the same command goes on")
        return 143
    with post:
        if not dry_run:
            post.look(outcome)
        if limit is None and not dry_run:
            _resolve(project, store, post)
    _tell(outcome)
    done = f"{len(outcome.found)} done before"
    if dry_run:
        summary = f"{len(outcome.planned)} pairs missing, {done}"
    else:
        summary = f"{len(outcome.scored)} pairs scored, {done}, {len(outcome.failed)} failed"
    if not (outcome.planned or outcome.found or outcome.failed or outcome.given_up):
        summary += "; no whole checkpoint was found, see 'predictor status'"
    if json_path is None:
        if dry_run:
            for key in outcome.planned:
                click.echo(f"{key.run} step {key.step}, {key.task}")
        click.echo(summary)
    else:
        say(summary)
        write_json(_as_json(outcome), json_path)
    if dry_run:
        return 1 if outcome.broken or outcome.unmatched else 0
    return 0 if outcome.is_whole else 1


def _refuse_with(option: str, others: dict[str, bool]) -> None:
    for other, given in others.items():
        if given:
            raise click.UsageError(f"{other} does not go with {option}")


class _Looks:
    """Says what a look of `--watch` did, and what it left alone only when that is new; has forecasts resolved.

    Args:
        resolve: called after the first look, and after each that scored something; None for nothing.
        post: sends what was done to those who are to be told.
    """

    def __init__(self, resolve: Callable[[], None] | None, post: Post) -> None:
        self._said: set[str] = set()
        self._post = post
        self._resolve = resolve
        self._looked = False

    def __call__(self, outcome: Outcome) -> None:
        news = [line for line in _left_out(outcome) if _without_numbers(line) not in self._said]
        self._said |= {_without_numbers(line) for line in news}
        for line in news:
            say(line)
        if outcome.scored or outcome.failed:
            say(f"{len(outcome.scored)} pairs scored, {len(outcome.failed)} failed")
        elif not self._looked:
            say(f"nothing is missing, {len(outcome.found)} pairs are scored; waiting for new checkpoints")
        self._post.look(outcome)
        if self._resolve is not None and (outcome.scored or not self._looked):
            self._resolve()
        self._looked = True


def _resolve(project: Project, store: str | None, post: Post) -> None:
    """Resolve the registered forecasts whose targets have been scored; what is wrong with one stops no evaluation."""
    from predictor.cli.registered_tables import resolved_line
    from predictor.cli.resolve import resolve_in
    from predictor.evaluation.presence import store_of

    try:
        found = resolve_in(project, store_of(project, store).path)
    except PredictorError as error:
        say(f"registered forecasts were not resolved: {error}")
        return
    lines = [resolved_line(entry, resolution) for entry, resolution in found.resolutions] if found is not None else []
    for line in lines:
        say(line)
    post.resolved(lines)
    for entry, reason in found.refused if found is not None else ():
        say(f"{entry.label} cannot be resolved: {reason}")


def _without_numbers(line: str) -> str:
    # "was written 12 s ago" is no news after "was written 2 s ago".
    return re.sub(r"\d+ s ago", "", line)


def _tell(outcome: Outcome) -> None:
    for line in _left_out(outcome):
        say(line)
    for key, reason in outcome.given_up:
        say(f"given up: {key.run} step {key.step}, {key.task}: {reason} (try it again with 'predictor retry')")
    for key in outcome.unscored:
        say(f"without a score: {key.run} step {key.step}, {key.task}; see 'predictor status'")
    for line in failure_lines(outcome.failed):
        say(line)


def failure_lines(failed: Sequence[tuple[PairKey, str]]) -> list[str]:
    """Write one line for each kind of failure; tasks whose data are all missing are one kind, shown by the first."""
    kinds: dict[str, list[tuple[PairKey, str]]] = {}
    for key, reason in failed:
        kinds.setdefault(_UNLOADED.sub("", reason), []).append((key, reason))
    lines = []
    for alike in kinds.values():
        tasks = list(dict.fromkeys(key.task for key, _ in alike))
        several = len({reason for _, reason in alike}) > 1
        of = f" of {len(tasks)} tasks ({', '.join(tasks[:3])}{', …' if len(tasks) > 3 else ''})" if several else ""
        lines.append(f"failed: {len(alike)} pair{'s' if len(alike) > 1 else ''}{of}: {alike[0][1]}")
    return lines


# What a failure says of its own task; what follows is the same for all tasks whose data are not here.
_UNLOADED = re.compile(r"^task \S+ cannot be loaded \(.*\)(?=;)")


def _left_out(outcome: Outcome) -> list[str]:
    """Lines on the checkpoints that were not scored, and on how others were read."""
    return [
        *(f"note: {note}" for note in outcome.notes),
        *(f"left alone: {run} step {step}: {reason}" for run, step, reason in outcome.incomplete),
        *(f"cannot be scored: {run} step {step}: {reason}" for run, step, reason in outcome.broken),
        *(f"without checkpoints: {run}: {reason}" for run, reason in outcome.unmatched),
    ]


def _as_json(outcome: Outcome) -> dict[str, object]:
    def named(key: PairKey, reason: str | None = None) -> dict[str, object]:
        fields = {"run": key.run, "step": key.step, "task": key.task, "identity": key.identity}
        return fields if reason is None else {**fields, "reason": reason}

    return {
        "dry_run": outcome.dry_run,
        "planned": [named(key) for key in outcome.planned],
        "scored": [named(key) for key in outcome.scored],
        "found": [named(key) for key in outcome.found],
        "failed": [named(key, reason) for key, reason in outcome.failed],
        "unscored": [named(key) for key in outcome.unscored],
        "given_up": [named(key, reason) for key, reason in outcome.given_up],
        "incomplete": [{"run": run, "step": step, "reason": reason} for run, step, reason in outcome.incomplete],
        "broken": [{"run": run, "step": step, "reason": reason} for run, step, reason in outcome.broken],
        "without_checkpoints": [{"run": run, "reason": reason} for run, reason in outcome.unmatched],
        "notes": list(outcome.notes),
    }
