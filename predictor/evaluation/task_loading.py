"""A suite's tasks as lm-eval objects, each with its protocol, and kept ready for one checkpoint after the other."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.errors import EvaluationError, UnknownNameError, first_line
from predictor.evaluation.identity import (
    Protocol,
    backend_of,
    beside_of,
    folder_files,
    seeds_of,
    selection_of,
    sha256_of_json,
    versions,
)
from predictor.evaluation.suites import SuiteTask
from predictor.project import Scoring

# Of a data set from which only few-shot examples are drawn, this many documents enter the protocol.
_FEWSHOT_DOCUMENTS = 10_000
# Of a task's configuration: where the data lies, which differs by machine (its content is hashed instead), and names.
_NOT_THE_PROMPT = ("dataset_path", "dataset_name", "dataset_kwargs", "metadata", "tag", "task_alias", "custom_dataset")


@dataclass(frozen=True)
class LoadedTask:
    """A suite's task as lm-eval objects.

    Attributes:
        entry: what the suite says of it.
        tasks: lm-eval's task by name; several if the entry names a group.
        groups: the group and its sub-groups by name; empty for a single task.
        num_fewshot: examples in the prompt.
        protocol: all that its scores depend on beside the checkpoint.
    """

    entry: SuiteTask
    tasks: dict[str, Any]
    groups: dict[str, Any]
    num_fewshot: int
    protocol: Protocol

    def n_items(self, scoring: Scoring) -> int:
        """Number of items that are scored."""
        selection = selection_of(self.entry, scoring)
        if "items" in selection:
            return len(selection["items"])
        most = selection.get("limit")
        sizes = [len(task.eval_docs) for task in self.tasks.values()]
        return sum(sizes if most is None else [min(size, most) for size in sizes])


class TaskLoader:
    """Loads tasks of lm-eval as a suite wants them.

    Args:
        scoring: how to score.
    """

    def __init__(self, scoring: Scoring) -> None:
        self._scoring = scoring
        self._managers: dict[Path | None, Any] = {}

    def load(self, entry: SuiteTask) -> LoadedTask:
        """Load a task's definition and data.

        Raises:
            UnknownNameError: lm-eval has no task of that name.
            EvaluationError: its data or code cannot be loaded, or it does not allow what the suite asks for.
        """
        manager = self.manager(entry.include_path)
        if entry.task not in manager.task_index:
            place = f"lm-eval and {entry.include_path}" if entry.include_path else "lm-eval"
            raise UnknownNameError("task", entry.task, manager.all_tasks, place)
        try:
            if entry.data is None:
                loaded = manager.load([entry.task])
                groups = loaded["groups"]
            else:
                files = {split: str(path.resolve()) for split, path in entry.data}
                local = {"dataset_path": "json", "dataset_name": None, "dataset_kwargs": {"data_files": files}}
                # A group is lm-eval's way to load a task of its own with another source of data.
                loaded = manager.load([{"group": "predictor_local", "task": [{"task": entry.task, **local}]}])
                groups = {}
        except Exception as error:
            # Whatever a task's own code or a data set raises is this task's failure, not the run's.
            raise EvaluationError(
                f"task {entry.task} cannot be loaded ({first_line(error)})",
                "fetch its data with 'predictor prefetch' or `offline: false` (--online), or name them in the suite",
            ) from None
        tasks = loaded["tasks"]
        for task in tasks.values():
            _set_fewshot(task, entry)
        shots = {int(task.get_config("num_fewshot")) for task in tasks.values()}
        if len(shots) > 1:
            raise EvaluationError(
                f"the tasks of {entry.task} differ in num_fewshot {sorted(shots)}", "give num_fewshot"
            )
        if len(tasks) > 1 and entry.items is not None:
            raise EvaluationError(f"{entry.task} is a group of tasks", "`items` can be given for a single task only")
        return LoadedTask(entry, tasks, groups, shots.pop(), self._protocol(entry, tasks, groups))

    def manager(self, include_path: Path | None) -> Any:
        """The index of tasks: those that lm-eval ships where None, else those of a folder alone."""
        if include_path not in self._managers:
            from lm_eval.tasks import TaskManager

            self._managers[include_path] = (
                _shipped_tasks()
                if include_path is None
                else TaskManager(include_path=str(include_path.resolve()), include_defaults=False)
            )
        return self._managers[include_path]

    def _protocol(self, entry: SuiteTask, tasks: dict[str, Any], groups: dict[str, Any]) -> Protocol:
        prompts = {name: _prompt_of(task) for name, task in tasks.items()}
        documents = {name: _documents_of(task) for name, task in tasks.items()}
        stated = {name: str(task.VERSION) for name, task in tasks.items()}
        stated |= {name: str(group.version) for name, group in groups.items()}
        code = folder_files(entry.include_path, "*.py") if entry.include_path else {}
        return Protocol(
            {
                "task": entry.task,
                "task_version": stated.get(entry.task, ""),
                "versions": sha256_of_json(stated),
                "num_fewshot": max(int(task.get_config("num_fewshot")) for task in tasks.values()),
                "prompt": sha256_of_json([prompts, code]),
                "documents": sha256_of_json(documents),
                "selection": selection_of(entry, self._scoring),
                "filter": entry.filter,
                "backend": backend_of(entry, self._scoring),
                "dtype": self._scoring.dtype,
                "lm_eval": versions()["lm_eval"],
                "seeds": list(seeds_of(self._scoring)),
                **beside_of(entry),
            }
        )


def _set_fewshot(task: Any, entry: SuiteTask) -> None:
    own = task.get_config("num_fewshot")
    if entry.num_fewshot is None:
        if own is None:
            task.set_config(key="num_fewshot", value=0)
    elif own == 0 and entry.num_fewshot != 0:
        # lm-eval would keep the 0 and say so in a log only.
        raise EvaluationError(f"task {entry.task} fixes num_fewshot at 0", "set num_fewshot: 0 in the suite")
    else:
        task.set_config(key="num_fewshot", value=entry.num_fewshot)


@functools.cache
def _shipped_tasks() -> Any:
    """The index of the thousands of task files that lm-eval ships: it takes seconds, once a process, where needed."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


def keep_ready(task: Any) -> None:
    """Have a task build its requests and read its documents once, and hand out the same when it is asked again.

    Requests come without their answers, and documents as copies, as a task's own code may write into them.
    """
    if hasattr(task, "predictor_requests"):
        return
    task.predictor_requests, task.predictor_documents = {}, {}
    build, read = task.build_all_requests, task.doc_iterator

    def build_once(**asked: Any) -> None:
        key = json.dumps(asked, sort_keys=True, default=str)
        if key not in task.predictor_requests:
            build(**asked)
            task.predictor_requests = {key: task._instances}
        for request in task.predictor_requests[key]:
            request.resps, request.filtered_resps = [], {}
        task._instances = task.predictor_requests[key]

    def read_once(**asked: Any) -> Iterator[tuple[int, Any]]:
        key = json.dumps(asked, sort_keys=True, default=str)
        if key not in task.predictor_documents:
            task.predictor_documents = {key: list(read(**asked))}
        return ((number, copy.deepcopy(document)) for number, document in task.predictor_documents[key])

    task.build_all_requests, task.doc_iterator = build_once, read_once


def _prompt_of(task: Any) -> Any:
    config = task.dump_config()
    kept = {key: value for key, value in config.items() if key not in _NOT_THE_PROMPT}
    # Functions whose source cannot be read are shown with their address, which differs by process.
    text = re.sub(r" at 0x[0-9a-fA-F]+", "", json.dumps(kept, sort_keys=True, default=str))
    return json.loads(text)


def _documents_of(task: Any) -> str:
    digest = hashlib.sha256()
    _hash_documents(digest, task.eval_docs, None)
    if int(task.get_config("num_fewshot")):
        digest.update(b"few-shot")
        _hash_documents(digest, task.fewshot_docs(), _FEWSHOT_DOCUMENTS)
    return digest.hexdigest()


def _hash_documents(digest: Any, documents: Any, most: int | None) -> None:
    documents = list(documents) if most is None else [doc for doc, _ in zip(documents, range(most), strict=False)]
    digest.update(str(len(documents)).encode())
    for document in documents:
        digest.update(json.dumps(document, sort_keys=True, default=str, ensure_ascii=False).encode())
