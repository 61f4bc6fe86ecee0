"""Write a checkpoints.yaml for the runs that a scan found, with a comment on each key and on what is not known."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.checkpoints.scan import FoundRun, Scan
from predictor.errors import ConfigError
from predictor.project import Project, parse_project
from predictor.quantity import format_quantity

SCHEMA_LINE = "# yaml-language-server: $schema="
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-/")


@dataclass(frozen=True)
class Wanted:
    """What the user states of a project.

    Attributes:
        suite: what is scored on.
        family: name of the family of all runs.
        store: where scores are kept.
        tokens_per_step: training tokens of one step, for runs whose files do not say it.
        online: whether data may be fetched from the hub.
    """

    suite: str = "core"
    family: str = "base"
    store: str = "store"
    tokens_per_step: int | None = None
    online: bool = False


def project_of(found: Scan, wanted: Wanted) -> Project:
    """Build the project of the runs that were found, without a file.

    Raises:
        ConfigError: nothing says how many tokens the checkpoints of a run have seen.
    """
    lacking = unknown_tokens(found, wanted)
    if lacking:
        raise ConfigError(
            f"{found.root}: nothing states the training tokens of {_listed(lacking)}",
            "give --tokens-per-step, or name the folders as step1000-tokens4B",
        )
    return parse_project(_values(found, wanted), Path())


def unknown_tokens(found: Scan, wanted: Wanted) -> list[str]:
    """Name the runs of which nothing says how many tokens their checkpoints have seen."""
    return [run.name for run in found.runs if run.lacks_tokens and wanted.tokens_per_step is None]


def describe(found: Scan, wanted: Wanted, folder: Path) -> str:
    """Return the text of a checkpoints.yaml.

    Args:
        found: the runs.
        wanted: what the user states.
        folder: where the file will lie; paths of checkpoints are written relative to it where they lie below it.
    """
    values = _values(found, wanted, folder)
    family = values["families"][wanted.family]
    lines = [
        "# Written by 'predictor init': check it, then run 'predictor evaluate'. docs/config.md explains every key.",
        "",
        f"suite: {_text(wanted.suite)}   # tiny, core, generation, or the path of a suite file",
        f"store: {_text(wanted.store)}   # scores, items and the ledger",
        "",
        "# Runs of a family share architecture, data recipe and hyper-parameter rule: one law is fitted over them.",
        "families:",
        f"  {_text(wanted.family)}:" + ("" if family else " {}"),
        *(f"    {key}: {_text(value)}" for key, value in family.items()),
        "",
        "# Parameters are counted from the weights, embeddings included.",
        "runs:",
        *(line for run in found.runs for line in _run_lines(run, values["runs"][run.name], wanted)),
        "",
        "# The model to forecast: forecast, query, report and compare take it from here.",
        f"# target: {{family: {_text(wanted.family)}, params: 7B, tokens: 300B}}",
        "",
        "executor: {kind: local, workers: 1}   # local, ray or slurm; docs/cluster.md",
        f"offline: {'false' if wanted.online else 'true'}   # false fetches data sets from the hub; "
        "'predictor prefetch' fetches them once",
    ]
    return "\n".join(lines) + "\n"


def _run_lines(run: FoundRun, values: dict[str, Any], wanted: Wanted) -> list[str]:
    known = ", ".join(run.training.sources)
    comment = (
        f"{len(run.steps)} checkpoint{'' if len(run.steps) == 1 else 's'}, steps {run.steps[0]} to {run.steps[-1]}"
    )
    lines = [f"  {_text(run.name)}:   # {comment}{f'; {known}' if known else ''}"]
    lines += [f"    {key}: {_text(value)}{_size(key, value)}" for key, value in values.items()]
    if run.lacks_tokens and wanted.tokens_per_step is None:
        lines.append("    # tokens_per_step: 4M   # not found: state the training tokens of one optimizer step")
    if run.training.schedule_end is None:
        lines.append(
            "    # schedule_end: 100k   # not found: the step at which the learning rate has decayed, if it does"
        )
    return lines


def _values(found: Scan, wanted: Wanted, folder: Path | None = None) -> dict[str, Any]:
    """Return the values of the file; keys that all runs share stand in the family."""
    before = _prefix(found.root, folder)
    shared = {run.template for run in found.runs}
    together = len(shared) == 1 and ("{run}" in next(iter(shared)) or len(found.runs) == 1)
    family: dict[str, Any] = {"checkpoints": before + next(iter(shared))} if together else {}
    runs: dict[str, dict[str, Any]] = {}
    for run in found.runs:
        values: dict[str, Any] = {"family": wanted.family}
        values |= {} if together else {"checkpoints": before + run.pattern}
        for key in ("params", "params_non_embedding"):
            if (count := getattr(run.model, key)) is not None:
                values[key] = count
        values |= _tokens_of(run, wanted)
        if run.training.schedule_end is not None:
            values["schedule_end"] = run.training.schedule_end
        runs[run.name] = values
    _lift(family, list(runs.values()))
    project = {"suite": wanted.suite, "store": wanted.store, "families": {wanted.family: family}, "runs": runs}
    return {**project, "offline": not wanted.online}


def _tokens_of(run: FoundRun, wanted: Wanted) -> dict[str, Any]:
    """Return where a run's tokens stand: what was stated, then names, then counts, then tokens of a step."""
    if wanted.tokens_per_step is not None:
        return {"tokens_per_step": wanted.tokens_per_step, "tokens_from": "step"}
    if run.in_name:
        return {"tokens_from": "name"}
    if run.training.counted:
        return {"tokens_from": "trainer_state"}
    return {} if run.training.tokens_per_step is None else {"tokens_per_step": run.training.tokens_per_step}


def _lift(family: dict[str, Any], runs: Sequence[dict[str, Any]]) -> None:
    """Move the keys on which all runs agree into the family."""
    for key in ("tokens_per_step", "tokens_from", "schedule_end"):
        values = {run.get(key) for run in runs}
        if len(values) == 1 and None not in values:
            family[key] = values.pop()
            for run in runs:
                del run[key]


def _prefix(root: Path, folder: Path | None) -> str:
    if folder is None:
        return f"{root.resolve().as_posix()}/"
    try:
        inner = root.resolve().relative_to(folder.resolve()).as_posix()
    except ValueError:
        return f"{root.resolve().as_posix()}/"
    return "" if inner == "." else f"{inner}/"


def _size(key: str, value: Any) -> str:
    return f"   # {format_quantity(value)}" if key.startswith("params") else ""


def _text(value: Any) -> str:
    """Write a value so that YAML reads it as it is: names as `007` or `on` stay text."""
    if not isinstance(value, str):
        return json.dumps(value)
    plain = value and set(value) <= _PLAIN and value[0].isalpha() and value.lower() not in _WORDS
    return value if plain else json.dumps(value, ensure_ascii=False)


_WORDS = frozenset({"yes", "no", "on", "off", "true", "false", "null", "y", "n"})


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:3])
    return shown if len(names) <= 3 else f"{shown} and {len(names) - 3} more runs"
