"""Several workers give the scores of one; a worker that dies is reported, and the others go on."""

import os
import shutil
import signal
import subprocess
import time

import pandas as pd
import pytest

from predictor.evaluation import evaluate, status
from predictor.project import load_project
from predictor.results.ledger import Ledger
from predictor.results.store import Store
from tests.evaluation.tiny import save_checkpoint

pytestmark = pytest.mark.slow

# A task whose code ends the process that runs it, as a lack of memory would.
DEADLY = """\
task: deadly
custom_dataset: !function deadly.load
output_type: generate_until
test_split: test
doc_to_text: q
doc_to_target: a
process_results: !function deadly.process
metric_list: [{metric: exact_match, aggregation: mean, higher_is_better: true}]
generation_kwargs: {until: ["."], max_gen_toks: 2, do_sample: false}
"""
DEADLY_CODE = """\
import os
import signal

import datasets


def load(**_):
    return {"test": datasets.Dataset.from_list([{"q": "a b", "a": "c"}])}


def process(doc, results):
    os.kill(os.getpid(), signal.SIGKILL)
"""
SUITE = """\
tasks:
  - {task: deadly, include_path: tasks, kind: generation, metric: exact_match, chance: 0.0}
  - {task: tiny_facts, include_path: INCLUDE, metric: acc, chance: 0.25}
"""


def children(pid):
    done = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(line) for line in done.stdout.split()]


def test_two_workers_give_the_scores_of_one(project_file, checkpoints, tmp_path):
    # More checkpoints than workers: one is read while another is scored.
    shutil.copytree(checkpoints, tmp_path / "three")
    save_checkpoint(tmp_path / "three" / "step_30", seed=2)
    tasks = ("tiny_facts", "tiny_heldout")
    one = load_project(project_file(store="one", checkpoints=tmp_path / "three"))
    evaluate(one, tasks=tasks)
    two = load_project(project_file(store="two", checkpoints=tmp_path / "three", executor={"workers": 2}))
    assert len(evaluate(two, tasks=tasks).scored) == 6
    frames = [Store(project.store_path).read_scores()[0].drop(columns="scored_at") for project in (one, two)]
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_a_worker_that_dies_fails_the_pair_in_its_hand_and_no_other(project_file, tmp_path):
    from predictor.evaluation.suites import benchmarks_folder

    (tmp_path / "tasks").mkdir()
    (tmp_path / "tasks" / "deadly.yaml").write_text(DEADLY)
    (tmp_path / "tasks" / "deadly.py").write_text(DEADLY_CODE)
    (tmp_path / "suite.yaml").write_text(SUITE.replace("INCLUDE", str(benchmarks_folder() / "tasks" / "tiny")))
    project = load_project(project_file(suite="suite.yaml", executor={"workers": 2}))
    outcome = evaluate(project)
    assert {(key.step, key.task) for key in outcome.scored} == {(10, "tiny_facts"), (20, "tiny_facts")}
    assert {(key.step, key.task) for key, _ in outcome.failed} == {(10, "deadly"), (20, "deadly")}
    assert {reason for _, reason in outcome.failed} == {"the worker was killed by signal 9; is memory short?"}
    assert status(project).counts() == {"done": 2, "running": 0, "waiting": 0, "failed": 2}


def test_workers_of_a_killed_coordinator_end_and_do_not_score_behind_its_back(
    project_file, command, predictor, tmp_path
):
    config = project_file(executor={"workers": 2})
    process = subprocess.Popen(
        [command, "evaluate", "--config", config], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    )
    while not process.stderr.readline().startswith("Scoring "):
        pass
    workers = children(process.pid)
    assert len(workers) >= 2
    # Only the coordinator: its workers have to notice.
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    deadline = time.monotonic() + 20
    while any(os.path.exists(f"/proc/{worker}") for worker in workers) and time.monotonic() < deadline:  # noqa: PTH110
        time.sleep(0.1)
    assert not [worker for worker in workers if os.path.exists(f"/proc/{worker}")]  # noqa: PTH110
    predictor("evaluate", "--config", config)
    with Ledger(tmp_path / "store" / "ledger.sqlite", read_only=True) as ledger:
        finished = [event["identity"] for event in ledger.events() if event["event"] == "finished"]
    assert len(finished) == len(set(finished)) == 24
