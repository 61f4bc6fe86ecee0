"""Scores that W&B and MLflow were given come back from their own local stores, at the steps where they were logged."""

import math
import os
import time

import pytest

from predictor.errors import InputError
from predictor.results.formats import open_format
from predictor.results.formats.tracked import place_of
from predictor.results.formats.wandb_log import read_wandb_log
from predictor.results.importing import Given, detect_format, import_results
from predictor.results.readers import read_results


def read(form, path):
    reader = open_format(form)
    if form == "wandb":
        wait_until_written(reader.sources(path))
    return [model for source in reader.sources(path) for model in reader.read(source)]


def wait_until_written(sources, seconds=60):
    """Wait for the process behind W&B, which may still write when a run is finished."""
    end = time.monotonic() + seconds
    while any(read_wandb_log(source).exit_code is None for source in sources) and time.monotonic() < end:
        time.sleep(0.1)


def points_of(models):
    """Step, tokens -> task, metric -> value, of all models."""
    return {
        (model.facts.step, model.facts.tokens): {(score.task, score.metric): score.value for score in model.scores}
        for model in models
    }


@pytest.fixture
def wandb_run(tmp_path, monkeypatch):
    """Start a run of W&B that writes below `tmp_path` and asks no server."""
    wandb = pytest.importorskip("wandb", reason="wandb is not installed: pip install 'downstream-predictor[wandb]'")
    for name, value in {
        "WANDB_SILENT": "true",
        "WANDB_CONFIG_DIR": str(tmp_path),
        "WANDB_CACHE_DIR": str(tmp_path),
    }.items():
        monkeypatch.setitem(os.environ, name, value)

    def start(name="70m", **options):
        (tmp_path / "runs").mkdir(exist_ok=True)
        return wandb.init(
            project="p", name=name, dir=str(tmp_path / "runs"), mode="offline", reinit="create_new", **options
        )

    return start


@pytest.fixture
def mlflow_client():
    return pytest.importorskip(
        "mlflow", reason="mlflow is not installed: pip install 'downstream-predictor[mlflow]'"
    ).MlflowClient


def mlflow_run(client, name, params=None):
    known = client.get_experiment_by_name("e")
    experiment = known.experiment_id if known else client.create_experiment("e")
    run = client.create_run(experiment, run_name=name).info.run_id
    for key, value in (params or {}).items():
        client.log_param(run, key, value)
    return run


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("eval/arc_easy/acc_norm", ("arc_easy", "acc_norm", None, None)),
        ("arc_easy/acc", ("arc_easy", "acc", None, None)),
        ("mmlu_5shot/acc", ("mmlu", "acc", None, 5)),
        ("arc:challenge|25/acc", ("arc_challenge", "acc", None, 25)),
        ("leaderboard|arc/challenge|25/acc", ("arc_challenge", "acc", None, 25)),
        ("gsm8k|5/em", ("gsm8k", "exact_match", None, 5)),
        ("humaneval/pass_at_1", ("humaneval", "pass@1", None, None)),
        ("gsm8k/exact_match,strict-match", ("gsm8k", "exact_match", "strict-match", None)),
        ("loss_c4/bpb", ("loss:c4", "bpb", None, None)),
        ("wikitext/bits_per_byte", ("loss:wikitext", "bpb", None, None)),
        ("train/loss", None),
        ("eval/acc", None),
        ("acc", None),
        ("arc_easy/acc_stderr", None),
        ("optim/grad_norm", None),
    ],
)
def test_a_score_is_named_by_task_and_metric(name, place):
    assert place_of(name) == place


def test_scores_of_wandb_come_back_at_their_steps(tmp_path, wandb_run):
    run = wandb_run(config={"model": {"n_params": 70_000_000}})
    for step in (100, 200):
        run.log({"train/loss": 3.0, "tokens_seen": step * 2048}, step=step - 1)
        run.log(
            {"eval/arc_easy/acc": step / 1000, "eval/arc_easy/acc_stderr": 0.01, "tokens_seen": step * 2048}, step=step
        )
    run.finish()
    models = read("wandb", tmp_path)
    assert points_of(models) == {
        (100, 204_800): {("arc_easy", "acc"): 0.1},
        (200, 409_600): {("arc_easy", "acc"): 0.2},
    }
    assert {(model.name, model.facts.run, model.facts.params) for model in models} == {("70m", "70m", 70_000_000)}
    assert models[0].scores[0].stderr == 0.01
    assert [str(entry) for entry in models[0].left_out] == [
        "70m: train/loss (1 series) left out: no score of a benchmark"
    ]
    assert detect_format(tmp_path) == "wandb"


def test_a_count_of_evaluations_is_not_taken_for_a_step(tmp_path, wandb_run):
    run = wandb_run("counted")
    for value in (0.25, 0.5):
        run.log({"arc_easy/acc": value})
    run.finish()
    stated = wandb_run("stated")
    for step, value in ((1000, 0.25), (2000, 0.5)):
        stated.log({"arc_easy/acc": value, "step": step})
    stated.finish()
    found = {
        name: points_of(model for model in read("wandb", tmp_path) if model.name == name)
        for name in ("counted", "stated")
    }
    assert found["counted"].keys() == {(None, None)}
    assert found["stated"].keys() == {(1000, None), (2000, None)}


def test_messages_longer_than_a_block_and_values_that_are_no_numbers_are_read(tmp_path, wandb_run):
    run = wandb_run(config={"notes": "x" * 200_000})
    run.log({"arc_easy/acc": float("nan"), "piqa/acc": "high", "boolq/acc": 0.5}, step=7)
    run.finish()
    (model,) = read("wandb", tmp_path)
    values = {score.task: score.value for score in model.scores}
    assert math.isnan(values["arc_easy"])
    assert values["boolq"] == 0.5
    assert "piqa/acc left out: its value 'high' is no number" in map(str, model.left_out)


def test_a_file_that_is_cut_off_gives_what_was_written(tmp_path, wandb_run):
    run = wandb_run()
    for step in range(1, 2000):
        run.log({"arc_easy/acc": step / 2000, "lr": 0.1}, step=10 * step)
    run.finish()
    (path,) = tmp_path.rglob("*.wandb")
    assert len(read("wandb", path)) == 1999
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert 100 < len(open_format("wandb").read(path)) < 1999


def test_two_runs_of_one_name_are_never_one_model(tmp_path, wandb_run):
    for value in (0.25, 0.5):
        run = wandb_run("same")
        run.log({"arc_easy/acc": value, "tokens": 1000, "step": 10})
        run.finish()
    wait_until_written(open_format("wandb").sources(tmp_path))
    with pytest.raises(InputError, match="2 models would be one checkpoint"):
        import_results("wandb", tmp_path, tmp_path / "store", Given(params=1e6))


@pytest.mark.parametrize("kind", ["database", "folder"])
def test_scores_of_mlflow_come_back_at_their_steps(tmp_path, mlflow_client, monkeypatch, kind):
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    path = tmp_path / ("mlflow.db" if kind == "database" else "mlruns")
    client = mlflow_client(f"sqlite:///{path}" if kind == "database" else path.as_uri())
    run = mlflow_run(client, "70m", {"model.num_parameters": "70000000"})
    for step in (100, 200):
        client.log_metric(run, "arc_easy/acc", step / 1000, step=step)
        client.log_metric(run, "arc_easy/acc_stderr", 0.01, step=step)
        client.log_metric(run, "train/loss", 3.0, step=step)
    client.log_metric(run, "arc_easy/acc", 0.5, step=200)
    gone = mlflow_run(client, "gone")
    client.log_metric(gone, "arc_easy/acc", 0.9, step=1)
    client.delete_run(gone)
    monkeypatch.delenv("MLFLOW_ALLOW_FILE_STORE")
    models = read("mlflow", path)
    assert points_of(models) == {(100, None): {("arc_easy", "acc"): 0.1}, (200, None): {("arc_easy", "acc"): 0.5}}
    assert {(model.name, model.facts.params) for model in models} == {("70m", 70_000_000)}
    assert "70m arc_easy acc 0.2 left out: it was logged again at the same step" in {
        str(entry) for model in models for entry in model.left_out
    }
    assert detect_format(tmp_path) == "mlflow"
    assert "MLFLOW_ALLOW_FILE_STORE" not in os.environ


def test_mlflow_without_steps_states_none(tmp_path, mlflow_client):
    client = mlflow_client(f"sqlite:///{tmp_path}/mlflow.db")
    client.log_metric(mlflow_run(client, "70m"), "arc_easy/acc", 0.5)
    assert points_of(read("mlflow", tmp_path)).keys() == {(None, None)}


@pytest.mark.parametrize("axis", ["step", "tokens"])
@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_what_our_own_trackers_wrote_is_read_back(tmp_path, wandb_run, mlflow_client, name, axis):
    from types import SimpleNamespace

    from predictor.evaluation.trackers import Point, _Mlflow, _Wandb

    if name == "wandb":
        settings = SimpleNamespace(project="p", entity=None, folder="runs", offline=True)
        tracker = _Wandb(settings, axis, tmp_path)
    else:
        tracker = _Mlflow(SimpleNamespace(uri="sqlite:///mlflow.db", experiment="e"), axis, tmp_path)
    for at in (2000, 1000):
        tracker.send(Point("70m", at, {"arc_easy/acc": at / 4000, "loss_c4/bpb": 1.0}))
        tracker.send(Point("70m", at, {"piqa/acc": 0.25}))
    tracker.close()
    models = read(name, tmp_path)
    assert {model.facts.run for model in models} == {"70m"}
    place = (lambda at: (at, None)) if axis == "step" else (lambda at: (None, at))
    assert points_of(models) == {
        place(at): {("arc_easy", "acc"): at / 4000, ("loss:c4", "bpb"): 1.0, ("piqa", "acc"): 0.25}
        for at in (1000, 2000)
    }


def test_an_import_of_wandb_is_a_results_table(tmp_path, wandb_run):
    run = wandb_run(config={"params": 1_000_000})
    for step in (10, 20):
        run.log({"arc_easy/acc": step / 100, "tokens": step * 1000}, step=step)
    run.finish()
    wait_until_written(open_format("wandb").sources(tmp_path))
    import_results("wandb", tmp_path / "runs", tmp_path / "store")
    evals = read_results(tmp_path / "store").evals
    assert evals[["run", "params", "step", "tokens", "value"]].to_dict("records") == [
        {"run": "70m", "params": 1_000_000, "step": step, "tokens": step * 1000, "value": step / 100}
        for step in (10, 20)
    ]


def test_other_files_are_not_taken_for_runs(tmp_path):
    (tmp_path / "run-a.wandb").write_bytes(b"no run")
    (tmp_path / "mlflow.db").write_bytes(b"no database")
    (tmp_path / "meta.yaml").write_text("a: 1\n")
    assert not any(open_format("wandb").recognises(source) for source in open_format("wandb").sources(tmp_path))
    assert not any(open_format("mlflow").recognises(source) for source in open_format("mlflow").sources(tmp_path))
