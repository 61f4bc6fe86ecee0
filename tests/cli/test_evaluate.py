"""`predictor evaluate`: what is wrong is one line, what is right is scored once."""

import json

import pytest

from predictor.evaluation.presence import store_lock
from predictor.results.store import Store
from tests.evaluation.tiny import save_checkpoint, write_project


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    save_checkpoint(folder / "step_10")
    (folder / "step_20").mkdir()
    return folder


@pytest.fixture
def config(tmp_path, checkpoints):
    return write_project(tmp_path, checkpoints)


def test_a_missing_configuration_is_one_line(refused):
    assert "checkpoints.yaml does not exist; give the file with --config" in refused("evaluate", "--once")


def test_a_wrong_configuration_is_one_line(refused, tmp_path, checkpoints):
    path = write_project(tmp_path, checkpoints, exekutor={"workers": 2})
    assert "exekutor is not a known key; did you mean executor?" in refused("evaluate", "--config", path)


@pytest.mark.parametrize(
    ("option", "name", "told"),
    [
        ("--task", "tiny_fact", "unknown task 'tiny_fact' in the suite tiny; did you mean tiny_facts"),
        ("--run", "smal", "unknown run 'smal'; did you mean small?"),
        ("--limit", "0", "0 is not in the range x>=1"),
        ("--store", "/dev/null/store", "the store /dev/null/store cannot be made"),
    ],
)
def test_a_wrong_option_is_one_line(refused, config, option, name, told):
    assert told in refused("evaluate", "--config", config, option, name)


def test_an_unknown_suite_is_one_line(refused, tmp_path, checkpoints):
    path = write_project(tmp_path, checkpoints, suite="cor")
    assert "unknown suite 'cor'; known are core, generation, orders, tiny" in refused("evaluate", "--config", path)


def test_a_store_in_use_is_one_line(refused, config, tmp_path):
    Store(tmp_path / "store").create()
    with store_lock(tmp_path / "store"):
        assert "is in use by process" in refused("evaluate", "--config", config)


@pytest.mark.slow
def test_it_scores_once_and_leaves_half_written_checkpoints_alone(predictor, config):
    options = ("evaluate", "--once", "--config", config, "--task", "tiny_facts")
    dry = predictor(*options, "--dry-run")
    assert dry.stdout.splitlines() == ["small step 10, tiny_facts", "1 pairs missing, 0 done before"]
    first = predictor(*options)
    assert first.stdout == "1 pairs scored, 0 done before, 0 failed\n"
    assert "left alone: small step 20: the folder is empty" in first.stderr
    second = predictor(*options, "--json", "-")
    done = json.loads(second.stdout)
    assert done["scored"] == []
    assert [(pair["run"], pair["step"], pair["task"]) for pair in done["found"]] == [("small", 10, "tiny_facts")]
    assert done["incomplete"] == [{"run": "small", "step": 20, "reason": "the folder is empty"}]


@pytest.mark.slow
def test_a_failure_is_told_and_makes_the_exit_code_one(predictor, tmp_path):
    folder = save_checkpoint(tmp_path / "broken" / "step_1")
    (folder / "config.json").write_text('{"model_type": "nothing_known"}')
    config = write_project(tmp_path, tmp_path / "broken")
    done = predictor("evaluate", "--config", config, "--task", "tiny_facts", expect=1)
    assert done.stdout == "0 pairs scored, 0 done before, 1 failed\n"
    assert "failed: 1 pair: the checkpoint " in done.stderr
    assert "Traceback" not in done.stderr
    # It is given up after three times, and never green.
    for _ in range(3):
        last = predictor("evaluate", "--config", config, "--task", "tiny_facts", expect=1)
    assert last.stdout == "0 pairs scored, 0 done before, 0 failed\n"
    assert "given up: small step 1, tiny_facts" in last.stderr
