"""The prompts of items that were scored, made again from the task; nothing is scored."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from predictor.evaluation.identity import seeds_of, selection_of
from predictor.evaluation.quiet import quiet
from predictor.evaluation.suites import SuiteTask
from predictor.evaluation.surroundings import take_process
from predictor.evaluation.task_loading import TaskLoader
from predictor.project import Scoring

Key = tuple[str, int]


@dataclass(frozen=True)
class Prompt:
    """What a model was asked.

    Attributes:
        text: the prompt, few-shot examples included.
        answers: the continuations that were scored; of generation tasks none.
        reference: the answer that the task states.
        changed: whether the document is another one than that which was scored.
    """

    text: str
    answers: tuple[str, ...]
    reference: str
    changed: bool


def read_prompts(entry: SuiteTask, scoring: Scoring, wanted: Mapping[Key, str | None]) -> dict[Key, Prompt]:
    """Build the prompts of some items of a task again.

    All requests of the task are built, in the order in which they were scored, as few-shot examples are drawn by turns.

    Args:
        entry: the task as its suite has it.
        scoring: how it was scored.
        wanted: (sub-task, number of the document) -> the document's hash as it was scored, None where it is not known.

    Raises:
        PredictorError: the task or its data cannot be loaded here.
    """
    take_process(offline=True)
    import numpy as np

    seeds = seeds_of(scoring)
    random.seed(seeds[0])
    np.random.seed(seeds[1])  # noqa: NPY002 - lm-eval's tasks draw from numpy's global generator
    selection = selection_of(entry, scoring)
    found: dict[Key, Prompt] = {}
    with quiet(None):
        loaded = TaskLoader(scoring).load(entry)
        for name, task in loaded.tasks.items():
            if name not in {subtask for subtask, _ in wanted}:
                continue
            task.set_fewshot_seed(seed=seeds[3])
            items = selection.get("items")
            task.build_all_requests(limit=selection.get("limit"), samples=items, rank=0, world_size=1)
            for key, requests in _by_item(task, name, items).items():
                if key in wanted:
                    found[key] = _prompt(task, requests, wanted[key])
    return found


def _by_item(task: Any, name: str, items: list[int] | None) -> dict[Key, list[Any]]:
    """Sort the requests of a task by the document they are about; a list of items counts within itself."""
    found: dict[Key, list[Any]] = {}
    for request in task.instances:
        number = request.doc_id if items is None else items[request.doc_id]
        found.setdefault((name, int(number)), []).append(request)
    return found


def _prompt(task: Any, requests: list[Any], digest: str | None) -> Prompt:
    first = sorted(requests, key=lambda request: request.idx)
    arguments = [request.args for request in first]
    is_choice = first[0].request_type == "loglikelihood"
    answers = tuple(dict.fromkeys(str(pair[1]) for pair in arguments)) if is_choice else ()
    document = first[0].doc
    changed = digest is not None and digest != _hash(document)
    return Prompt(str(arguments[0][0]), answers, _reference(task, document), changed)


def _reference(task: Any, document: Any) -> str:
    try:
        return str(task.doc_to_target(document))
    except Exception:
        # A task's own code may fail on a document that needs no target, as a text of a held-out loss.
        return ""


def _hash(document: Any) -> str:
    """Hash a document as lm-eval does in its samples."""
    from lm_eval.utils import handle_non_serializable, hash_string

    text = json.dumps(document, indent=2, default=handle_non_serializable, ensure_ascii=False)
    return str(hash_string(text))
