"""The ladder in the repository: what is promised of it holds of the files themselves."""

import json
from itertools import pairwise
from pathlib import Path

import pytest
from safetensors import safe_open

from predictor.ladder import SIZES, finished_runs
from predictor.ladder.sizes import TOKENS_PER_STEP

LADDER = Path(__file__).parents[2] / "benchmarks" / "ladder"
RUNS = finished_runs(LADDER)
SMALL = [run for run in RUNS if run.role == "ladder"]
FOLDERS = sorted(LADDER.glob("*/step_*"))


def weights(folder: Path) -> tuple[int, set[str]]:
    with safe_open(folder / "model.safetensors", "pt") as file:
        parts = [file.get_slice(name) for name in file.keys()]  # noqa: SIM118
        sizes = []
        for part in parts:
            count = 1
            for length in part.get_shape():
                count *= length
            sizes.append(count)
        return sum(sizes), {part.get_dtype() for part in parts}


def test_every_declared_run_is_there_with_all_its_checkpoints():
    assert [run.name for run in RUNS] == [size.name for size in SIZES]
    assert sorted(c.folder for run in RUNS for c in run.checkpoints) == [
        str(folder.relative_to(LADDER)) for folder in FOLDERS
    ]


def test_sizes_span_thirty_fold_and_the_target_is_four_times_the_largest():
    params = [run.params for run in SMALL]
    (target,) = [run for run in RUNS if run.role == "target"]
    assert len(SMALL) >= 6
    assert max(params) / min(params) >= 30
    assert target.params / max(params) >= 4


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)
def test_a_run_was_saved_at_growing_token_counts_up_to_the_end_of_its_schedule(run):
    tokens = [checkpoint.tokens for checkpoint in run.checkpoints]
    assert len(tokens) >= (5 if run.role == "ladder" else 2)
    assert all(1.8 < later / earlier < 2.2 for earlier, later in pairwise(tokens))
    assert tokens[-1] == run.tokens_planned == run.steps_planned * TOKENS_PER_STEP
    assert run.checkpoints[-1].train_loss < run.checkpoints[0].train_loss


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: f"{folder.parent.name}-{folder.name}")
def test_a_checkpoint_holds_its_run_s_parameters_in_half_precision(folder):
    run = next(run for run in RUNS if run.name == folder.parent.name)
    assert weights(folder) == (run.params, {"F16"})
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json"} < names


def test_the_whole_ladder_is_small():
    assert sum(path.stat().st_size for path in LADDER.rglob("*") if path.is_file()) < 22e6


def test_ladder_json_says_what_the_runs_say():
    record = json.loads((LADDER / "ladder.json").read_text())
    assert record["command"].startswith("python -m predictor.ladder")
    assert [run["name"] for run in record["runs"]] == [run.name for run in RUNS]
    assert record["seconds"] == pytest.approx(sum(run.seconds for run in RUNS), abs=0.2)
