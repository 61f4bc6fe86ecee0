"""A checkpoint whose tensors are not those of its configuration is never scored; wrappers' marks are read over."""

import json
import shutil
from pathlib import Path

import pytest

from predictor.evaluation import evaluate
from predictor.evaluation.plan import Choice
from predictor.project import load_project
from predictor.results.store import Store

WEIGHT = "model.layers.1.mlp.up_proj.weight"


def without(tensors, name):
    return {key: value for key, value in tensors.items() if key != name}


# Step -> what is done to the tensors, what is changed in the configuration, what is said; None where it is scored.
CASES = {
    1: (lambda tensors: without(tensors, WEIGHT), {}, f"the others of run small 26,912 (without {WEIGHT})"),
    2: (
        lambda tensors: {**tensors, "extra.weight": tensors[WEIGHT]},
        {},
        "the others of run small 26,912 (with extra.weight)",
    ),
    3: (
        lambda tensors: {**without(tensors, WEIGHT), "model.layers.1.mlp.up.weight": tensors[WEIGHT]},
        {},
        f"1 missing ({WEIGHT}), 1 unexpected (model.layers.1.mlp.up.weight)",
    ),
    4: (lambda tensors: {**tensors, WEIGHT: tensors[WEIGHT][:-1].clone()}, {}, f"1 of another shape ({WEIGHT})"),
    5: (lambda tensors: without(tensors, "lm_head.weight"), {}, "(without lm_head.weight)"),
    6: (lambda tensors: tensors, {"num_hidden_layers": 3}, "1 of 3 layers missing, first layer 2"),
    7: (lambda tensors: tensors, {"num_hidden_layers": 1}, "which has 1 layers: there is model.layers.1."),
    8: (lambda tensors: {f"student.{name}": value for name, value in tensors.items()}, {}, "unexpected (student."),
    11: (lambda tensors: {f"_orig_mod.{name}": value for name, value in tensors.items()}, {}, None),
    12: (lambda tensors: {f"module._orig_mod.{name}": value for name, value in tensors.items()}, {}, None),
    13: (
        lambda tensors: {
            name.replace("model.layers.1.", "model.layers.1._orig_mod._checkpoint_wrapped_module."): value
            for name, value in tensors.items()
        },
        {},
        None,
    ),
    14: (lambda tensors: {**tensors, "model.layers.0.self_attn.rotary_emb.inv_freq": tensors[WEIGHT][0]}, {}, None),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, checkpoints):
    from safetensors.torch import load_file, save_file

    home = tmp_path_factory.mktemp("misfit")
    for step, (change, config, _) in CASES.items():
        copy = shutil.copytree(checkpoints / "step_10", home / f"step_{step}")
        tensors = {name: value.clone() for name, value in change(load_file(copy / "model.safetensors")).items()}
        save_file(tensors, copy / "model.safetensors", metadata={"format": "pt"})
        said = json.loads((copy / "config.json").read_text())
        (copy / "config.json").write_text(json.dumps({**said, **config}))
    shutil.copytree(checkpoints / "step_10", home / "step_99")
    return home


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["tree", "hf"])
def test_what_does_not_fit_is_refused_by_name_and_the_rest_scored_as_ever(project_file, folder, tmp_path, backend):
    scoring = {"limit": 8, "device": "cpu", "batch_size": 8, "backend": backend}
    runs = {"small": {"family": "random", "schedule_end": 30}}
    project = load_project(project_file(checkpoints=folder, scoring=scoring, runs=runs))
    outcome = evaluate(project, tasks=("tiny_facts",))
    reasons = {key.step: reason for key, reason in outcome.failed}
    reasons |= {step: reason for _, step, reason in outcome.broken}
    assert set(reasons) == {step for step, (_, _, said) in CASES.items() if said}
    for step, (_, _, said) in CASES.items():
        assert said is None or said in reasons[step], reasons[step]
    scores, _, _ = Store(project.store_path).read_scores()
    assert sorted(scores["step"].unique()) == [11, 12, 13, 14, 99]
    # They are the same model under other names.
    assert scores.groupby("metric")["value"].nunique().max() == 1
    assert "of a wrapped model, and are read without it" in "".join(outcome.notes)
    # Nothing is tried again: it would end the same.
    again = evaluate(project, tasks=("tiny_facts",))
    assert (again.failed, again.scored) == ((), ())


@pytest.mark.slow
def test_a_tokenizer_elsewhere_gives_the_scores_of_one_beside_the_weights(project_file, checkpoints, tmp_path):
    for name in ("step_10", "step_20"):
        shutil.copytree(checkpoints / name, tmp_path / "run" / name)
        for path in (tmp_path / "run" / name).glob("tokenizer*"):
            path.rename(tmp_path / "run" / path.name)
    here = load_project(project_file())
    expected = evaluate(here, tasks=("tiny_facts",))
    project = load_project(project_file(checkpoints=tmp_path / "run", store="other"))
    outcome = evaluate(project, tasks=("tiny_facts",))
    # The same content has the same identity wherever it is.
    assert {key.identity for key in outcome.scored} == {key.identity for key in expected.scored}
    values = [Store(place.store_path).read_scores()[0]["value"].tolist() for place in (here, project)]
    assert values[0] == values[1]


@pytest.mark.slow
def test_a_run_without_a_size_has_that_of_its_weights_in_the_store(project_file, tmp_path):
    project = load_project(project_file(runs={"small": {"family": "random"}}))
    evaluate(project, tasks=("tiny_facts",))
    scores, _, _ = Store(project.store_path).read_scores()
    columns = ["params", "params_non_embedding", "params_active", "width", "depth", "vocabulary"]
    sizes = [26_912, 20_640, 26_912, 32, 2, 98]
    assert scores[columns].drop_duplicates().to_numpy().tolist() == [sizes]
    runs = Store(project.store_path).read_runs()
    assert runs[columns].to_numpy().tolist() == [sizes]
    assert Store(project.store_path).sizes() == {"small": 26_912}
    # Checkpoints that were taken away since leave their sizes behind.
    moved = load_project(project_file(runs={"small": {"family": "random"}}, checkpoints=_one(tmp_path)))
    evaluate(moved, tasks=("tiny_facts",))
    assert Store(project.store_path).read_runs()["params"].tolist() == [26_912]


@pytest.mark.slow
def test_pickled_weights_are_checked_alike(project_file, checkpoints, tmp_path):
    import torch
    from safetensors.torch import load_file

    for step, change in (
        (1, lambda tensors: tensors),
        (2, lambda tensors: without(tensors, WEIGHT)),
        (3, lambda tensors: {f"module._orig_mod.{name}": value for name, value in tensors.items()}),
    ):
        folder = shutil.copytree(checkpoints / "step_10", tmp_path / "ck" / f"step_{step}")
        torch.save(change(load_file(folder / "model.safetensors")), folder / "pytorch_model.bin")
        (folder / "model.safetensors").unlink()
    runs = {"small": {"family": "random", "params": 26_912, "pickled_weights": True}}
    project = load_project(project_file(checkpoints=tmp_path / "ck", runs=runs))
    outcome = evaluate(project, tasks=("tiny_facts",))
    assert sorted(key.step for key in outcome.scored) == [1, 3]
    ((key, reason),) = outcome.failed
    assert key.step == 2
    assert f"1 missing ({WEIGHT})" in reason
    scores, _, _ = Store(project.store_path).read_scores()
    assert scores.groupby("metric")["value"].nunique().max() == 1
    # Pickled weights do not say how large they are.
    unstated = load_project(
        project_file(checkpoints=tmp_path / "ck", runs={"small": {"family": "random", "pickled_weights": True}})
    )
    assert {reason for *_, reason in evaluate(unstated, tasks=("tiny_facts",)).broken} == {
        "its files do not say how many parameters it has: state params in checkpoints.yaml"
    }


def spoilt_ladder(folder, checkpoints):
    """Two whole checkpoints among folders that are spoilt in every way; the steps of the whole ones."""
    for step in (10, 20):
        shutil.copytree(checkpoints / f"step_{step}", folder / f"step_{step}")
    for step, name, content in (
        (30, "config.json", "[" * 100_000),
        (40, "model.safetensors.index.json", '{"weight_map": {"a": null}}'),
        (50, "model.safetensors.index.json", json.dumps({"weight_map": {"a": "x" * 300}})),
        (60, "model.safetensors", "no header"),
    ):
        copy = shutil.copytree(checkpoints / "step_10", folder / f"step_{step}")
        (copy / name).write_text(content)
    shutil.copytree(checkpoints / "step_10", folder / f"step_{'9' * 30}")
    for name in ("step_70", "step_070"):
        shutil.copytree(checkpoints / "step_10", folder / name)
    copy = shutil.copytree(checkpoints / "step_10", folder / "step_80")
    # A folder where a file should be is seen only when it is hashed.
    (copy / "special_tokens_map.json").mkdir()
    return folder


@pytest.mark.slow
def test_spoilt_folders_do_not_keep_the_others_from_being_scored(project_file, checkpoints, tmp_path):
    project = load_project(project_file(checkpoints=spoilt_ladder(tmp_path / "ck", checkpoints)))
    outcome = evaluate(project, tasks=("tiny_facts",))
    assert sorted(key.step for key in outcome.scored) == [10, 20]
    assert {step for _, step, _ in outcome.incomplete} == {30, 40, 50, 60, 80}
    assert {step for _, step, _ in outcome.broken} == {70, int("9" * 30)}
    assert outcome.failed == ()


@pytest.mark.slow
def test_spoilt_folders_do_not_keep_watch_from_scoring_the_others(project_file, checkpoints, tmp_path):
    from predictor.evaluation.watch import Stopped, watch

    project = load_project(project_file(checkpoints=spoilt_ladder(tmp_path / "ck", checkpoints)))
    looks, lines = [], []

    def after(outcome):
        looks.append(outcome)
        raise Stopped

    with pytest.raises(Stopped):
        watch(project, choice=Choice(tasks=("tiny_facts",)), tell=lines.append, after=after)
    assert sorted(key.step for key in looks[0].scored) == [10, 20]
    assert not any("this look failed" in line for line in lines)


def _one(folder: Path) -> Path:
    (folder / "ck" / "step_30").mkdir(parents=True)
    return folder / "ck"
