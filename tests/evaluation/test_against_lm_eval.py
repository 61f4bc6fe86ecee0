"""Our scores are those of the `lm_eval` command line, exactly."""

import json
import subprocess
import sys

import pytest

from predictor.evaluation import evaluate
from predictor.evaluation.suites import benchmarks_folder
from predictor.project import load_project
from predictor.results.store import Store

pytestmark = pytest.mark.slow

TASKS = ("tiny_facts", "tiny_brackets", "tiny_addition", "tiny_heldout")


@pytest.fixture(scope="module")
def lm_eval(tmp_path_factory, checkpoints):
    """Run the `lm_eval` command line on a checkpoint; gives its results by task."""

    def run(tasks, batch_size=8):
        out = tmp_path_factory.mktemp("lm_eval")
        arguments = [
            "--model",
            "hf",
            "--model_args",
            f"pretrained={checkpoints / 'step_10'}",
            "--tasks",
            ",".join(tasks),
        ]
        arguments += ["--include_path", str(benchmarks_folder() / "tasks" / "tiny"), "--limit", "40", "--device", "cpu"]
        arguments += ["--batch_size", str(batch_size), "--output_path", str(out)]
        done = subprocess.run(
            [sys.executable, "-m", "lm_eval", *arguments], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        (path,) = out.rglob("results_*.json")
        return json.loads(path.read_text())["results"]

    return run


def ours(project_file, tasks, batch_size=8):
    project = load_project(project_file(scoring={"limit": 40, "device": "cpu", "batch_size": batch_size}))
    outcome = evaluate(project, tasks=tasks)
    assert outcome.failed == ()
    scores, _, _ = Store(project.store_path).read_scores()
    scores = scores[scores["step"] == 10]
    return {
        (row["task"].removeprefix("loss:"), row["metric"]): (row["value"], row["stderr"])
        for row in scores.to_dict("records")
    }


def compare(results, scores):
    compared = 0
    for task, metrics in results.items():
        for key, value in metrics.items():
            metric, comma, _ = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            ours_value, ours_stderr = scores[task, metric]
            assert ours_value == value, (task, metric)
            stderr = metrics[key.replace(",", "_stderr,", 1)]
            assert ours_stderr == stderr or (stderr == "N/A" and ours_stderr != ours_stderr), (task, metric)
            compared += 1
    return compared


def test_scores_equal_those_of_the_command_line_task_by_task(project_file, lm_eval):
    scores = ours(project_file, TASKS)
    counts = [compare(lm_eval([task]), scores) for task in ("tiny_brackets", "tiny_heldout")]
    assert counts == [2, 3]


def test_scores_equal_those_of_the_command_line_with_all_tasks_in_one_call(project_file, lm_eval):
    # lm-eval then batches requests of different tasks together, which can change the last bits of a log-likelihood
    # but, with the same batch size, changed none of the metrics that it reports.
    assert compare(lm_eval(TASKS), ours(project_file, TASKS)) == 2 + 2 + 1 + 3
