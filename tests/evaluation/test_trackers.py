"""Scores reach the trackers on the run's axis, in whatever order they come, each of them once."""

import json

import pytest

from predictor.evaluation.trackers import Trackers
from predictor.project import load_project
from predictor.results.ledger import Ledger, PairKey
from predictor.results.store import Store
from tests.results.scored import pair

STEPS = (30, 10, 20)


@pytest.fixture
def scored(tmp_path):
    """Three pairs in a store, the latest checkpoint first; gives what sends them to the trackers of a configuration."""
    store, keys = Store(tmp_path / "store"), []
    for step in STEPS:
        scores, items, identity = pair(task="loss:pile", step=step, value=step / 100, checkpoint=f"c{step}")
        store.write(scores, items, identity)
        keys.append(PairKey(str(scores["identity"][0]), "a", step, "loss:pile"))

    def send(**trackers):
        family = {"tokens_per_step": 100, "checkpoints": "step_{step}"}
        runs = {"a": {"family": "f", "params": 1000}}
        content = {"suite": "tiny", "families": {"f": family}, "runs": runs, "trackers": trackers}
        (tmp_path / "checkpoints.yaml").write_text(json.dumps(content))
        told = []
        with (
            Ledger(tmp_path / "ledger.sqlite") as ledger,
            Trackers(load_project(tmp_path / "checkpoints.yaml"), store, ledger, told.append) as all_of_them,
        ):
            for key in keys:
                all_of_them.send([key])
        return told

    return send


def test_tensorboard_has_each_score_at_its_tokens(scored, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for _ in range(2):
        assert scored(axis="tokens", tensorboard={"folder": "boards"}) == []
    board = EventAccumulator(str(tmp_path / "boards" / "a"))
    board.Reload()
    points = list(board.Tensors("loss_pile/acc"))
    assert [event.step for event in points] == [3000, 1000, 2000]
    assert [round(event.tensor_proto.float_val[0], 6) for event in points] == [0.3, 0.1, 0.2]


def test_mlflow_has_each_score_at_its_step(scored, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    for _ in range(2):
        assert scored(mlflow={"uri": "sqlite:///mlflow.db", "experiment": "ladder"}) == []
    client = mlflow.MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    (run,) = client.search_runs([client.get_experiment_by_name("ladder").experiment_id])
    history = client.get_metric_history(run.info.run_id, "loss_pile/acc")
    assert sorted((point.step, point.value) for point in history) == [(10, 0.1), (20, 0.2), (30, 0.3)]


def test_wandb_keeps_them_in_a_file_of_its_own_when_it_is_offline(scored, tmp_path):
    pytest.importorskip("wandb")
    assert scored(wandb={"project": "ladder"}) == []
    (file,) = (tmp_path / "wandb").rglob("run-*.wandb")
    assert found_in(file) == [(30, 0.3), (10, 0.1), (20, 0.2)]


def found_in(file):
    """Read the rows of history from a file of wandb's, in their order."""
    from wandb.proto import wandb_internal_pb2

    rows = []
    for data in records_of(file.read_bytes()):
        record = wandb_internal_pb2.Record()
        record.ParseFromString(data)
        values = {item.key or ".".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
        if "step" in values:
            rows.append((values["step"], values["loss_pile/acc"]))
    return rows


def records_of(content):
    """Records of a LevelDB log, in which wandb keeps them: blocks of 32 KiB; checksum, length and kind before each."""
    offset, record = 7, b""
    while offset + 7 <= len(content):
        if 32_768 - offset % 32_768 < 7:
            offset += 32_768 - offset % 32_768
            continue
        length, kind = int.from_bytes(content[offset + 4 : offset + 6], "little"), content[offset + 6]
        record += content[offset + 7 : offset + 7 + length]
        offset += 7 + length
        # Whole, or the last of several parts.
        if kind in (1, 4):
            yield record
            record = b""


def test_a_tracker_that_cannot_be_written_costs_no_score_and_is_tried_again(scored, tmp_path):
    pytest.importorskip("tensorboard")
    (tmp_path / "boards").write_text("a file where a folder should be")
    told = scored(tensorboard={"folder": "boards"})
    assert len(told) == 3
    assert told[0].startswith("tensorboard could not be written (")
    (tmp_path / "boards").unlink()
    assert scored(tensorboard={"folder": "boards"}) == []
