"""Read the logs of inspect_ai, `<date>_<task>_<id>.eval` and `.json`, by its own reader; tried with 0.3.285.

log.results.scores[0]       EvalScore(name="choice", reducer=None, metrics={"accuracy": ..., "stderr": ...})
log.eval                    task, task_args, model, model_args, dataset.samples, config.limit, config.epochs
log.samples[0].scores       {"choice": Score(value="C")}, one sample per epoch
"""

from __future__ import annotations

import functools
import json
import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from predictor.distribution import install_command
from predictor.errors import InputError, first_line
from predictor.results.formats.found import (
    Facts,
    FoundItems,
    FoundModel,
    LeftOut,
    OtherFormatError,
    Score,
    as_count,
    as_number,
    files_below,
)
from predictor.results.formats.inspect_samples import read_items

_HEAD = 4096
# Aggregates of an EvalScore that say how sure it is, not how good.
_SPREADS = frozenset({"stderr", "bootstrap_stderr", "std", "var", "ci_lower", "ci_upper"})
_SHOTS = (
    "num_fewshot",
    "fewshot",
    "few_shot",
    "fewshots",
    "num_few_shot",
    "num_fewshots",
    "n_shots",
    "num_shots",
    "shots",
)
# Arguments that choose examples or order, not what is measured.
_HARMLESS = frozenset({*_SHOTS, "fewshot_seed", "seed", "shuffle", "shuffle_choices", "sandbox", "max_samples"})
_SHOTS_IN_NAME = re.compile(r"(.+?)_(\d+)_?shot")
_LOCAL = ("model_path", "peft_model_path", "model")
# What scorers of inspect_ai that are averaged are called elsewhere.
_MEANS = {"exact": "exact_match"}
_PASS_AT = re.compile(r"pass_(at|k)_(\d+)")


@dataclass(frozen=True)
class InspectLog:
    """Logs of inspect_ai."""

    name: str = "inspect"
    remedy: str = "give a log that inspect_ai wrote (.eval or .json), or its folder of logs"

    def sources(self, path: Path) -> list[Path]:
        """Return the logs below a folder."""
        return files_below(path, "*.eval", "*.json")

    def recognises(self, source: Path) -> bool:
        """Return whether a file is a log of inspect_ai; inspect_ai itself need not be installed."""
        try:
            if zipfile.is_zipfile(source):
                with zipfile.ZipFile(source) as archive:
                    return "_journal/start.json" in archive.namelist() or "header.json" in archive.namelist()
            with source.open("rb") as file:
                head = file.read(_HEAD).decode("utf-8", errors="replace")
        except (OSError, zipfile.BadZipFile):
            return False
        return re.search(r'"status"\s*:\s*"\w+"', head) is not None and re.search(r'"eval"\s*:\s*\{', head) is not None

    def read(self, source: Path) -> list[FoundModel]:
        """Read one log; its samples are read when they are wanted.

        Raises:
            OtherFormatError: it is no log of inspect_ai.
            InputError: inspect_ai is not installed, or cannot read the log.
        """
        if not source.exists():
            raise InputError(f"{source} does not exist", "check the path")
        if not self.recognises(source):
            raise OtherFormatError(f"{source} is no log of inspect_ai", self.remedy)
        log = read_log(source)
        name, revision = _model_of(log)
        found = FoundModel(name, (source,), revision, _facts(log))
        reason = _unusable(log)
        if reason is not None:
            return [replace(found, left_out=(LeftOut(log.eval.task, reason),))]
        scores: list[Score] = []
        left_out: list[LeftOut] = []
        task, shots = task_of(log.eval)
        main = _main(log.results)
        for entry in log.results.scores:
            _read_score(entry, task, shots, main, log, scores, left_out)
        items: tuple[FoundItems, ...] = ()
        if log.eval.config.log_samples is not False:
            items = (FoundItems(task, shots, functools.partial(read_items, source, task, main)),)
        return [replace(found, scores=tuple(scores), items=items, left_out=tuple(left_out))]


def read_log(source: Path) -> Any:
    """Read a log without its samples.

    Raises:
        InputError: inspect_ai is not installed, or cannot read the log.
    """
    try:
        from inspect_ai.log import read_eval_log
    except ImportError:
        raise InputError(f"{source} needs inspect_ai to be read", install_command("inspect")) from None
    try:
        return read_eval_log(str(source), header_only=True)
    except Exception as error:
        # inspect_ai raises what pydantic, zipfile and json raise.
        raise InputError(
            f"{source} cannot be read by inspect_ai ({first_line(error)})", "score the task again"
        ) from None


def _unusable(log: Any) -> str | None:
    """Say why no score of a log counts, or None."""
    if log.status != "success":
        reason = f" ({str(log.error.message).splitlines()[0][:80]})" if getattr(log, "error", None) else ""
        return f"the evaluation ended with status {log.status}{reason}"
    if getattr(log, "invalidated", False):
        return "the log was invalidated"
    if log.results is None or not log.results.scores:
        return "the log has no scores"
    return None


def _main(results: Any) -> str:
    """Name the score that counts where there are several: the one that inspect_ai shows first."""
    headline = getattr(results, "headline", None)
    return str(getattr(headline, "score", None) or results.scores[0].name)


def _model_of(log: Any) -> tuple[str | None, str | None]:
    """Return the model's name and revision; of local weights, as `hf/local`, the path they were loaded from."""
    arguments = log.eval.model_args or {}
    local = next((arguments[key] for key in _LOCAL if arguments.get(key)), None)
    revision = arguments.get("revision")
    return str(local or log.eval.model), None if revision in (None, "", "main") else str(revision)


def _facts(log: Any) -> Facts:
    limit = log.eval.config.limit
    if isinstance(limit, list | tuple):
        # A range of samples, from the first to before the second.
        limit = max(limit[1] - limit[0], 0) if len(limit) == 2 else None
    revision = log.eval.revision
    return Facts(
        limit=as_number(limit),
        harness="inspect_ai",
        harness_version=(log.eval.packages or {}).get("inspect_ai"),
        git_hash=getattr(revision, "commit", None),
        date=_date(getattr(log.stats, "completed_at", None) or log.eval.created),
    )


def _date(written: Any) -> str | None:
    try:
        moment = datetime.fromisoformat(str(written))
    except ValueError:
        return None
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def task_of(spec: Any) -> tuple[str, int | None]:
    """Return the task of an EvalSpec and its number of examples, where its arguments or its name state one.

    Other arguments that were passed change what is measured, as `language=FR`: they become part of the name.
    """
    name = str(spec.task).rsplit("/", 1)[-1].replace("-", "_")
    arguments = dict(spec.task_args or {})
    stated = next((arguments[key] for key in _SHOTS if key in arguments), None)
    shots = 0 if stated is False else as_count(stated)
    match = _SHOTS_IN_NAME.fullmatch(name)
    if match is not None:
        name, shots = match[1], int(match[2]) if shots is None else shots
    passed = getattr(spec, "task_args_passed", None)
    chosen = {key: value for key, value in (arguments if passed is None else passed).items() if key not in _HARMLESS}
    if not chosen:
        return name, shots
    return f"{name}[{','.join(f'{key}={_written(chosen[key])}' for key in sorted(chosen))}]", shots


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True, default=str)


def _read_score(
    entry: Any, task: str, shots: int | None, main: str, log: Any, scores: list[Score], left_out: list[LeftOut]
) -> None:
    """Add the metrics of one scorer under one reducer."""
    metrics, parts = _metrics(entry.metrics)
    if parts:
        left_out.append(LeftOut(f"{task} {entry.name}: {len(parts)} scores of groups", "they are of parts of the task"))
    spread = {name: as_number(metrics[name].value) for name in ("stderr", "bootstrap_stderr") if name in metrics}
    stderr = next((value for value in spread.values() if value is not None), math.nan)
    aggregates = {name: metric for name, metric in metrics.items() if name not in _SPREADS}
    sizes = _sizes(entry, log)
    for name, metric in aggregates.items():
        value = as_number(metric.value)
        label = _named(name, entry, len(aggregates))
        if value is None:
            left_out.append(LeftOut(f"{task} {label}", f"its value {str(metric.value)[:40]!r} is no number"))
            continue
        error = stderr if name in ("accuracy", "mean") or len(aggregates) == 1 else math.nan
        scores.append(Score(task, label, value, error, _filter(entry, main, log), shots, *sizes))


def _metrics(found: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Part the metrics of a score from those of groups of samples; the whole of the groups stands for the score.

    `grouped(accuracy(), "subject")` writes one metric per subject and one, `all`, over them.
    """
    whole = {name: metric for name, metric in found.items() if not _grouped(metric)}
    parts = []
    for name, metric in found.items():
        if not _grouped(metric):
            continue
        inner = str(metric.params["metric"].get("name", "accuracy")).rsplit("/", 1)[-1]
        if name == "all" and inner not in whole:
            whole[inner] = metric
        elif name != "all":
            parts.append(name)
    return whole, parts


def _grouped(metric: Any) -> bool:
    return "group_key" in (metric.params or {}) and isinstance((metric.params or {}).get("metric"), dict)


def _filter(entry: Any, main: str, log: Any) -> str | None:
    """The scorer, as a way of extracting the answer; of several the main one stands for the metric's own name."""
    several = len({score.name for score in log.results.scores}) > 1
    return None if several and entry.name == main else str(entry.name)


def _sizes(entry: Any, log: Any) -> tuple[int | None, int | None]:
    """Items scored, and items of the data set: fewer were scored with a limit, or where samples failed."""
    epochs = log.eval.config.epochs or 1
    scored = as_count(getattr(entry, "scored_samples", None))
    if scored is None and log.results.completed_samples:
        scored = log.results.completed_samples // epochs
    full = as_count(log.eval.dataset.samples)
    return scored or None, full or None


def _named(metric: str, entry: Any, count: int) -> str:
    """Name a metric as others do: `acc` of a share of right answers, the scorer's name of a mean, `pass@k`."""
    name = metric.rsplit("/", 1)[-1]
    if name == "accuracy":
        name = "acc"
    elif name == "mean" and count == 1:
        name = _MEANS.get(str(entry.name), str(entry.name))
    reducer = entry.reducer
    if reducer in (None, "", "mean"):
        return name
    match = _PASS_AT.fullmatch(str(reducer))
    if match is None:
        return f"{name}_{reducer}"
    return f"{'pass@' if match[1] == 'at' else 'pass^'}{match[2]}"
