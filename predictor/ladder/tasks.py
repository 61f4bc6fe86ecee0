"""Writes the lm-eval items of the tiny tasks: the held-out part of every skill, and held-out text."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

from predictor.ladder.skills import Example, Skill
from predictor.ladder.text import SKILLS, documents

ITEMS = 320
MOST_KNOWN = 360
HELD_OUT_TASK = "tiny_heldout"
LONGEST_DOCUMENT = 120
# Fixed: tasks are a yardstick, and stay the same whatever seed a ladder is trained with.
ITEM_SEED = 7_000_001
TEXT_SEED = 7_000_002


def _held_out(skill: Skill, rng: random.Random) -> list[Example]:
    if skill.catalogue is not None:
        known = skill.catalogue()
        # Evenly over the ranks of frequency, when there are more facts than a task needs.
        count = min(len(known), MOST_KNOWN)
        return [known[number * len(known) // count] for number in range(count)]
    found: dict[str, Example] = {}
    for _ in range(ITEMS * 100):
        example = skill.draw(rng, held_out=True)
        found.setdefault(example.line, example)
        if len(found) == ITEMS:
            break
    return list(found.values())


def items(skill: Skill) -> list[dict[str, Any]]:
    """Return the items of a skill's task, as JSON lines hold them.

    Multiple choice: `prompt`, `choices`, `gold` (index of the right choice); generation: `prompt`, `answer`. Both carry
    the planted `kind` and `difficulty`.
    """
    rng = random.Random(f"{ITEM_SEED} {skill.name}")
    written = []
    for number, example in enumerate(_held_out(skill, rng)):
        item: dict[str, Any] = {"id": f"{skill.name}-{number:03d}", "prompt": example.prompt}
        if skill.wrong is None:
            item["answer"] = example.answer
        else:
            choices = [example.answer, *skill.wrong(example, rng)]
            rng.shuffle(choices)
            item |= {"choices": choices, "gold": choices.index(example.answer)}
        written.append(item | {"kind": example.kind, "difficulty": example.difficulty})
    return written


def held_out_text() -> list[dict[str, Any]]:
    """Return the documents of the held-out loss task; `difficulty` is their length in characters."""
    texts = documents(TEXT_SEED, ITEMS, LONGEST_DOCUMENT)
    return [
        {"id": f"heldout-{n:03d}", "text": text, "kind": f"{text.count(chr(10))} lines", "difficulty": len(text)}
        for n, text in enumerate(texts)
    ]


def task_files() -> dict[str, str]:
    """Return the JSON lines of every task, by the task's name."""
    tables = {f"tiny_{skill.name}": items(skill) for skill in SKILLS} | {HELD_OUT_TASK: held_out_text()}
    return {task: "".join(json.dumps(item) + "\n" for item in table) for task, table in tables.items()}


def write_tasks(folder: Path) -> list[Path]:
    """Write `<task>.jsonl` for every task into `folder`, and return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for task, content in task_files().items():
        path = folder / f"{task}.jsonl"
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(content)
        partial.replace(path)
        written.append(path)
    return written
