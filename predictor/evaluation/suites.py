"""Suites: which lm-eval tasks models are scored on, with how many examples, and what chance would score.

A suite is a YAML file; docs/config.md lists its keys. Importing this module is cheap, as `predictor query` does it.
"""

from __future__ import annotations

import difflib
import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from predictor.config_file import read_yaml
from predictor.errors import ConfigError, UnknownNameError
from predictor.evaluation.sampling_rule import SamplingRule

KINDS = ("choice", "generation", "loss")
BACKENDS = ("tree", "hf", "vllm")
LOSS_PREFIX = "loss:"


@dataclass(frozen=True)
class SuiteTask:
    """One task of a suite.

    Attributes:
        task: lm-eval's name of the task, or of a group whose aggregated score is wanted (`mmlu`).
        metric: the headline metric, by lm-eval's name without its filter; `bpb` for losses.
        chance: what random guessing scores, in [0, 1); None for losses.
        kind: `choice` (log-likelihoods of answers), `generation`, or `loss` (log-likelihood of held-out text).
        num_fewshot: examples in the prompt; lm-eval's own number when None.
        filter: lm-eval's filter whose metrics count, as `strict-match`; its first when None.
        limit: score only the first items; all when None.
        items: score only these documents, by their number; all when None.
        data: split -> JSON-lines file to read instead of the hub; None reads what the task names.
        include_path: folder with the task's own YAML file, or None for tasks that lm-eval ships.
        backend: `tree`, `hf` or `vllm`; that of checkpoints.yaml when None.
        reference: of a generation task, the answer whose bits per byte are scored beside it: `target` for the task's
            own target, or a Jinja template over the document; none is scored when None.
    """

    task: str
    metric: str
    chance: float | None
    kind: str = "choice"
    num_fewshot: int | None = None
    filter: str | None = None
    limit: int | None = None
    items: tuple[int, ...] | None = None
    data: tuple[tuple[str, Path], ...] | None = None
    include_path: Path | None = None
    backend: str | None = None
    reference: str | None = None
    variant_of: str | None = None
    sampling: SamplingRule | None = None

    @property
    def name(self) -> str:
        """Name of the task in results tables: losses are called `loss:<task>`."""
        return LOSS_PREFIX + self.task if self.kind == "loss" else self.task


@dataclass(frozen=True)
class Suite:
    """Tasks that are scored together.

    Attributes:
        name: its name.
        path: its file.
        tasks: its tasks by their name in results tables.
        description: what it is for.
    """

    name: str
    path: Path
    tasks: dict[str, SuiteTask] = field(default_factory=dict)
    description: str = ""


def benchmarks_folder() -> Path:
    """The folder with `suites` and `tasks`: inside the installed package, or at the root of the repository."""
    package = Path(__file__).resolve().parent.parent
    packaged = package / "_benchmarks"
    return packaged if packaged.is_dir() else package.parent / "benchmarks"


def shipped_suites() -> dict[str, Path]:
    """Name -> file of the suites that come with predictor."""
    return {path.stem: path for path in sorted((benchmarks_folder() / "suites").glob("*.yaml"))}


@functools.lru_cache(maxsize=1)
def known_tasks() -> dict[str, SuiteTask]:
    """All tasks of the shipped suites, by their name in results tables."""
    return {name: task for path in shipped_suites().values() for name, task in load_suite(path).tasks.items()}


def load_suite(name_or_path: str | Path, root: Path | None = None) -> Suite:
    """Read a shipped suite by name, or a suite file by its path.

    Args:
        name_or_path: `tiny`, or a path that ends in .yaml.
        root: folder that a relative path is relative to; the working directory when None.

    Raises:
        ConfigError: there is no such suite, or one line that names the key, what is wrong and what is allowed.
    """
    text = str(name_or_path)
    shipped = shipped_suites()
    if text in shipped:
        path = shipped[text]
    elif text.endswith((".yaml", ".yml")):
        path = (root or Path()) / text
        if not path.is_file():
            raise ConfigError(f"the suite file {path} does not exist", f"give its path, or one of {', '.join(shipped)}")
    else:
        raise ConfigError(
            f"unknown suite '{text}'", f"known are {', '.join(shipped)}; or give the path of a .yaml file"
        )
    return _Reader(path).read()


class _Reader:
    """Reads one suite file; every mistake is told with its line."""

    SUITE_KEYS = ("name", "description", "include_path", "num_fewshot", "limit", "backend", "tasks")
    SAMPLING_KEYS = tuple(entry.name for entry in fields(SamplingRule))
    TASK_KEYS = (*(entry.name for entry in fields(SuiteTask) if entry.name != "sampling"), *SAMPLING_KEYS)

    def __init__(self, path: Path) -> None:
        self.path = path
        self.values, self.lines = read_yaml(path)

    def read(self) -> Suite:
        values = self.values
        self._known((), values, self.SUITE_KEYS)
        entries = values.get("tasks")
        if not isinstance(entries, list) or not entries:
            raise self._wrong(("tasks",), "is not a list of tasks", "write at least one `- task: NAME`")
        tasks: dict[str, SuiteTask] = {}
        for index, entry in enumerate(entries):
            task = self._task(("tasks", str(index)), entry)
            if task.name in tasks:
                raise self._wrong(("tasks", str(index), "task"), f"{task.name} is listed twice", "keep one of them")
            tasks[task.name] = task
        for index, task in enumerate(tasks.values()):
            if task.variant_of is not None and task.variant_of not in {*tasks} - {task.name}:
                raise self._wrong(
                    ("tasks", str(index), "variant_of"), f"is '{task.variant_of}'", "name another task of this suite"
                )
        return Suite(
            str(values.get("name", self.path.stem)), self.path, tasks, str(values.get("description", "")).strip()
        )

    def _task(self, place: tuple[str, ...], entry: Any) -> SuiteTask:
        if not isinstance(entry, dict):
            raise self._wrong(place, f"is {entry!r}", "write `- task: NAME` with its keys below")
        self._known(place, entry, self.TASK_KEYS)
        # What the suite says at its top holds for each task that does not say otherwise.
        shared = ("include_path", "num_fewshot", "limit", "backend")
        top = {key: self.values[key] for key in shared if key in self.values}
        entry = {**top, **entry}
        name = entry.get("task")
        if not isinstance(name, str) or not name:
            raise self._wrong((*place, "task"), "is missing", "give lm-eval's name of the task")
        kind = entry.get("kind", "choice")
        if kind not in KINDS:
            raise self._wrong((*place, "kind"), f"is {kind!r}", f"allowed are {', '.join(KINDS)}")
        backend = entry.get("backend")
        if backend is not None and backend not in BACKENDS:
            raise self._wrong((*place, "backend"), f"is {backend!r}", f"allowed are {', '.join(BACKENDS)}")
        if kind == "loss":
            for key in ("metric", "chance", "filter"):
                if key in entry:
                    raise self._wrong((*place, key), "does not apply to a loss", "remove it")
            if entry.get("num_fewshot"):
                raise self._wrong((*place, "num_fewshot"), "does not apply to a loss", "remove it")
        elif not isinstance(entry.get("metric"), str):
            raise self._wrong((*place, "metric"), "is missing", "give the headline metric, as acc or exact_match")
        if "limit" in entry and "items" in entry:
            raise self._wrong((*place, "items"), "and limit are both given", "keep one of them")
        return SuiteTask(
            task=name,
            metric="bpb" if kind == "loss" else entry["metric"],
            chance=self._chance(place, entry, kind),
            kind=kind,
            num_fewshot=self._count(place, entry, "num_fewshot", 0),
            filter=self._text(place, entry, "filter"),
            limit=self._count(place, entry, "limit", 1),
            items=self._items(place, entry),
            data=self._data(place, entry),
            include_path=self._include_path(place, entry),
            backend=backend,
            reference=self._reference(place, entry, kind),
            variant_of=self._text(place, entry, "variant_of"),
            sampling=self._sampling(place, entry, kind),
        )

    def _chance(self, place: tuple[str, ...], entry: dict[str, Any], kind: str) -> float | None:
        if kind == "loss":
            return None
        value = entry.get("chance")
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1:
            message = "is missing" if value is None else f"is {value!r}"
            raise self._wrong((*place, "chance"), message, "give what random guessing scores, in [0, 1)")
        return float(value)

    def _count(self, place: tuple[str, ...], entry: dict[str, Any], key: str, least: int) -> int | None:
        value = entry.get(key)
        if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
            raise self._wrong((*place, key), f"is {value!r}", f"allowed are whole numbers from {least}")
        return value

    def _text(self, place: tuple[str, ...], entry: dict[str, Any], key: str) -> str | None:
        value = entry.get(key)
        if value is not None and not isinstance(value, str):
            raise self._wrong((*place, key), f"is {value!r}", "give text")
        return value

    def _reference(self, place: tuple[str, ...], entry: dict[str, Any], kind: str) -> str | None:
        value = self._text(place, entry, "reference")
        if value is None:
            return None
        if kind != "generation":
            raise self._wrong((*place, "reference"), "applies to kind: generation only", "remove it")
        if value != "target" and "{{" not in value:
            remedy = "write `target`, or a template over the document such as '{{answer}}'"
            raise self._wrong((*place, "reference"), f"is {value!r}", remedy)
        return value

    def _sampling(self, place: tuple[str, ...], entry: dict[str, Any], kind: str) -> SamplingRule | None:
        given = [key for key in self.SAMPLING_KEYS if entry.get(key) is not None]
        if not given:
            return None
        if kind != "generation":
            raise self._wrong((*place, given[0]), "applies to kind: generation only", "remove it")
        samples, until, most = (
            self._count(place, entry, key, 1) for key in ("samples", "until_passes", "most_samples")
        )
        temperature = entry.get("temperature")
        if temperature is not None and (
            isinstance(temperature, bool) or not isinstance(temperature, int | float) or not 0 < temperature <= 10
        ):
            raise self._wrong((*place, "temperature"), f"is {temperature!r}", "give a number above 0, up to 10")
        if samples is None and until is None:
            raise self._wrong((*place, given[0]), "needs samples or until_passes", "add how many answers to sample")
        if (until is None) != (most is None):
            # An item that is never solved would be sampled for ever.
            raise self._wrong((*place, given[-1]), "needs until_passes and most_samples together", "give both of them")
        if most is not None and max(samples or 1, until or 1) > most:
            raise self._wrong((*place, "most_samples"), f"is {most}, below samples or until_passes", "raise it")
        least = samples or 0
        return SamplingRule(least, None if temperature is None else float(temperature), until, most or least)

    def _items(self, place: tuple[str, ...], entry: dict[str, Any]) -> tuple[int, ...] | None:
        text = self._text(place, entry, "items")
        if text is None:
            return None
        path = self.path.parent / text
        try:
            numbers = tuple(sorted({int(line) for line in path.read_text(encoding="utf-8").split()}))
        except OSError:
            raise self._wrong((*place, "items"), f"names {path}, which cannot be read", "give a text file") from None
        except ValueError:
            numbers = ()
        if not numbers or numbers[0] < 0:
            raise self._wrong(
                (*place, "items"), f"names {path}, which is no list of numbers", "write one number a line"
            )
        return numbers

    def _data(self, place: tuple[str, ...], entry: dict[str, Any]) -> tuple[tuple[str, Path], ...] | None:
        value = entry.get("data")
        if value is None:
            return None
        if not isinstance(value, dict) or not value or not all(isinstance(path, str) for path in value.values()):
            raise self._wrong((*place, "data"), f"is {value!r}", "write one `split: file.jsonl` for each split")
        files = []
        for split, text in sorted(value.items()):
            path = self.path.parent / text
            if not path.is_file():
                raise self._wrong(
                    (*place, "data", split), f"names {path}, which does not exist", "give a JSON-lines file"
                )
            files.append((split, path))
        return tuple(files)

    def _include_path(self, place: tuple[str, ...], entry: dict[str, Any]) -> Path | None:
        text = self._text(place, entry, "include_path")
        if text is None:
            return None
        path = self.path.parent / text
        if not path.is_dir():
            raise self._wrong((*place, "include_path"), f"names {path}, which is no folder", "give the tasks' folder")
        return path

    def _known(self, place: tuple[str, ...], entry: dict[str, Any], allowed: tuple[str, ...]) -> None:
        for key in entry:
            if key not in allowed:
                close = difflib.get_close_matches(key, allowed, n=1, cutoff=0.6)
                remedy = f"did you mean {close[0]}?" if close else f"allowed are {', '.join(allowed)}"
                raise self._wrong((*place, key), "is not a known key", remedy)

    def _wrong(self, place: tuple[str, ...], message: str, remedy: str) -> ConfigError:
        inner = place
        while inner and inner not in self.lines:
            inner = inner[:-1]
        line = f":{self.lines[inner]}" if inner else ""
        return ConfigError(f"{self.path}{line}: {'.'.join(place)} {message}", remedy)


def chosen_tasks(suite: Suite, names: Sequence[str] = ()) -> list[SuiteTask]:
    """Pick tasks of a suite by their lm-eval name or their name in tables; all of them when no name is given.

    Raises:
        UnknownNameError: the suite has no such task.
    """
    by_name = suite.tasks | {entry.task: entry for entry in suite.tasks.values()}
    for name in names:
        if name not in by_name:
            raise UnknownNameError("task", name, suite.tasks, f"the suite {suite.name}")
    return list(dict.fromkeys(by_name[name] for name in names)) or list(suite.tasks.values())
