"""An upgrade of lm-eval scores nothing anew unasked: its cost is said, and the scores of before keep their identity."""

import importlib.metadata

import pytest

from predictor.evaluation import evaluate, status
from predictor.evaluation.identity import versions
from predictor.project import load_project
from predictor.results.store import Store
from predictor.results.table_file import read_identity
from tests.evaluation.tiny import save_checkpoint, write_project

TASK = "tiny_facts"


@pytest.fixture
def project(tmp_path):
    save_checkpoint(tmp_path / "ladder" / "step_10")
    return load_project(write_project(tmp_path, tmp_path / "ladder"))


@pytest.fixture
def install(monkeypatch):
    """Have lm-eval be of another version."""
    real = importlib.metadata.version

    def install(version):
        monkeypatch.setattr(importlib.metadata, "version", lambda name: version if name == "lm_eval" else real(name))
        versions.cache_clear()

    yield install
    versions.cache_clear()


def identities(project):
    return set(Store(project.store_path).read_scores()[0]["identity"])


def test_scores_are_kept_over_an_upgrade_and_new_ones_join_them_until_it_is_told_otherwise(project, install, tmp_path):
    (before,) = (key.identity for key in evaluate(project, tasks=[TASK]).scored)
    old = importlib.metadata.version("lm_eval")
    install("99.0")
    save_checkpoint(tmp_path / "ladder" / "step_20", seed=1)
    outcome = evaluate(project, tasks=[TASK])
    assert [(key.step, key.identity) for key in outcome.found] == [(10, before)]
    assert [key.step for key in outcome.scored] == [20]
    (note,) = (note for note in outcome.notes if "lm-eval" in note)
    assert note.startswith(f"1 scores have the protocol of lm-eval {old}, which is 99.0 now: they are kept")
    assert "'predictor evaluate --new-version' scores them anew, in about " in note
    # What is new says which version made it, under an identity that names the one of before.
    (new,) = outcome.scored
    parts = read_identity(Store(project.store_path).pair_path("scores", new.run, 20, TASK, new.identity))
    assert (parts["scored_with"], parts["lm_eval"]) == ("99.0", old)
    assert status(project, tasks=[TASK]).counts() == {"done": 2, "running": 0, "waiting": 0, "failed": 0}

    again = evaluate(project, tasks=[TASK], new_version=True, dry_run=True)
    assert [key.step for key in again.planned] == [10, 20]
    assert evaluate(project, tasks=[TASK]).planned == ()
    assert len(evaluate(project, tasks=[TASK], new_version=True).scored) == 2
    assert before not in identities(project)
    outcome = evaluate(project, tasks=[TASK])
    assert (len(outcome.found), outcome.planned, [note for note in outcome.notes if "lm-eval" in note]) == (2, (), [])


def test_a_task_that_the_new_version_defines_otherwise_is_not_mixed_with_its_earlier_scores(
    project, install, tmp_path, monkeypatch
):
    (before,) = (key.identity for key in evaluate(project, tasks=[TASK]).scored)
    install("99.0")
    monkeypatch.setattr("predictor.evaluation.task_loading._prompt_of", lambda task: "another prompt")
    save_checkpoint(tmp_path / "ladder" / "step_20", seed=1)
    outcome = evaluate(project, tasks=[TASK])
    assert (outcome.scored, [key.identity for key in outcome.found]) == ((), [before])
    ((key, reason),) = outcome.failed
    assert key.step == 20
    assert f"task {TASK} of lm-eval 99.0 differs from that of lm-eval" in reason
    assert "or score all anew with 'predictor evaluate --new-version'" in reason
    assert not outcome.is_whole
    assert len(evaluate(project, tasks=[TASK], new_version=True).scored) == 2
    assert status(project, tasks=[TASK]).counts() == {"done": 2, "running": 0, "waiting": 0, "failed": 0}
