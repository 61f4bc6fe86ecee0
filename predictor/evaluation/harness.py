"""The border to lm-eval: its tasks, its models, its evaluation loop. Scores leave here as lm-eval computed them.

`lm_eval.evaluate` is called and not `simple_evaluate`: they compute the same, but the latter also describes the machine
after every task (it runs pip), which takes longer than scoring a small model.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import logging
import os
import random
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.checkpoints.integrity import TOKENIZER_FILES
from predictor.errors import CheckpointError, EvaluationError, PredictorError, UnknownNameError
from predictor.evaluation.identity import (
    Protocol,
    backend_of,
    folder_files,
    seeds_of,
    selection_of,
    sha256_of_json,
)
from predictor.evaluation.suites import SuiteTask
from predictor.project import Scoring

# Of a data set from which only few-shot examples are drawn, this many documents enter the protocol.
_FEWSHOT_DOCUMENTS = 10_000
_MEMO_CHARACTERS = 20_000_000
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


class Harness:
    """lm-eval with its tasks kept loaded from one checkpoint to the next.

    Args:
        scoring: how to score.
        offline: never look anything up on the hub.
        log: file that takes the warnings and the printing of lm-eval and transformers.
    """

    def __init__(self, scoring: Scoring, *, offline: bool = True, log: Path | None = None) -> None:
        self.scoring = scoring
        self.log = log
        _set_environment(offline, scoring.allow_code_execution)
        self._managers: dict[Path | None, Any] = {}
        self._loaded: dict[SuiteTask, LoadedTask] = {}
        self._encodings: dict[str, dict[Any, list[int]]] = {}
        # By backend: the model that was loaded last, with what must be asked for again to go on with its module.
        self._models: dict[str, tuple[Any, dict[str, bool]]] = {}
        self._trees: Any = None
        with self.quiet():
            import lm_eval.utils

            # lm-eval compiles the same few prompt templates anew for every item.
            compile_template = lm_eval.utils.env.from_string
            if not hasattr(compile_template, "cache_info"):
                lm_eval.utils.env.from_string = functools.lru_cache(maxsize=1024)(compile_template)

    @contextlib.contextmanager
    def quiet(self) -> Iterator[None]:
        """Send what other packages print and warn of to the log, or nowhere."""
        with contextlib.ExitStack() as stack:
            target = stack.enter_context(Path(self.log or os.devnull).open("a", encoding="utf-8"))
            handler = logging.StreamHandler(target)
            handler.setLevel(logging.WARNING)
            handler.setFormatter(logging.Formatter("%(asctime)s %(name)s: %(message)s"))
            stack.callback(_give_to(handler, ("lm_eval", "transformers", "datasets", "accelerate", "py.warnings")))
            stack.enter_context(contextlib.redirect_stdout(target))
            stack.enter_context(contextlib.redirect_stderr(target))
            stack.enter_context(warnings.catch_warnings())
            warnings.simplefilter("default")
            logging.captureWarnings(True)
            stack.callback(logging.captureWarnings, False)
            yield

    # -- tasks --------------------------------------------------------------------------------------------------------

    def load_task(self, entry: SuiteTask) -> LoadedTask:
        """Load a task's definition and data, once.

        Raises:
            UnknownNameError: lm-eval has no task of that name.
            EvaluationError: its data or code cannot be loaded, or it does not allow what the suite asks for.
        """
        if entry not in self._loaded:
            with self.quiet():
                self._loaded[entry] = self._load_task(entry)
        return self._loaded[entry]

    def _load_task(self, entry: SuiteTask) -> LoadedTask:
        manager = self._manager(entry.include_path)
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
                f"task {entry.task} cannot be loaded ({_first_line(error)})",
                "offline, its data must be in the Hugging Face cache or given by `data:` in the suite",
            ) from None
        tasks = loaded["tasks"]
        for task in tasks.values():
            self._set_fewshot(task, entry)
        shots = {int(task.get_config("num_fewshot")) for task in tasks.values()}
        if len(shots) > 1:
            raise EvaluationError(
                f"the tasks of {entry.task} differ in num_fewshot {sorted(shots)}", "give num_fewshot"
            )
        if len(tasks) > 1 and entry.items is not None:
            raise EvaluationError(f"{entry.task} is a group of tasks", "`items` can be given for a single task only")
        return LoadedTask(entry, tasks, groups, shots.pop(), self._protocol(entry, tasks, groups))

    def _set_fewshot(self, task: Any, entry: SuiteTask) -> None:
        own = task.get_config("num_fewshot")
        if entry.num_fewshot is None:
            if own is None:
                task.set_config(key="num_fewshot", value=0)
        elif own == 0 and entry.num_fewshot != 0:
            # lm-eval would keep the 0 and say so in a log only.
            raise EvaluationError(f"task {entry.task} fixes num_fewshot at 0", "set num_fewshot: 0 in the suite")
        else:
            task.set_config(key="num_fewshot", value=entry.num_fewshot)

    def _manager(self, include_path: Path | None) -> Any:
        if include_path not in self._managers:
            from lm_eval.tasks import TaskManager

            self._managers[include_path] = (
                _shipped_tasks()
                if include_path is None
                else TaskManager(include_path=str(include_path.resolve()), include_defaults=False)
            )
        return self._managers[include_path]

    def _protocol(self, entry: SuiteTask, tasks: dict[str, Any], groups: dict[str, Any]) -> Protocol:
        import lm_eval

        prompts = {name: _prompt_of(task) for name, task in tasks.items()}
        documents = {name: _documents_of(task) for name, task in tasks.items()}
        versions = {name: str(task.VERSION) for name, task in tasks.items()}
        versions |= {name: str(group.version) for name, group in groups.items()}
        code = folder_files(entry.include_path, "*.py") if entry.include_path else {}
        return Protocol(
            {
                "task": entry.task,
                "task_version": versions.get(entry.task, ""),
                "versions": sha256_of_json(versions),
                "num_fewshot": max(int(task.get_config("num_fewshot")) for task in tasks.values()),
                "prompt": sha256_of_json([prompts, code]),
                "documents": sha256_of_json(documents),
                "selection": selection_of(entry, self.scoring),
                "filter": entry.filter,
                "backend": backend_of(entry, self.scoring),
                "dtype": self.scoring.dtype,
                "lm_eval": lm_eval.__version__,
                "seeds": list(seeds_of(self.scoring)),
            }
        )

    # -- models -------------------------------------------------------------------------------------------------------

    def load_model(
        self, folder: Path, backend: str | None = None, *, trust_remote_code: bool = False, spread: bool = False
    ) -> Any:
        """Load a checkpoint as an lm-eval model.

        A checkpoint that differs from the last one in its weights alone takes that one's place in the same module.

        Args:
            folder: the checkpoint.
            backend: `tree`, `hf` or `vllm`; that of the configuration where None.
            trust_remote_code: run Python code that lies in its folder.
            spread: divide its layers among all GPUs that are visible (`device_map="auto"`).

        Raises:
            CheckpointError: it cannot be loaded.
            EvaluationError: the backend is not installed.
        """
        backend = backend or self.scoring.backend
        with self.quiet():
            from predictor.evaluation.model import load_model
            from predictor.evaluation.scoring.cache import TreeCache

            self._trees = self._trees or TreeCache()
            try:
                asked = {"trust_remote_code": trust_remote_code, "spread": spread}
                last = self._last(backend, asked)
                # Where the files of this checkpoint are damaged, the module is left for the next one.
                if last is None or not last.load_weights(folder):
                    # Let go before the next one is loaded, so that both need not fit.
                    self._models.pop(backend, None)
                    last = None
                    last = load_model(
                        folder,
                        backend,
                        self.scoring,
                        self._trees,
                        **asked,
                    )
            except PredictorError:
                raise
            except Exception as error:
                raise CheckpointError(f"the checkpoint {folder} cannot be loaded ({_first_line(error)})") from None
            if hasattr(last, "remember_in"):
                # The checkpoints of a ladder share their tokenizer, so what it made of a prompt is kept.
                last.remember_in(self._encodings.setdefault(_tokenizer_digest(folder), {}), _MEMO_CHARACTERS)
            self._models[backend] = (last, asked)
            return last

    def _last(self, backend: str, asked: dict[str, bool]) -> Any:
        """The model that was loaded last, if its module can take the weights of one for which this is asked."""
        last, had = self._models.get(backend, (None, {}))
        return last if had == asked and not asked["spread"] and hasattr(last, "load_weights") else None

    def read_ahead(self, folder: Path, backend: str, *, trust_remote_code: bool = False, spread: bool = False) -> None:
        """Begin to read the checkpoint that is loaded next in the background, where it will go into the same module.

        It raises nothing: whatever is wrong with that checkpoint is said when it is loaded.
        """
        last = self._last(backend, {"trust_remote_code": trust_remote_code, "spread": spread})
        if last is not None:
            last.read_ahead(folder)

    def drop_ahead(self) -> bool:
        """Let go of what was read ahead, to free its memory; whether there was anything."""
        dropped = [model.drop_ahead() for model, _ in self._models.values() if hasattr(model, "drop_ahead")]
        return any(dropped)

    def forget_models(self) -> None:
        """Let go of the models that were loaded, and of what was read ahead for them."""
        self.drop_ahead()
        self._models.clear()

    def run(self, model: Any, loaded: LoadedTask) -> dict[str, Any]:
        """Score a model on a task; lm-eval's result with its samples.

        Raises:
            EvaluationError: lm-eval or the task's code raised an error.
        """
        import lm_eval
        import numpy as np
        import torch

        selection = selection_of(loaded.entry, self.scoring)
        seeds = seeds_of(self.scoring)
        random.seed(seeds[0])
        np.random.seed(seeds[1])  # noqa: NPY002 - lm-eval's tasks draw from numpy's global generator
        torch.manual_seed(seeds[2])
        for task in loaded.tasks.values():
            task.set_fewshot_seed(seed=seeds[3])
            _remember_requests(task)
        try:
            with self.quiet():
                result: dict[str, Any] = lm_eval.evaluate(
                    model,
                    {"tasks": loaded.tasks, "groups": loaded.groups},
                    limit=selection.get("limit"),
                    samples={loaded.entry.task: selection["items"]} if "items" in selection else None,
                    log_samples=True,
                    fewshot_as_multiturn=True,
                    confirm_run_unsafe_code=self.scoring.allow_code_execution,
                )
        except Exception as error:
            raise EvaluationError(f"lm-eval failed on {loaded.entry.task} ({_first_line(error)})") from error
        return result


@functools.cache
def _shipped_tasks() -> Any:
    """The index of the thousands of task files that lm-eval ships: it takes seconds, once a process, where needed."""
    from lm_eval.tasks import TaskManager

    return TaskManager()


def _set_environment(offline: bool, allow_code_execution: bool) -> None:
    """Set what lm-eval and its packages read from the environment when they are imported."""
    os.environ["TQDM_DISABLE"] = "1"
    # Forked tokenizer threads do not help where worker processes fill the cores.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    if offline:
        for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_EVALUATE_OFFLINE"):
            os.environ[name] = "1"
    if allow_code_execution:
        os.environ["HF_ALLOW_CODE_EVAL"] = "1"


def _remember_requests(task: Any) -> None:
    """Have a task build its requests once, and hand out the same ones, without their answers, when asked again."""
    if hasattr(task, "predictor_requests"):
        return
    task.predictor_requests = {}
    build = task.build_all_requests

    def build_once(**asked: Any) -> None:
        key = json.dumps(asked, sort_keys=True, default=str)
        if key not in task.predictor_requests:
            build(**asked)
            task.predictor_requests = {key: task._instances}
        for request in task.predictor_requests[key]:
            request.resps, request.filtered_resps = [], {}
        task._instances = task.predictor_requests[key]

    task.build_all_requests = build_once


def _give_to(handler: logging.Handler, names: tuple[str, ...]) -> Any:
    loggers = [logging.getLogger(name) for name in names]
    before = [(logger, logger.level, logger.propagate, list(logger.handlers)) for logger in loggers]
    for logger in loggers:
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING)

    def undo() -> None:
        for logger, level, propagate, handlers in before:
            logger.setLevel(level)
            logger.propagate, logger.handlers = propagate, handlers

    return undo


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


def _tokenizer_digest(folder: Path) -> str:
    digest = hashlib.sha256()
    names = (*TOKENIZER_FILES, "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt")
    for name in names:
        if (folder / name).is_file():
            digest.update(name.encode() + (folder / name).read_bytes())
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else ""
    name = type(error).__name__
    return f"{name}: {text[:300]}" if text else name
