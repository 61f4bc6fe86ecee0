"""The tiny tasks: items as declared, answers that an independent check agrees with, loadable by lm-eval anywhere."""

import json
import re
from collections import Counter
from pathlib import Path

import pytest

from predictor.ladder import SKILLS
from predictor.ladder.tasks import HELD_OUT_TASK, task_files

TASKS = Path(__file__).parents[2] / "benchmarks" / "tasks"
SHIPPED = {
    path.stem: [json.loads(line) for line in path.read_text().splitlines()] for path in (TASKS / "tiny").glob("*.jsonl")
}
CHOICE = [f"tiny_{skill.name}" for skill in SKILLS if skill.wrong is not None]
GENERATED = [f"tiny_{skill.name}" for skill in SKILLS if skill.wrong is None]


def solve(task: str, prompt: str) -> str:
    """Answer a prompt of an algorithmic task by plain computation."""
    if task == "tiny_addition":
        return str(sum(map(int, prompt.rstrip("=").split("+"))))
    if task == "tiny_reverse":
        return "".join(reversed(prompt.removeprefix("reverse ").rstrip(":")))
    if task == "tiny_sort":
        return "".join(sorted(prompt.removeprefix("sort ").rstrip(":")))
    if task == "tiny_compare":
        left, right = re.findall(r"\d+", prompt)
        return " up." if int(left) < int(right) else " down."
    if task == "tiny_parity":
        return " odd" if sum(map(int, prompt.split()[1])) % 2 else " even"
    if task == "tiny_recall":
        pairs, key = prompt.split(" ? ")
        return {pair[0]: pair[1] for pair in pairs.split()}[key]
    if task == "tiny_brackets":
        left = prompt.rstrip("|")
        while (shorter := re.sub(r"\(\)|\[\]|\{\}|<>", "", left)) != left:
            left = shorter
        return left[::-1].translate(str.maketrans("([{<", ")]}>"))
    raise ValueError(task)


def test_the_shipped_items_are_what_the_generator_writes():
    written = task_files()
    assert sorted(written) == sorted(SHIPPED)
    for task, content in written.items():
        assert (TASKS / "tiny" / f"{task}.jsonl").read_text() == content, task


def test_there_are_at_least_eight_tasks_of_both_output_types_and_a_loss():
    assert len(SHIPPED) >= 9
    assert len(CHOICE) >= 2
    assert len(GENERATED) >= 2
    assert HELD_OUT_TASK in SHIPPED


@pytest.mark.parametrize("task", sorted(SHIPPED))
def test_items_are_enough_distinct_and_of_planted_difficulty(task):
    items = SHIPPED[task]
    assert 300 <= len(items) <= 1000
    assert len({json.dumps({k: v for k, v in item.items() if k != "id"}) for item in items}) == len(items)
    assert len({item["id"] for item in items}) == len(items)
    assert all(isinstance(item["kind"], str) and isinstance(item["difficulty"], int) for item in items)
    if task != "tiny_agreement":
        assert len({item["difficulty"] for item in items}) >= 3


@pytest.mark.parametrize("task", CHOICE)
def test_the_right_choice_is_marked_and_stands_in_no_favoured_place(task):
    items = SHIPPED[task]
    places = Counter(item["gold"] for item in items)
    for item in items:
        assert len(set(item["choices"])) == len(item["choices"])
        assert 0 <= item["gold"] < len(item["choices"])
    size = len(items[0]["choices"])
    assert all(abs(places[place] / len(items) - 1 / size) < 0.1 for place in range(size))


@pytest.mark.parametrize("task", sorted(set(SHIPPED) & {f"tiny_{s.name}" for s in SKILLS if s.catalogue is None}))
def test_an_independent_solver_agrees_with_every_answer(task):
    for item in SHIPPED[task]:
        answer = item["answer"] if "answer" in item else item["choices"][item["gold"]]
        if task in ("tiny_agreement", "tiny_attraction"):
            plural = item["prompt"].split()[1].endswith("s")
            assert answer.rstrip(".").endswith("s") != plural
        else:
            assert answer == solve(task, item["prompt"])


@pytest.mark.slow
def test_lm_eval_finds_and_loads_the_tasks_from_another_directory(tmp_path, monkeypatch):
    tasks = pytest.importorskip("lm_eval.tasks")
    monkeypatch.chdir(tmp_path)
    manager = tasks.TaskManager(include_path=str(TASKS), include_defaults=False)
    names = sorted(SHIPPED)
    loaded = manager.load(names)["tasks"] if hasattr(manager, "load") else tasks.get_task_dict(names, manager)
    assert sorted(loaded) == names
    for name in names:
        assert len(loaded[name].eval_docs) == len(SHIPPED[name])
