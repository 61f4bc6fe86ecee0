"""Find the checkpoints that checkpoints.yaml speaks of."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from predictor.checkpoints.integrity import why_incomplete
from predictor.errors import CheckpointError, UnknownNameError
from predictor.project import Project


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint on disk.

    Attributes:
        family: its run's family.
        run: its run.
        role: `ladder` or `target`.
        params: trainable parameters, embeddings included.
        params_non_embedding: the same without embeddings, or None.
        step: optimizer step.
        tokens: training tokens seen, step times tokens per step.
        tokens_planned: tokens at which the learning-rate schedule ends, or None.
        path: its folder.
        incomplete: why it cannot be scored yet, or None if it is whole.
    """

    family: str
    run: str
    role: str
    params: int
    params_non_embedding: int | None
    step: int
    tokens: int
    tokens_planned: int | None
    path: Path
    incomplete: str | None


def find_checkpoints(
    project: Project, runs: Sequence[str] = (), roles: Sequence[str] = ("ladder",)
) -> list[Checkpoint]:
    """Find all checkpoints of a project's runs, whole or not, by run and step.

    Args:
        project: the runs and where their checkpoints are.
        runs: only these runs, whatever their role; all of `roles` when empty.
        roles: only runs of these roles.

    Raises:
        UnknownNameError: a run that the project does not have.
        CheckpointError: two folders of a run have the same step.
    """
    for name in runs:
        if name not in project.runs:
            raise UnknownNameError("run", name, project.runs)
    wanted = runs or [name for name, run in project.runs.items() if run.role in roles]
    found: list[Checkpoint] = []
    for name in dict.fromkeys(wanted):
        run = project.runs[name]
        for step, path in _folders(project.checkpoints_of(name), name):
            found.append(
                Checkpoint(
                    family=run.family,
                    run=name,
                    role=run.role,
                    params=run.params,
                    params_non_embedding=run.params_non_embedding,
                    step=step,
                    tokens=step * project.tokens_per_step_of(name),
                    tokens_planned=project.tokens_planned_of(name),
                    path=path,
                    incomplete=why_incomplete(path, project.settle_seconds),
                )
            )
    return found


def _folders(pattern: Path, run: str) -> list[tuple[int, Path]]:
    """List the folders that match a pattern such as `runs/a/step_{step}/hf`, by step."""
    parts = pattern.parts
    first = next(index for index, part in enumerate(parts) if "{step}" in part)
    before, marked, after = Path(*parts[:first]), parts[first], parts[first + 1 :]
    name = re.compile(re.escape(marked).replace(re.escape("{step}"), r"(\d+)", 1))
    steps: dict[int, Path] = {}
    try:
        entries = sorted(before.iterdir()) if before.is_dir() else []
    except PermissionError:
        raise CheckpointError(
            f"the checkpoints of run {run} in {before} may not be read", "check the permissions"
        ) from None
    for entry in entries:
        match = name.fullmatch(entry.name)
        folder = entry.joinpath(*after)
        if match is None or not folder.is_dir():
            continue
        step = int(match[1])
        if step in steps:
            raise CheckpointError(
                f"run {run} has two checkpoints of step {step}: {steps[step]} and {folder}", "move one of them away"
            )
        steps[step] = folder
    return sorted(steps.items())
