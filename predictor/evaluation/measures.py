"""From lm-eval's result of one (checkpoint, task) to rows of scores and of items."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from predictor.errors import EvaluationError
from predictor.evaluation.task_loading import LoadedTask
from predictor.results.derived import ANSWER_LOSSES, answer_losses, choice_scores, passes_of, text_losses

_PASS_AT = re.compile(r"pass_at_(\d+)")


@dataclass(frozen=True)
class Drawn:
    """What repeated sampling found.

    Attributes:
        items: subtask, doc_id and what was counted of each item.
        scores: metric -> value and standard error.
    """

    items: pd.DataFrame
    scores: dict[str, tuple[float, float]]


class NotFiniteError(EvaluationError):
    """A model gave a log-likelihood that is no finite number: its weights are broken."""


def measure(
    result: dict[str, Any], loaded: LoadedTask, model: Any, drawn: Drawn | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Read scores and items out of lm-eval's result.

    Metrics are lm-eval's, by their names without the filter (those of other filters than the suite's keep it, as
    `exact_match,flexible-extract`). Derived from the items are, for answers scored by log-likelihood and for the
    reference answers of generation tasks, `nll_answer` (nats of the right answer, mean over items) and `bpb` (bits per
    UTF-8 byte of the right answer with its leading space, mean over items); for answers with a choice also
    `probability` (of the right choice among the choices) and `margin` (nats between it and the best wrong choice);
    for losses `bpb` (lm-eval's bits_per_byte: all bits over all bytes) and `nll` (nats per token of the model's
    tokenizer: all nats over all tokens).

    Args:
        result: what `Harness.run` returned.
        loaded: the task.
        model: the model, for the number of tokens of each answer.
        drawn: what repeated sampling found, where the suite asks for it.

    Returns:
        scores with the columns metric, value, stderr, n_items and filter (None for what is derived); items with
        doc_id, doc_hash, subtask, log_likelihoods, byte_lengths, token_lengths, gold, correct, samples and passes; with
        `drawn` those of the repeated samples, and the further columns of `predictor.evaluation.repeated_sampling`.

    Raises:
        EvaluationError: a log-likelihood is not finite, or the headline metric is not among the results.
    """
    chosen = filter_of(result, loaded)
    scores = _reported(result["results"][loaded.entry.task], chosen)
    filters = {name: name.partition(",")[2] or chosen for name in scores}
    frames = []
    for name, task in loaded.tasks.items():
        samples = [sample for sample in result["samples"][name] if sample["filter"] == chosen]
        frames.append(_items(samples, task, name, loaded, model))
    items = pd.concat(frames, ignore_index=True)
    derived = {"choice": _of_choices, "loss": _of_texts, "generation": _of_references}[loaded.entry.kind]
    scores |= derived(items, scores)
    if drawn is not None:
        items = items.drop(columns=["samples", "passes"]).merge(drawn.items, on=["subtask", "doc_id"], how="left")
        # What lm-eval reports under the same name is of its own samples.
        scores = {**drawn.scores, **scores}
    if loaded.entry.metric not in scores:
        raise EvaluationError(
            f"task {loaded.entry.task} has no metric {loaded.entry.metric}",
            f"the suite can name one of {', '.join(sorted(scores))}",
        )
    # Not every document has a reference answer.
    counts = dict.fromkeys(ANSWER_LOSSES, int(items["gold"].notna().sum()))
    rows = [
        (name, value, stderr, counts.get(name, len(items)), filters.get(name))
        for name, (value, stderr) in scores.items()
    ]
    return pd.DataFrame(rows, columns=["metric", "value", "stderr", "n_items", "filter"]), items


def filter_of(result: dict[str, Any], loaded: LoadedTask) -> str:
    """Return lm-eval's filter whose metrics count: the suite's, or the task's first.

    Raises:
        EvaluationError: the task has no such filter.
    """
    known = list(dict.fromkeys(s["filter"] for name in loaded.tasks for s in result["samples"][name]))
    wanted = loaded.entry.filter
    if wanted is not None and wanted not in known:
        raise EvaluationError(f"task {loaded.entry.task} has no filter {wanted}", f"it has {', '.join(known)}")
    return wanted or known[0]


def _reported(metrics: dict[str, Any], chosen: str) -> dict[str, tuple[float, float]]:
    scores: dict[str, tuple[float, float]] = {}
    for key, value in metrics.items():
        metric, comma, of_filter = key.partition(",")
        if not comma or metric.endswith("_stderr") or not isinstance(value, (int, float)):
            continue
        if not math.isfinite(value):
            raise EvaluationError(f"metric {metric} is {value}")
        stderr = metrics.get(f"{metric}_stderr,{of_filter}")
        # lm-eval writes "N/A" where it has no standard error.
        error = float(stderr) if isinstance(stderr, (int, float)) else math.nan
        name = _PASS_AT.sub(r"pass@\1", metric)
        scores[name if of_filter == chosen else f"{name},{of_filter}"] = (float(value), error)
    return scores


def _items(samples: list[dict[str, Any]], task: Any, name: str, loaded: LoadedTask, model: Any) -> pd.DataFrame:
    kind, metric = loaded.entry.kind, loaded.entry.metric
    rows = []
    for sample in samples:
        row = {"doc_id": sample["doc_id"], "doc_hash": sample["doc_hash"], "subtask": name}
        if kind == "generation":
            rows.append({**row, **_generated(sample, metric), **_reference(sample, name, model)})
            continue
        answers = _answers(sample, task) if kind == "choice" else _text(sample)
        for likelihood in answers["log_likelihoods"]:
            if not math.isfinite(likelihood):
                raise NotFiniteError(f"{name}: the log-likelihood of item {sample['doc_id']} is {likelihood}")
        answers["token_lengths"] = [_tokens(model, *pair) for pair in answers.pop("pairs")]
        correct = sample.get(metric)
        rows.append({**row, **answers, "correct": float(correct) if isinstance(correct, (int, float)) else None})
    columns = {
        "log_likelihoods": None,
        "byte_lengths": None,
        "token_lengths": None,
        "gold": pd.NA,
        "correct": math.nan,
        "samples": pd.NA,
        "passes": pd.NA,
    }
    frame = pd.DataFrame(rows)
    for column, missing in columns.items():
        if column not in frame.columns:
            frame[column] = missing
    whole = dict.fromkeys(("gold", "samples", "passes"), "Int64")
    return frame.astype({**whole, "correct": "float64"})[["doc_id", "doc_hash", "subtask", *columns]]


def _answers(sample: dict[str, Any], task: Any) -> dict[str, Any]:
    """Log-likelihood, bytes and tokens of each answer, and which one is right."""
    likelihoods = [float(responses[0][0]) for responses in sample["resps"]]
    pairs = [(arguments[0], arguments[1]) for arguments in sample["arguments"]]
    gold: Any = 0
    if task.OUTPUT_TYPE == "multiple_choice":
        choices = task.doc_to_choice(sample["doc"])
        # Tasks that subtract the answer's unconditional likelihood ask for every answer twice.
        likelihoods, pairs = likelihoods[: len(choices)], pairs[: len(choices)]
        gold = task.doc_to_text(sample["doc"]) if task.multiple_input else sample["target"]
        right = [
            choices.index(one) if isinstance(one, str) else int(one)
            for one in (gold if isinstance(gold, list) else [gold])
        ]
        gold = max(right, key=lambda index: likelihoods[index])
    return {
        "log_likelihoods": likelihoods,
        "byte_lengths": [len(continuation.encode()) for _, continuation in pairs],
        "pairs": pairs,
        "gold": gold,
    }


def _text(sample: dict[str, Any]) -> dict[str, Any]:
    (text,) = sample["arguments"][0]
    likelihood = float(np.ravel(sample["resps"][0])[0])
    return {"log_likelihoods": [likelihood], "byte_lengths": [len(text.encode())], "pairs": [("", text)], "gold": 0}


def _generated(sample: dict[str, Any], metric: str) -> dict[str, Any]:
    """How many of how many sampled answers are right."""
    number = len(sample["resps"][0])
    value = value_of(sample, metric)
    if not isinstance(value, (int, float)):
        return {"samples": number, "passes": None, "correct": None}
    return {"samples": number, "passes": passes_of(float(value), number, metric), "correct": float(value)}


def value_of(values: dict[str, Any], metric: str) -> Any:
    """Return a metric's value, also where lm-eval spells it `pass_at_1`; None where there is none."""
    value = values.get(metric)
    return values.get(re.sub(r"pass@(\d+)", r"pass_at_\1", metric)) if value is None else value


def _reference(sample: dict[str, Any], name: str, model: Any) -> dict[str, Any]:
    """Read the log-likelihood of the reference answer, where one was scored."""
    reference = sample.get("reference")
    if reference is None:
        return {}
    likelihood, (context, continuation) = reference["log_likelihood"], reference["pair"]
    if not math.isfinite(likelihood):
        raise NotFiniteError(f"{name}: the log-likelihood of item {sample['doc_id']}'s reference is {likelihood}")
    return {
        "log_likelihoods": [likelihood],
        "byte_lengths": [len(continuation.encode())],
        "token_lengths": [_tokens(model, context, continuation)],
        "gold": 0,
    }


def _tokens(model: Any, context: str, continuation: str) -> int:
    if context == "":
        return len(model.tok_encode(continuation, add_special_tokens=False))
    counted = model.count_tokens(context, continuation) if hasattr(model, "count_tokens") else None
    if counted is not None:
        return int(counted)
    return len(model._encode_pair(context, continuation)[1])


def _of_choices(items: pd.DataFrame, scores: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    return choice_scores(items)


def _of_references(items: pd.DataFrame, scores: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    answered = items[items["gold"].notna()]
    return {} if answered.empty else answer_losses(answered)


def _of_texts(items: pd.DataFrame, scores: dict[str, tuple[float, float]]) -> dict[str, tuple[float, float]]:
    if "bits_per_byte" not in scores:
        raise EvaluationError(
            "a task of kind loss must report bits_per_byte", "give it output_type loglikelihood_rolling"
        )
    return text_losses(items, scores["bits_per_byte"][0])
