"""Training: a real run of the smallest size learns, and leaves checkpoints that transformers loads."""

import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from predictor.errors import InputError, UnknownNameError
from predictor.ladder import SIZES, build, finished_runs, read_run, size_named, token_rows, train
from predictor.ladder.sizes import CONTEXT, ROWS_PER_STEP, TOKENS_PER_STEP

STEPS = 60


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """Train the smallest size for sixty steps."""
    out = tmp_path_factory.mktemp("ladder")
    (run,) = build(out, [SIZES[0]], tokens=STEPS * TOKENS_PER_STEP, seed=1, command="the command")
    return out, run


@pytest.mark.slow
def test_training_lowers_the_loss(quick):
    _, run = quick
    losses = [checkpoint.train_loss for checkpoint in run.checkpoints]
    # ln(56) = 4.03 nats is the loss of a model that knows nothing.
    assert losses[0] > 3.5
    assert losses[-1] < 3.2


@pytest.mark.slow
def test_checkpoints_are_half_precision_folders_that_load_without_a_network(quick, monkeypatch):
    out, run = quick
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert [checkpoint.step for checkpoint in run.checkpoints] == SIZES[0].checkpoint_steps(STEPS)
    folder = out / run.checkpoints[-1].folder
    model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert model.dtype == torch.float16
    assert sum(parameter.numel() for parameter in model.parameters()) == run.params == SIZES[0].params
    text = "12+34=46\nthe dogs run.\n"
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text
    assert tokenizer.pad_token_id == model.config.pad_token_id != tokenizer.eos_token_id == model.config.eos_token_id


@pytest.mark.slow
def test_a_finished_run_is_kept_and_described(quick):
    out, run = quick
    before = sorted((path, path.stat().st_mtime_ns) for path in out.rglob("*"))
    assert build(out, [SIZES[0]], tokens=STEPS * TOKENS_PER_STEP, seed=2) == []
    assert sorted((path, path.stat().st_mtime_ns) for path in out.rglob("*")) == before
    assert read_run(out / run.name) == run
    assert finished_runs(out) == [run]
    record = json.loads((out / "ladder.json").read_text())
    assert record["command"] == "the command"
    assert record["runs"][0]["tokens_planned"] == STEPS * TOKENS_PER_STEP
    assert "the command" in (out / "README.md").read_text()
    assert not list(out.rglob(".*partial"))


def test_the_same_seed_gives_the_same_weights(tmp_path):
    rows = token_rows(5, 8 * ROWS_PER_STEP, CONTEXT)
    threads = torch.get_num_threads()
    first, again, other = (
        train(SIZES[0], rows, tmp_path / name, seed) for name, seed in (("first", 5), ("again", 5), ("other", 6))
    )
    torch.set_num_threads(threads)
    assert [c.train_loss for c in first.checkpoints] == [c.train_loss for c in again.checkpoints]
    weights = [(tmp_path / name / "step_8" / "model.safetensors").read_bytes() for name in ("first", "again", "other")]
    assert weights[0] == weights[1] != weights[2]
    assert other.params == first.params


def test_checkpoints_halve_the_tokens_and_end_with_the_schedule():
    steps = size_named("133k").checkpoint_steps(4882)
    assert steps == [153, 305, 610, 1220, 2441, 4882]


def test_less_than_one_step_is_refused(tmp_path):
    with pytest.raises(InputError, match="less than one step"):
        build(tmp_path, tokens=100)


def test_an_unknown_size_names_the_known_ones():
    with pytest.raises(UnknownNameError, match="133k"):
        size_named("134k")
