"""Sample the answers of a generation task many times, each judged by lm-eval's filter and metric of the task.

Items are sampled in rounds until the suite's rule stops each of them (`predictor.evaluation.sampling_rule`). Equal
prompts are read once a batch. What is drawn depends on the seed, the item and how many samples came before, so that an
evaluation that was killed and started again ends with the samples of an undisturbed one.
"""

from __future__ import annotations

import copy
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from predictor.errors import EvaluationError, first_line
from predictor.evaluation.measures import Drawn, filter_of, value_of
from predictor.evaluation.sampling_rule import SamplingRule
from predictor.evaluation.task_loading import LoadedTask
from predictor.results.passes import pass_at_k, pass_rate, sampled
from predictor.results.sample_files import Answers, Item, SampleFiles

# Answers that are drawn before they are judged and kept.
_TOGETHER = 2048
# Longer answers are told apart by their hash.
_LONGEST = 64


@dataclass
class Sampler:
    """Samples the answers of one task.

    Attributes:
        model: an lm-eval model.
        loaded: the task; its suite entry says how many answers.
        result: lm-eval's result of the task's own evaluation, whose prompts are asked again.
        files: where samples are kept.
        seed: of the draws.
        check: called before each batch; whatever it raises ends the sampling.
    """

    model: Any
    loaded: LoadedTask
    result: dict[str, Any]
    files: SampleFiles
    seed: int
    check: Callable[[], None] = lambda: None
    _judged: dict[tuple[Item, str], tuple[str, bool]] = field(default_factory=dict, repr=False)

    def run(self) -> Drawn:
        """Draw until every item is done.

        Returns:
            the scores of `pass_scores`, and of each item subtask, doc_id, samples, passes, until_passes (where sampling
            stopped at that many), and of each distinct answer, the most frequent first, how often it came and whether
            it is right: answer_counts, answer_passes.

        Raises:
            EvaluationError: the task's metric does not call an answer right or wrong, or its code raised an error.
        """
        rule = self.loaded.entry.sampling
        assert rule is not None, "only tasks with a rule are sampled"
        asked = self._asked()
        drawn = {item: Answers() for item in asked} | {k: v for k, v in self.files.read().items() if k in asked}
        waiting = [item for item in asked if rule.count(drawn[item].passed) is None]
        while waiting:
            # Those with the fewest samples first: after a kill they are the rest of the round that it cut.
            first = min(len(drawn[item].picks) for item in waiting)
            count = rule.next_total(first) - first
            for items in _batches([item for item in waiting if len(drawn[item].picks) == first], count):
                self.check()
                new = self._draw({item: asked[item] for item in items}, first, min(count, _TOGETHER))
                self.files.write(first, new)
                for item, answers in new.items():
                    drawn[item].extend(answers)
            waiting = [item for item in waiting if rule.count(drawn[item].passed) is None]
        rows = pd.DataFrame([_row(item, drawn[item], rule) for item in asked])
        rows = rows.astype(dict.fromkeys(("samples", "passes", "until_passes"), "Int64"))
        return Drawn(rows, pass_scores(rows, rule))

    def _asked(self) -> dict[Item, dict[str, Any]]:
        chosen = filter_of(self.result, self.loaded)
        return {
            (name, sample["doc_id"]): sample
            for name in self.loaded.tasks
            for sample in self.result["samples"][name]
            if sample["filter"] == chosen
        }

    def _draw(self, asked: dict[Item, dict[str, Any]], first: int, count: int) -> dict[Item, Answers]:
        """Draw `count` more answers of each item, of which there are `first`."""
        import torch
        from lm_eval.api.instance import Instance

        place = f"{self.seed} {first} {next(iter(asked))}".encode()
        torch.manual_seed(int.from_bytes(hashlib.sha256(place).digest()[:7], "big"))
        requests = [
            Instance("generate_until", sample["doc"], self._arguments(sample), number, (*item, count))
            for item, sample in asked.items()
            for number in range(count)
        ]
        texts = iter(self.model.generate_until(requests, disable_tqdm=True))
        by_item = {item: [next(texts) for _ in range(count)] for item in asked}
        self._judge(asked, by_item)
        found = {}
        for item, answers in by_item.items():
            found[item] = Answers()
            for text in answers:
                found[item].add(*self._judged[item, text])
        # What was judged is remembered for the items at hand: few answers of an item are all different.
        self._judged = {key: value for key, value in self._judged.items() if key[0] in asked}
        return found

    def _arguments(self, sample: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        context, options = sample["arguments"][0]
        rule = self.loaded.entry.sampling
        assert rule is not None
        own = options.get("temperature") if options.get("do_sample") else None
        return context, {**options, "do_sample": True, "temperature": rule.temperature or own or 1.0}

    def _judge(self, asked: dict[Item, dict[str, Any]], by_item: dict[Item, list[str]]) -> None:
        """Pass the answers that are new through the task's filter and metric, each as if it were the only one."""
        from lm_eval.api.instance import Instance

        chosen = filter_of(self.result, self.loaded)
        for name, task in self.loaded.tasks.items():
            new = [(item, text) for item, texts in by_item.items() if item[0] == name for text in dict.fromkeys(texts)]
            new = [key for key in new if key not in self._judged]
            if not new:
                continue
            instances = [
                Instance("generate_until", asked[item]["doc"], asked[item]["arguments"][0], 0, (*item, 1), [text])
                for item, text in new
            ]
            try:
                next(ensemble for ensemble in task._filters if ensemble.name == chosen).apply(instances)
                for (item, text), instance in zip(new, instances, strict=True):
                    filtered = instance.filtered_resps[chosen]
                    document = copy.deepcopy(asked[item]["doc"])
                    verdict = task.process_results(document, [filtered])
                    self._judged[item, text] = (_short(filtered), self._is_right(verdict))
            except EvaluationError:
                raise
            except Exception as error:
                # Filters that need several answers, and a task's own code, can raise anything.
                raise EvaluationError(
                    f"a sampled answer of {name} cannot be judged ({first_line(error)})",
                    "name a `filter` in the suite that takes single answers",
                ) from None

    def _is_right(self, verdict: dict[str, Any]) -> bool:
        value = value_of(verdict, self.loaded.entry.metric)
        if value is None and len(verdict) == 1:
            value = next(iter(verdict.values()))
        if not isinstance(value, int | float | np.number | np.bool_) or float(value) not in (0.0, 1.0):
            raise EvaluationError(
                f"task {self.loaded.entry.task} does not call an answer right or wrong: "
                f"its {self.loaded.entry.metric} is {value!r}",
                "sample a task with such a metric, as exact_match",
            )
        return bool(value)


def pass_scores(items: pd.DataFrame, rule: SamplingRule) -> dict[str, tuple[float, float]]:
    """Compute `pass_rate`, the mean over items, and pass@10, pass@100, … as far as the rule's samples reach.

    Returns:
        metric -> value and standard error over items.
    """
    samples, passes, until = sampled(items)
    values = {"pass_rate": pass_rate(samples, passes, until)}
    k = 10
    while k <= rule.most_samples:
        values[f"pass@{k}"] = pass_at_k(samples, passes, k, until)
        k *= 10
    count = len(items)
    return {
        name: (float(of_items.mean()), float(of_items.std(ddof=1) / np.sqrt(count)) if count > 1 else float("nan"))
        for name, of_items in values.items()
    }


def _batches(items: list[Item], count: int) -> Iterator[list[Item]]:
    together = max(1, _TOGETHER // count)
    for first in range(0, len(items), together):
        yield items[first : first + together]


def _row(item: Item, answers: Answers, rule: SamplingRule) -> dict[str, Any]:
    counted = rule.count(answers.passed)
    assert counted is not None, "the item is done"
    samples, passes, until = counted
    often = np.bincount(answers.picks[:samples], minlength=len(answers.texts))
    order = [number for number in np.argsort(-often, kind="stable").tolist() if often[number]]
    return {
        "subtask": item[0],
        "doc_id": item[1],
        "samples": samples,
        "passes": passes,
        "until_passes": until,
        "answer_counts": [float(often[number]) for number in order],
        "answer_passes": [float(answers.right[number]) for number in order],
    }


def _short(filtered: Any) -> str:
    text = filtered if isinstance(filtered, str) else str(filtered)
    return text if len(text) <= _LONGEST else hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
