"""From a tree of checkpoints to a project: runs, steps, sizes and tokens as the folders say."""

import json
import os
import shutil

import jsonschema
import pytest
import yaml

from predictor.checkpoints.describe import Wanted, describe, project_of
from predictor.checkpoints.discovery import find_checkpoints
from predictor.checkpoints.scan import scan
from predictor.errors import ConfigError, InputError
from predictor.project import Project, load_project
from tests.conftest import ROOT

LADDER = ROOT / "benchmarks" / "ladder"
# As the ladder itself was described, in ladder.json.
SIZES = {"4k": 4188, "9k": 8874, "15k": 15288, "33k": 33300, "66k": 66150, "133k": 133380, "target": 608496}


def place(source, folder):
    shutil.copytree(LADDER / source, folder)
    for path in folder.rglob("*"):
        os.utime(path, (0, 0))
    return folder


def test_runs_steps_and_sizes_of_the_ladder():
    found = scan(LADDER)
    assert {run.name: run.model.params for run in found.runs} == SIZES
    assert next(run.steps for run in found.runs if run.name == "4k") == (153, 305, 610, 1220, 2441, 4882)
    described = json.loads((LADDER / "4k" / "run.json").read_text())
    assert found.runs[0].training.tokens_per_step == described["tokens_per_step"]
    assert found.runs[0].training.schedule_end == described["steps_planned"]


def test_the_file_finds_what_the_project_of_the_repository_finds(tmp_path):
    (tmp_path / "checkpoints.yaml").write_text(describe(scan(LADDER), Wanted(suite="tiny", family="tiny"), tmp_path))
    roles = ("ladder", "target")
    ours, theirs = (
        {(one.run, one.step): (one.params, one.params_non_embedding, one.tokens, one.path.resolve()) for one in found}
        for found in (
            find_checkpoints(load_project(tmp_path / "checkpoints.yaml"), roles=roles),
            find_checkpoints(load_project(ROOT / "checkpoints.yaml"), roles=roles),
        )
    )
    assert ours == theirs


@pytest.mark.parametrize(
    ("folder", "name", "pattern"),
    [
        ("base/checkpoint-200/hf", "base", "base/checkpoint-{step}/hf"),
        ("base/checkpoints/iter_0000200", "base", "base/checkpoints/iter_{step}"),
        ("base/0000200", "base", "base/{step}"),
        ("base-1b/step200-tokens4B", "base-1b", "base-1b/step{step}-tokens{tokens}"),
        ("007/step_200", "007", "007/step_{step}"),
    ],
)
def test_ways_to_name_folders(tmp_path, folder, name, pattern):
    place("4k/step_153", tmp_path / folder)
    (run,) = scan(tmp_path).runs
    assert (run.name, run.pattern, run.steps) == (name, pattern, (200,))
    project = project_of(scan(tmp_path), Wanted(suite="tiny", tokens_per_step=None if run.in_name else 1000))
    (checkpoint,) = find_checkpoints(project)
    assert (checkpoint.run, checkpoint.step) == (name, 200)
    assert checkpoint.tokens == (4 * 10**9 if run.in_name else 200_000)
    assert checkpoint.params == SIZES["4k"]


def test_tokens_that_nothing_states_are_asked_for(tmp_path):
    place("4k/step_153", tmp_path / "base" / "step_153")
    with pytest.raises(ConfigError, match="nothing states the training tokens of base; give --tokens-per-step"):
        project_of(scan(tmp_path), Wanted(suite="tiny"))
    text = describe(scan(tmp_path), Wanted(suite="tiny"), tmp_path)
    assert "# tokens_per_step: 4M   # not found" in text
    (tmp_path / "base" / "train.yaml").write_text("data: {seq_length: 128}\nglobal_batch_size: 16\nmax_steps: 500\n")
    (run,) = scan(tmp_path).runs
    assert (run.training.tokens_per_step, run.training.schedule_end) == (128 * 16, 500)


def test_two_runs_of_one_name_keep_apart(tmp_path):
    for parent in ("web", "mix"):
        place("4k/step_153", tmp_path / parent / "1b" / "step_153")
    assert {run.name for run in scan(tmp_path).runs} == {"web-1b", "mix-1b"}


def test_folders_without_checkpoints_are_refused(tmp_path):
    with pytest.raises(InputError, match="holds no checkpoint of transformers"):
        scan(tmp_path)
    place("4k/step_153", tmp_path / "final")
    with pytest.raises(InputError, match="final: its path has no step"):
        scan(tmp_path)


def test_the_schema_takes_what_the_program_takes():
    values = yaml.safe_load((ROOT / "checkpoints.yaml").read_text())
    schema = Project.model_json_schema()
    jsonschema.validate(values, schema)
    jsonschema.validate({**values, "target": {"family": "tiny", "params": "7B", "tokens": "1.5T"}}, schema)
    for wrong in ({"suit": "tiny"}, {"runs": {}}, {"offline": "maybe"}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({**values, **wrong}, schema)
