"""Scoring checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from predictor import evaluation
from predictor.api.arguments import Names, as_names
from predictor.evaluation import Outcome
from predictor.evaluation.coordinator import Progress
from predictor.project import DEFAULT_CONFIG, Project, load_project


def evaluate(
    project: Project | str | PathLike[str] = DEFAULT_CONFIG,
    *,
    store: str | PathLike[str] | None = None,
    runs: Names = (),
    tasks: Names = (),
    limit: int | None = None,
    include_target: bool = False,
    retry_failed: bool = False,
    dry_run: bool = False,
    progress: Progress | None = None,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Score what is missing of a project's checkpoints, and write it into its store.

    Calling it again resumes where it was stopped; what is done is never scored twice.

    Args:
        project: checkpoints.yaml, or what `load_project` returned.
        store: another store than the project's.
        runs: only these runs, whatever their role.
        tasks: only these tasks of the suite.
        limit: score only the first items of each task; such scores are kept apart from those of all items.
        include_target: score the runs of role target, too.
        retry_failed: try pairs again that failed three times.
        dry_run: only name what is missing.
        progress: opened with a title and the number of pairs; gives what is called with a line after each.
        tell: takes lines on what is done before scoring begins.

    Raises:
        ConfigError: the project, its suite or its executor is not as it should be.
        UnknownNameError: a run or task that is not there.
        CheckpointError: no checkpoint can be read.
        StoreError: the store cannot be written to.
    """
    loaded = project if isinstance(project, Project) else load_project(Path(project))
    return evaluation.evaluate(
        loaded,
        store=None if store is None else str(store),
        runs=as_names(runs) or (),
        tasks=as_names(tasks) or (),
        limit=limit,
        roles=("ladder", "target") if include_target else ("ladder",),
        retry_failed=retry_failed,
        dry_run=dry_run,
        progress=progress,
        tell=tell,
    )
