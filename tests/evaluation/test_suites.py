"""Suites are read with every mistake told by its line, and the shipped ones name tasks that lm-eval has."""

import subprocess
import sys
import time

import pytest

from predictor.errors import ConfigError
from predictor.evaluation.harness import Harness
from predictor.evaluation.suites import known_tasks, load_suite, shipped_suites
from predictor.project import Scoring

GOOD = """\
name: mine
num_fewshot: 2
tasks:
  - {task: arc_easy, metric: acc, chance: 0.25}
  - {task: wikitext, kind: loss, num_fewshot: 0}
"""


@pytest.fixture
def load(tmp_path):
    def write(text):
        path = tmp_path / "suite.yaml"
        path.write_text(text)
        return load_suite("suite.yaml", tmp_path)

    return write


def test_what_the_suite_says_at_its_top_holds_for_each_task(load):
    suite = load(GOOD)
    assert list(suite.tasks) == ["arc_easy", "loss:wikitext"]
    assert suite.tasks["arc_easy"].num_fewshot == 2
    assert suite.tasks["loss:wikitext"].num_fewshot == 0
    assert suite.tasks["loss:wikitext"].metric == "bpb"


@pytest.mark.parametrize(
    ("good", "bad", "told"),
    [
        ("metric: acc, ", "", ":4: tasks.0.metric is missing; give the headline metric"),
        ("metric: acc", "metrik: acc", ":4: tasks.0.metrik is not a known key; did you mean metric?"),
        ("chance: 0.25", "chance: 25", ":4: tasks.0.chance is 25; give what random guessing scores, in [0, 1)"),
        (", chance: 0.25", "", ":4: tasks.0.chance is missing"),
        ("metric: acc", "metric: acc, backend: hff", ":4: tasks.0.backend is 'hff'; allowed are tree, hf, vllm"),
        ("kind: loss", "kind: los", ":5: tasks.1.kind is 'los'; allowed are choice, generation, loss"),
        ("kind: loss", "kind: loss, metric: acc", ":5: tasks.1.metric does not apply to a loss"),
        ("num_fewshot: 0", "num_fewshot: 1", ":5: tasks.1.num_fewshot does not apply to a loss"),
        ("num_fewshot: 2", "num_fewshot: two", ":4: tasks.0.num_fewshot is 'two'; allowed are whole numbers from 0"),
        ("0.25}", "0.25, limit: 0}", ":4: tasks.0.limit is 0; allowed are whole numbers from 1"),
        ("0.25}", "0.25, items: list.txt}", ":4: tasks.0.items names "),
        ("0.25}", "0.25, data: {test: no.jsonl}}", ":4: tasks.0.data.test names "),
        ("0.25}", "0.25, data: no.jsonl}", ":4: tasks.0.data is 'no.jsonl'; write one `split: file.jsonl`"),
        ("0.25}", "0.25, include_path: nowhere}", ":4: tasks.0.include_path names "),
        (
            "task: wikitext, kind: loss, num_fewshot: 0",
            "task: arc_easy, metric: acc, chance: 0",
            ":5: tasks.1.task arc_easy is listed twice",
        ),
        ("name: mine", "nme: mine", ":1: nme is not a known key; did you mean name?"),
        (GOOD[GOOD.index("tasks:") :], "tasks: arc_easy\n", ":3: tasks is not a list of tasks"),
        (GOOD, "name: mine\n", ": tasks is not a list of tasks"),
    ],
)
def test_each_mistake_is_told_with_its_line(load, good, bad, told):
    assert good in GOOD
    with pytest.raises(ConfigError) as caught:
        load(GOOD.replace(good, bad, 1))
    assert f"suite.yaml{told}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_unknown_suite_is_answered_with_those_there_are():
    with pytest.raises(ConfigError, match=r"unknown suite 'cor'; known are core, generation, orders, tiny; or"):
        load_suite("cor")
    with pytest.raises(ConfigError, match=r"the suite file .*no.yaml does not exist"):
        load_suite("no.yaml")


def test_a_list_of_items_is_read_from_its_file(load, tmp_path):
    (tmp_path / "list.txt").write_text("7\n3\n7\n")
    assert load(GOOD.replace("0.25}", "0.25, items: list.txt}")).tasks["arc_easy"].items == (3, 7)


def test_the_core_suite_is_the_ten_tasks_with_five_examples():
    core = load_suite("core")
    assert set(core.tasks) == {
        "arc_easy",
        "arc_challenge",
        "boolq",
        "commonsense_qa",
        "hellaswag",
        "mmlu",
        "openbookqa",
        "piqa",
        "social_iqa",
        "winogrande",
    }
    assert {task.num_fewshot for task in core.tasks.values()} == {5}


def test_what_is_known_of_tasks_is_learnt_fast_and_without_torch():
    code = (
        "import sys, time; import predictor.evaluation.suites as s; t = time.perf_counter(); k = s.known_tasks();"
        "print(time.perf_counter() - t, 'torch' in sys.modules, 'lm_eval' in sys.modules, k['piqa'].chance)"
    )
    seconds, *rest = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert rest == ["False", "False", "0.5"]
    assert float(seconds) < 0.5
    known_tasks()
    began = time.perf_counter()
    known_tasks()
    assert time.perf_counter() - began < 0.001


@pytest.mark.slow
def test_lm_eval_has_every_task_of_the_shipped_suites_with_its_metric():
    harness = Harness(Scoring())
    index = harness._tasks.manager(None).task_index
    for name in ("core", "generation"):
        for task in load_suite(shipped_suites()[name]).tasks.values():
            assert task.task in index, task.task
            metrics = str(index[task.task].cfg.get("metric_list") or index[task.task].cfg["aggregate_metric_list"])
            expected = "pass_at" if task.metric.startswith("pass@") else task.metric
            assert expected in metrics, task.task
    tiny = harness._tasks.manager(next(iter(load_suite("tiny").tasks.values())).include_path).task_index
    assert {task.task for task in load_suite("tiny").tasks.values()} <= set(tiny)


def test_a_variant_names_another_task_of_its_suite(load):
    entry = "  - {task: arc_challenge, metric: acc, chance: 0.25, variant_of: arc_easy}\n"
    assert load(GOOD + entry).tasks["arc_challenge"].variant_of == "arc_easy"
    with pytest.raises(ConfigError, match=r":6: tasks\.2\.variant_of is 'boolq'; name another task of this suite"):
        load(GOOD + entry.replace("arc_easy}", "boolq}"))
