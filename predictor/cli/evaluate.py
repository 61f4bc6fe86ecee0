"""`predictor evaluate`: score what is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from predictor.cli.console import progress, say
from predictor.cli.options import write_json
from predictor.project import DEFAULT_CONFIG

if TYPE_CHECKING:
    from predictor.evaluation import Outcome
    from predictor.results.ledger import PairKey


@click.command()
@click.option("--config", default=DEFAULT_CONFIG, show_default=True, help="The ladder: runs, suite, store, executor.")
@click.option("--once", is_flag=True, help="Score what is missing now, then end. This is what it does without it, too.")
@click.option("--store", help="Another store than that of the configuration.")
@click.option("--run", "runs", multiple=True, help="Only this run; may be given again.")
@click.option("--task", "tasks", multiple=True, help="Only this task of the suite; may be given again.")
@click.option("--limit", type=click.IntRange(min=1), help="Score only the first N items of each task.")
@click.option("--include-target", is_flag=True, help="Score the runs of role target, too.")
@click.option("--retry-failed", is_flag=True, help="Try pairs again that failed three times.")
@click.option("--dry-run", is_flag=True, help="Only say what is missing.")
@click.option("--json", "json_out", metavar="OUT", help="Write what was done as JSON; - is stdout.")
def command(
    config: str,
    once: bool,
    store: str | None,
    runs: tuple[str, ...],
    tasks: tuple[str, ...],
    limit: int | None,
    include_target: bool,
    retry_failed: bool,
    dry_run: bool,
    json_out: str | None,
) -> int:
    """Score the checkpoints that are not scored yet.

    Finds the checkpoints of the ladder, leaves half-written ones alone, scores every missing (checkpoint, task) pair
    with lm-evaluation-harness, and writes scores and items into the store. It can be stopped at any moment: the same
    command goes on, and scores nothing twice. Exits with 1 if a pair failed; 'predictor status' says why.

    \b
    Examples:
      predictor evaluate --once
      predictor evaluate --config cluster.yaml --run 160m --task arc_easy
      predictor evaluate --dry-run --json -
    """
    from predictor.evaluation import evaluate
    from predictor.project import load_project

    outcome = evaluate(
        load_project(config),
        store=store,
        runs=runs,
        tasks=tasks,
        limit=limit,
        roles=("ladder", "target") if include_target else ("ladder",),
        retry_failed=retry_failed,
        dry_run=dry_run,
        progress=progress,
        tell=say,
    )
    for run, step, reason in outcome.incomplete:
        say(f"left alone: {run} step {step}: {reason}")
    for key, reason in outcome.given_up:
        say(f"given up: {key.run} step {key.step}, {key.task}: {reason} (try it with --retry-failed)")
    for reason in dict.fromkeys(reason for _, reason in outcome.failed):
        count = sum(reason == other for _, other in outcome.failed)
        say(f"failed: {count} pair{'s' if count > 1 else ''}: {reason}")
    done = f"{len(outcome.found)} done before"
    if dry_run:
        summary = f"{len(outcome.planned)} pairs missing, {done}"
    else:
        summary = f"{len(outcome.scored)} pairs scored, {done}, {len(outcome.failed)} failed"
    if not (outcome.planned or outcome.found or outcome.failed or outcome.given_up):
        summary += "; no whole checkpoint was found, see 'predictor status'"
    if json_out is None:
        if dry_run:
            for key in outcome.planned:
                click.echo(f"{key.run} step {key.step}, {key.task}")
        click.echo(summary)
    else:
        say(summary)
        write_json(_as_json(outcome), json_out)
    return 1 if outcome.failed else 0


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
        "given_up": [named(key, reason) for key, reason in outcome.given_up],
        "incomplete": [{"run": run, "step": step, "reason": reason} for run, step, reason in outcome.incomplete],
    }
