"""Real runs of lm_eval with --log_samples, imported with one command, give what `predictor evaluate` gives."""

import contextlib
import io
import json
import sys

import pandas as pd
import pytest

from tests.conftest import ROOT

TASKS = ("tiny_facts", "tiny_heldout")
RUNS = {"4k": 4188, "9k": 8874, "15k": 15288, "33k": 33300, "66k": 66150, "133k": 133380}
CHECKPOINTS = [*((run, 4882) for run in RUNS), ("133k", 2441), ("133k", 1220)]
LADDER = ROOT / "benchmarks" / "ladder"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not list(LADDER.glob("4k/step_*/model.safetensors")), reason="the tiny ladder's weights are not here"
    ),
]


def run_lm_eval(checkpoint, out):
    """Run lm_eval's own command line in this process: starting it eight times would take minutes."""
    from lm_eval.__main__ import cli_evaluate

    arguments = {
        "--model": "hf",
        "--model_args": f"pretrained={checkpoint},dtype=float32",
        "--tasks": ",".join(TASKS),
        "--include_path": ROOT / "benchmarks" / "tasks" / "tiny",
        "--device": "cpu",
        "--batch_size": 32,
        "--output_path": out,
    }
    command = ["lm_eval", *(str(part) for pair in arguments.items() for part in pair), "--log_samples"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()):
        patch.setattr(sys, "argv", command)
        patch.setenv("HF_HUB_OFFLINE", "1")
        cli_evaluate()


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The store that `evaluate` wrote, and that which eight runs of lm_eval were imported into."""
    from predictor.evaluation import evaluate
    from predictor.project import load_project
    from predictor.results.importing import Given, NamePattern, import_results

    folder = tmp_path_factory.mktemp("both")
    for run, step in CHECKPOINTS:
        run_lm_eval(LADDER / run / f"step_{step}", folder / "out")
    given = Given(
        family="tiny",
        pattern=NamePattern("{run}/step_{step}"),
        tokens_per_step=2048,
        tokens_planned=4882 * 2048,
    )
    imported = import_results("lm-eval", folder / "out", folder / "imported", given)
    assert imported.left_out == ()
    assert imported.items == len(CHECKPOINTS) * (360 + 320)
    project = {
        "suite": "tiny",
        "store": str(folder / "evaluated"),
        "families": {
            "tiny": {"tokens_per_step": 2048, "schedule_end": 4882, "checkpoints": f"{LADDER}/{{run}}/step_{{step}}"}
        },
        "runs": {
            run: {"family": "tiny", "params": params, "select": {"last": 3 if run == "133k" else 1}}
            for run, params in RUNS.items()
        },
        "scoring": {"device": "cpu", "batch_size": 32, "dtype": "float32", "backend": "hf"},
        "settle_seconds": 0,
        "offline": True,
    }
    (folder / "checkpoints.yaml").write_text(json.dumps(project))
    done = evaluate(load_project(folder / "checkpoints.yaml"), tasks=("tiny_facts", "loss:tiny_heldout"))
    assert len(done.scored) == len(CHECKPOINTS) * len(TASKS)
    return folder / "evaluated", folder / "imported"


def test_scores_are_those_of_evaluate_to_the_last_bit(stores):
    from predictor.results.readers import read_results

    keys = ["family", "run", "params", "step", "tokens", "tokens_planned", "task", "metric", "num_fewshot"]
    own, others = (read_results(store).evals.set_index(keys)[["value", "stderr", "n_items"]] for store in stores)
    assert set(others.index) <= set(own.index)
    # What samples do not hold: how many tokens a text has. `bits_per_byte` is stored once, as `bpb`.
    assert {key[7] for key in set(own.index) - set(others.index)} == {"nll", "bits_per_byte"}
    pd.testing.assert_frame_equal(own.loc[others.index], others, check_exact=True)


def test_forecasts_are_those_of_evaluate_to_the_last_digit(stores):
    from predictor.forecasting import forecast
    from predictor.results.readers import read_results

    own, others = (
        forecast(read_results(store), params=608496, tokens=9998336, tasks=["tiny_facts"]).to_json() for store in stores
    )
    assert own["forecasts"] == others["forecasts"]


COMMANDS = {"difficulty": ("--json", "answer.json"), "subset": ("--size", "40", "--out", "answer.txt")}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_items_are_for_is_the_same_to_the_last_digit(stores, command, tmp_path):
    from click.testing import CliRunner

    from predictor.cli.app import app

    answers = []
    for store in stores:
        folder = tmp_path / store.name
        folder.mkdir()
        *options, name = COMMANDS[command]
        done = CliRunner().invoke(app, [command, "tiny_facts", "--results", str(store), *options, str(folder / name)])
        assert done.exit_code == 0, done.output
        answers.append({file.name: read(file) for file in folder.iterdir()})
    assert answers[0] == answers[1]
    assert answers[0]


def read(file):
    return without_inputs(json.loads(file.read_text())) if file.suffix == ".json" else file.read_text()


def without_inputs(answer):
    """Leave out what names the store itself."""
    if isinstance(answer, dict):
        return {key: without_inputs(value) for key, value in answer.items() if key not in ("inputs", "path", "results")}
    return [without_inputs(value) for value in answer] if isinstance(answer, list) else answer
