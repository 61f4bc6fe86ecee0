"""What scores a task is said in the configuration or in the suite, and is part of the score's identity."""

import numpy as np
import pytest

from predictor.evaluation import evaluate
from predictor.evaluation.suites import load_suite
from predictor.project import load_project
from predictor.results.store import Store
from predictor.results.table_file import read_identity

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def stores(tmp_path_factory, ladder_checkpoints):
    """The whole tiny suite scored by the tree and by lm-eval's `hf`."""
    from tests.evaluation.tiny import write_project

    found = {}
    two = tmp_path_factory.mktemp("two")
    for folder in sorted(ladder_checkpoints.glob("step_*"))[-2:]:
        (two / folder.name).symlink_to(folder)
    for backend in ("tree", "hf"):
        scoring = {"limit": 12, "device": "cpu", "dtype": "float32", "backend": backend}
        folder = tmp_path_factory.mktemp(backend)
        families = {"tiny": {"tokens_per_step": 2048, "checkpoints": f"{two}/step_{{step}}"}}
        runs = {"4k": {"family": "tiny", "params": 4188}}
        project = load_project(write_project(folder, two, scoring=scoring, families=families, runs=runs))
        assert evaluate(project).failed == ()
        found[backend] = Store(project.store_path)
    return found


@pytest.mark.parametrize("task", sorted(load_suite("tiny").tasks))
def test_every_task_of_the_tiny_ladder_scores_as_with_hf(stores, task):
    order = ["step", "doc_id"]
    tree, hf = (stores[name].read_items(task).sort_values(order).reset_index(drop=True) for name in ("tree", "hf"))
    assert len(tree) == len(hf) > 0
    if tree["log_likelihoods"].notna().any():
        ours, theirs = (np.concatenate(one["log_likelihoods"].to_list()) for one in (tree, hf))
        assert np.abs(ours - theirs).max() < 1e-4
        assert [list(one) for one in tree["token_lengths"]] == [list(one) for one in hf["token_lengths"]]
    assert tree["correct"].equals(hf["correct"])
    assert tree["passes"].equals(hf["passes"])


def test_the_backend_is_part_of_the_identity(stores):
    found = {
        name: read_identity(next((store.path / "scores").rglob("tiny_facts-*.parquet")))
        for name, store in stores.items()
    }
    assert {name: identity["backend"] for name, identity in found.items()} == {"tree": "tree", "hf": "hf"}


def test_a_suite_says_the_backend_of_its_tasks(tmp_path):
    path = tmp_path / "suite.yaml"
    path.write_text(
        "backend: hf\ntasks:\n  - {task: a, metric: acc, chance: 0.5}\n"
        "  - {task: b, metric: acc, chance: 0.5, backend: tree}\n"
    )
    assert {name: task.backend for name, task in load_suite(path).tasks.items()} == {"a": "hf", "b": "tree"}


def test_a_backend_that_is_not_installed_fails_its_pairs_with_what_to_do(project_file):
    import importlib.util

    if importlib.util.find_spec("vllm") is not None:
        pytest.skip("vLLM is installed here")
    project = load_project(project_file(scoring={"device": "cpu", "limit": 2, "backend": "vllm"}))
    outcome = evaluate(project, tasks=("tiny_facts",))
    assert {reason for _, reason in outcome.failed} == {
        "the backend vllm is not installed; pip install 'downstream-predictor[vllm]', or set backend: tree"
    }
