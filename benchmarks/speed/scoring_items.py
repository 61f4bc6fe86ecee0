"""The requests that `scoring.py` times: real items with their usual number of examples, in lm-eval's wording."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Request = tuple[str, str]
Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Workload:
    """A task's requests.

    Attributes:
        name: the task with its number of examples.
        items: for each item the context and continuation of each of its choices.
    """

    name: str
    items: list[list[Request]]


def read(folder: Path, split: str) -> Rows:
    """The items of a data set's split."""
    with gzip.open(folder / f"{split}.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def texts(datasets: Path) -> Iterator[str]:
    """All items as text, for a tokenizer to be trained on."""
    for path in sorted(datasets.glob("*/*.jsonl.gz")):
        for row in read(path.parent, path.name.removesuffix(".jsonl.gz")):
            yield "\n".join(
                str(part) for value in row.values() for part in (value if isinstance(value, list) else [value])
            )


def workloads(datasets: Path, size: float) -> dict[str, Callable[[], Workload]]:
    """Each task by a short name; `size` multiplies how many items are taken."""

    def several(count: int) -> int:
        return max(2, round(count * size))

    return {
        "mmlu": lambda: Workload("MMLU 5-shot", list(_mmlu(datasets / "mmlu", several(4)))),
        "hellaswag-10-fixed": lambda: Workload(
            "HellaSwag 10-shot, same shots", list(_hellaswag(datasets / "hellaswag", several(400), 10, fixed=True))
        ),
        "hellaswag-10": lambda: Workload(
            "HellaSwag 10-shot", list(_hellaswag(datasets / "hellaswag", several(40), 10, fixed=False))
        ),
        "hellaswag-0": lambda: Workload(
            "HellaSwag 0-shot", list(_hellaswag(datasets / "hellaswag", several(300), 0, fixed=True))
        ),
        "arc-challenge": lambda: Workload(
            "ARC-Challenge 25-shot", list(_arc(datasets / "arc_challenge", several(40), 25))
        ),
        "arc-easy": lambda: Workload("ARC-Easy 0-shot", list(_arc(datasets / "arc_easy", several(600), 0))),
        "openbookqa": lambda: Workload("OpenBookQA 0-shot", list(_openbookqa(datasets / "openbookqa", several(400)))),
        "winogrande": lambda: Workload(
            "Winogrande 5-shot", list(_winogrande(datasets / "winogrande", several(100), 5))
        ),
    }


def _mmlu(folder: Path, subjects: int) -> Iterator[list[Request]]:
    """Whole subjects, as what is shared depends on how many items a subject has: every n-th, smallest to largest."""
    test, dev = read(folder, "test"), read(folder, "dev")
    sizes = {name: sum(row["subject"] == name for row in test) for name in sorted({row["subject"] for row in test})}
    ordered = sorted(sizes, key=lambda name: sizes[name])
    step = max(1, 40 // max(1, subjects - 1)) if subjects < len(ordered) else 1
    for subject in ordered[::step][:subjects]:
        head = f"The following are multiple choice questions (with answers) about {subject.replace('_', ' ')}.\n\n"
        shots = "".join(
            f"{_mmlu_question(row)} {'ABCD'[row['answer']]}\n\n" for row in dev if row["subject"] == subject
        )
        for row in test:
            if row["subject"] == subject:
                yield [(head + shots + _mmlu_question(row), f" {letter}") for letter in "ABCD"]


def _mmlu_question(row: dict[str, Any]) -> str:
    choices = "".join(f"{letter}. {text}\n" for letter, text in zip("ABCD", row["choices"], strict=True))
    return f"{row['question'].strip()}\n{choices}Answer:"


def _hellaswag(folder: Path, count: int, shots: int, *, fixed: bool) -> Iterator[list[Request]]:
    rows = read(folder, "validation")
    # The file has no training split: examples are drawn from its end.
    pool, generator = rows[-2000:], random.Random(1234)
    chosen = generator.sample(pool, shots)
    for row in generator.sample(rows[:-2000], count):
        examples = chosen if fixed else generator.sample(pool, shots)
        context = "".join(f"{one['query']} {one['choices'][one['gold']]}\n\n" for one in examples) + row["query"]
        yield [(context, f" {choice}") for choice in row["choices"]]


def _arc(folder: Path, count: int, shots: int) -> Iterator[list[Request]]:
    pool, generator = read(folder, "train"), random.Random(1234)
    for row in generator.sample(read(folder, "test"), count):
        examples = generator.sample(pool, shots)
        context = "".join(f"Question: {one['question']}\nAnswer: {one['choices'][one['gold']]}\n\n" for one in examples)
        yield [(f"{context}Question: {row['question']}\nAnswer:", f" {choice}") for choice in row["choices"]]


def _openbookqa(folder: Path, count: int) -> Iterator[list[Request]]:
    for row in random.Random(1234).sample(read(folder, "test"), count):
        yield [(row["question"], f" {choice}") for choice in row["choices"]]


def _winogrande(folder: Path, count: int, shots: int) -> Iterator[list[Request]]:
    rows, generator = read(folder, "validation"), random.Random(1234)
    pool = rows[-300:]
    for row in generator.sample(rows[:-300], count):
        context = "".join(
            one["sentence"].replace("_", one[f"option{one['answer']}"]) + "\n\n"
            for one in generator.sample(pool, shots)
        )
        before, after = row["sentence"].split("_", 1)
        # lm-eval scores the same ending after each option.
        yield [(context + before + row[option], f" {after.strip()}") for option in ("option1", "option2")]
