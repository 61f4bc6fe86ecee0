"""Scoring checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from os import PathLike
from pathlib import Path

from predictor import evaluation
from predictor.api.arguments import Names, Size, as_names, as_optional_size
from predictor.checkpoints.describe import Wanted, project_of
from predictor.checkpoints.scan import scan
from predictor.errors import InputError
from predictor.evaluation import Outcome
from predictor.evaluation.coordinator import Progress
from predictor.project import DEFAULT_CONFIG, Project, load_project


def evaluate(
    project: Project | str | PathLike[str] | None = None,
    *,
    checkpoints: str | PathLike[str] | None = None,
    suite: str | None = None,
    tokens_per_step: Size | None = None,
    online: bool = False,
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
        project: checkpoints.yaml, or what `load_project` returned; the checkpoints.yaml in this folder where None.
        checkpoints: instead of a project: score the runs found below this folder.
        suite: with `checkpoints`: what is scored on; `core` where None.
        tokens_per_step: with `checkpoints`: training tokens of one optimizer step, where no file states them.
        online: fetch data sets from the hub where they are not in its cache.
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
    if checkpoints is None:
        if suite is not None or tokens_per_step is not None:
            raise InputError("suite and tokens_per_step are for checkpoints without a project", "give checkpoints")
        loaded = project if isinstance(project, Project) else load_project(Path(project or DEFAULT_CONFIG))
    elif project is not None:
        raise InputError("a project and a folder of checkpoints are stated", "give one of them")
    else:
        loaded = project_of_folder(checkpoints, suite=suite or "core", tokens_per_step=tokens_per_step)
    if online:
        loaded = loaded.model_copy(update={"offline": False})
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


def project_of_folder(
    folder: str | PathLike[str], *, suite: str = "core", tokens_per_step: Size | None = None
) -> Project:
    """Build a project of the runs below a folder; its store is the folder `store` here.

    Args:
        folder: with checkpoints as `run/step_1000`.
        suite: what is scored on.
        tokens_per_step: training tokens of one optimizer step, where no file states them.

    Raises:
        InputError: no checkpoint is there.
        ConfigError: nothing states the tokens of the checkpoints.
    """
    per_step = as_optional_size(tokens_per_step, "tokens_per_step")
    wanted = Wanted(suite=suite, tokens_per_step=None if per_step is None else round(per_step))
    return project_of(scan(Path(folder)), wanted)
