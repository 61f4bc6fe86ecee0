"""The tasks that the installed lm-eval has; their data are not looked at."""

from __future__ import annotations

from predictor.errors import UnknownNameError
from predictor.evaluation.suites import Suite
from predictor.evaluation.task_loading import TaskLoader
from predictor.project import Scoring


def installed_tasks() -> list[str]:
    """Return the names of all tasks and groups of the installed lm-eval, sorted."""
    return sorted(TaskLoader(Scoring()).manager(None).task_index)


def missing_tasks(suite: Suite) -> list[UnknownNameError]:
    """Return an error for each task of a suite that neither lm-eval nor the suite's own folders have."""
    loader = TaskLoader(Scoring())
    missing = []
    for entry in suite.tasks.values():
        manager = loader.manager(entry.include_path)
        if entry.task not in manager.task_index:
            missing.append(UnknownNameError("task", entry.task, manager.all_tasks, "lm-eval"))
    return missing
