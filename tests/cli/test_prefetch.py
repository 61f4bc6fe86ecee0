"""`predictor prefetch` names what nodes without a network would miss."""

import json

import pytest

from predictor.evaluation.suites import benchmarks_folder


@pytest.mark.slow
def test_what_is_missing_offline_is_named(predictor, tmp_path):
    tiny = benchmarks_folder() / "tasks" / "tiny"
    (tmp_path / "suite.yaml").write_text(
        "tasks:\n"
        f"  - {{task: tiny_facts, include_path: {tiny}, metric: acc, chance: 0.25}}\n"
        "  - {task: arc_easy, metric: acc, chance: 0.25}\n"
    )
    project = {
        "suite": "suite.yaml",
        "families": {"f": {"tokens_per_step": 1, "checkpoints": "org/model@step*"}},
        "runs": {"a": {"family": "f", "params": 1}},
    }
    (tmp_path / "checkpoints.yaml").write_text(json.dumps(project))
    done = predictor("prefetch", "--check", expect=1, cwd=tmp_path)
    missing = [line for line in done.stdout.splitlines() if line.startswith("missing: ")]
    assert missing[0].startswith("missing: task arc_easy: task arc_easy cannot be loaded")
    assert missing[1] == "missing: run a: no revision of org/model@step* is there"
    assert done.stdout.splitlines()[-1] == "1 tasks and 0 checkpoints are there, 2 missing"
