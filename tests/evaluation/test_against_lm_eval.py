"""Our scores are those of the `lm_eval` command line: of `hf` exactly, of `tree` to the digits that float32 carries."""

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


def ours(project_file, tasks, backend):
    scoring = {"limit": 40, "device": "cpu", "batch_size": 8, "backend": backend}
    project = load_project(project_file(scoring=scoring))
    outcome = evaluate(project, tasks=tasks)
    assert outcome.failed == ()
    scores, _, _ = Store(project.store_path).read_scores()
    scores = scores[scores["step"] == 10]
    return {
        (row["task"].removeprefix("loss:"), row["metric"]): (row["value"], row["stderr"])
        for row in scores.to_dict("records")
    }


def compare(results, scores, tolerance=0.0):
    compared = 0
    for task, metrics in results.items():
        for key, value in metrics.items():
            metric, comma, _ = key.partition(",")
            if not comma or metric.endswith("_stderr"):
                continue
            ours_value, ours_stderr = scores[task, metric]
            # Shares of items are equal whatever scored them; perplexities follow from each log-likelihood's last digit.
            allowed = 0.0 if metric in ("acc", "acc_norm", "exact_match") else tolerance
            assert ours_value == pytest.approx(value, rel=allowed, abs=0), (task, metric)
            stderr = metrics[key.replace(",", "_stderr,", 1)]
            assert ours_stderr == stderr or (stderr == "N/A" and ours_stderr != ours_stderr), (task, metric)
            compared += 1
    return compared


def test_scores_of_hf_equal_those_of_the_command_line_task_by_task(project_file, lm_eval):
    scores = ours(project_file, TASKS, "hf")
    counts = [compare(lm_eval([task]), scores) for task in ("tiny_brackets", "tiny_heldout")]
    assert counts == [2, 3]


def test_scores_of_the_tree_equal_those_of_hf_on_the_command_line(project_file, lm_eval):
    # The command line has all tasks in one call, and so batches requests of different tasks together.
    assert compare(lm_eval(TASKS), ours(project_file, TASKS, "tree"), 1e-6) == 2 + 2 + 1 + 3
