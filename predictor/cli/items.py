"""`predictor items`: look at single items, as a checkpoint answered them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import COUNT, TaskList, json_option, num_fewshot_option, results_option, write_json
from predictor.cli.project_store import store_of_project
from predictor.errors import PredictorError

if TYPE_CHECKING:
    from predictor.evaluation.prompts import Key, Prompt
    from predictor.evaluation.suites import SuiteTask
    from predictor.project import Scoring
    from predictor.statistics.item_views import Answer, Item, Items


# Other checkpoints of the run that are printed of an item; JSON has all of them.
_HISTORY = 8


@click.command()
@click.argument("task")
@results_option(required=False)
@click.option("--run", required=True, metavar="R", help="The run.")
@click.option("--step", type=COUNT, metavar="S", help="Its checkpoint (default: the newest).")
@click.option("--wrong", is_flag=True, help="Only items that are answered wrong.")
@click.option("--flipped-since", type=COUNT, metavar="STEP", help="Only items that flipped since this step.")
@click.option("--runs", type=TaskList(), metavar="a,b", help="Show the newest answers of these runs too.")
@click.option("--item", "numbers", type=click.IntRange(min=0), multiple=True, metavar="N", help="Only this document.")
@click.option("--family", metavar="F", help="Family of the run, where several have a run of that name.")
@num_fewshot_option
@click.option("--limit", type=click.IntRange(min=1), default=10, show_default=True, help="How many items to show.")
@click.option("--suite", metavar="NAME", help="The suite the task was scored with, from which prompts are made again.")
@click.option("--no-prompts", is_flag=True, help="Do not load the task: show log-likelihoods and grades alone.")
@json_option("Write the items as JSON")
def command(
    task: str,
    results: Path | None,
    run: str,
    step: int | None,
    wrong: bool,
    flipped_since: int | None,
    runs: tuple[str, ...] | None,
    numbers: tuple[int, ...],
    family: str | None,
    num_fewshot: int | None,
    limit: int,
    suite: str | None,
    no_prompts: bool,
    json_path: str | None,
) -> None:
    """Show items of TASK with prompt, choices, log-likelihoods and answers, across checkpoints and runs.

    A store keeps log-likelihoods and grades, not texts: prompts are made again from the task, where it can be loaded
    here. The suite is that of --suite, of the checkpoints.yaml in this folder, or the shipped one that has the task.

    \b
    Examples:
      predictor items arc_easy --results store/ --run 1b --wrong --limit 3
      predictor items arc_easy --results store/ --run 1b --step 56000 --flipped-since 28000 --runs 3b
      predictor items mmlu --results store/ --run 1b --item 12 --no-prompts --json -
    """
    from predictor.results import read_results
    from predictor.statistics.item_views import Asked, look_at_items
    from predictor.statistics.sides import ROLES

    found = look_at_items(
        read_results(results or store_of_project(), ROLES),
        task,
        run,
        step,
        runs=runs or (),
        family=family,
        asked=Asked(wrong, flipped_since, numbers, num_fewshot, limit=limit),
    )
    prompts, why = ({}, "as --no-prompts asks") if no_prompts else _prompts(found, suite)
    if json_path is not None:
        write_json(_as_json(found, prompts, why), json_path)
    if json_path != "-":
        _print(found, prompts)
        if why and found.items and not no_prompts:
            click.echo(f"note: prompts are not shown: {why}", err=True)


def _prompts(found: Items, suite: str | None) -> tuple[dict[Key, Prompt], str]:
    """Make the prompts again; where the task cannot be loaded none, with the reason."""
    if not found.items:
        return {}, ""
    try:
        entry, scoring = _entry(found, suite)
        from predictor.evaluation.prompts import read_prompts

        return read_prompts(entry, scoring, {(item.subtask, item.doc_id): item.doc_hash for item in found.items}), ""
    except PredictorError as error:
        return {}, str(error)


def _entry(found: Items, suite: str | None) -> tuple[SuiteTask, Scoring]:
    """Find the task in the suite that is named, in the project's, or in a shipped one.

    Raises:
        PredictorError: none has it.
    """
    from dataclasses import replace

    from predictor.errors import UnknownNameError
    from predictor.evaluation.suites import known_tasks, load_suite
    from predictor.project import DEFAULT_CONFIG, Scoring, load_project

    scoring, tasks = Scoring(), known_tasks()
    if suite is not None:
        tasks = load_suite(suite).tasks
    elif Path(DEFAULT_CONFIG).exists():
        project = load_project(Path(DEFAULT_CONFIG))
        scoring, tasks = project.scoring, {**tasks, **load_suite(project.suite, project.root).tasks}
    if found.task not in tasks:
        raise UnknownNameError("task", found.task, tasks, f"suite {suite}" if suite else "the shipped suites")
    entry = tasks[found.task]
    return (entry if found.num_fewshot is None else replace(entry, num_fewshot=found.num_fewshot)), scoring


def _as_json(found: Items, prompts: dict[Key, Prompt], why: str) -> dict:
    from dataclasses import asdict

    answer = found.to_json()
    for item in answer["items"]:
        prompt = prompts.get((item["subtask"], item["doc_id"]))
        item["prompt"] = None if prompt is None else asdict(prompt)
    return {**answer, "prompts_missing": why or None}


def _print(found: Items, prompts: dict[Key, Prompt]) -> None:
    place = f"{found.run}@{found.step}" if found.step is not None else f"{found.run} at {found.tokens:,} tokens"
    shown = f"; the first {len(found.items)} are shown" if len(found.items) < found.matching else ""
    click.echo(f"{found.label}, {place}: {found.matching} of {found.total} items{shown}")
    for item in found.items:
        click.echo()
        _print_item(item, prompts.get((item.subtask, item.doc_id)))


def _print_item(item: Item, prompt: Prompt | None) -> None:
    click.echo(f"{item.subtask or 'item'} {item.doc_id}: {_grade(item.answer)}")
    if prompt is not None:
        if prompt.changed:
            click.echo("  the document is another one now than that which was scored")
        click.echo("\n".join(f"  | {line}" for line in prompt.text.splitlines()))
    values = item.answer.log_likelihoods
    chosen = max(range(len(values)), key=lambda number: values[number]) if len(values) > 1 else None
    for number, value in enumerate(values):
        known = prompt is not None and number < len(prompt.answers)
        text = f" {prompt.answers[number]!r}" if prompt is not None and known else ""
        marks = [name for name, holds in (("right", number == item.gold), ("likeliest", number == chosen)) if holds]
        click.echo(f"  {number}: {value:9.3f} nats {', '.join(marks):16}{text}".rstrip())
    if prompt is not None and not prompt.answers and prompt.reference:
        click.echo(f"  reference: {prompt.reference!r}")
    for answer in _some(item):
        click.echo(f"  {answer.run}@{answer.step if answer.step is not None else answer.tokens}: {_line(answer, item)}")


def _some(item: Item) -> list[Answer]:
    """Choose at most eight of the run's other checkpoints, evenly, and all other runs."""
    own = [answer for answer in item.others if answer.run == item.answer.run]
    others = [answer for answer in item.others if answer.run != item.answer.run]
    step = (len(own) - 1) / (_HISTORY - 1)
    chosen = own if len(own) <= _HISTORY else [own[round(step * place)] for place in range(_HISTORY)]
    return [*chosen, *others]


def _grade(answer: Answer) -> str:
    if math.isnan(answer.correct):
        return "not graded"
    return {1.0: "right", 0.0: "wrong"}.get(answer.correct, f"{answer.correct:.2f} right")


def _line(answer: Answer, item: Item) -> str:
    parts = [_grade(answer)]
    if not math.isnan(answer.probability):
        parts.append(f"probability of the right choice {answer.probability:.3f}")
    elif item.gold is not None and item.gold < len(answer.log_likelihoods):
        parts.append(f"{answer.log_likelihoods[item.gold]:.3f} nats")
    return ", ".join(parts)
