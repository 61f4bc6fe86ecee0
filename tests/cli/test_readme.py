"""From the README alone to a forecast: its commands as they stand there, on files of three kinds."""

import json
import os
import re
import shlex
import shutil

import pandas as pd
import pytest

from tests.conftest import ROOT

SIZES = (1e8, 2e8, 4e8, 8e8, 1.6e9, 3.2e9)
TASKS = {"arc_easy": 2.9, "piqa": 2.6, "hellaswag": 2.7}


def commands(word):
    """Return the commands of the README's block of which the first has a word."""
    section = (ROOT / "README.md").read_text(encoding="utf-8").partition("**Begin with what you have.**")[2]
    blocks = re.findall(r"```\n(.*?)```", section, re.DOTALL)
    block = next(block for block in blocks if word in block.splitlines()[0])
    lines = block.splitlines()
    assert len(lines) <= 3
    return [shlex.split(line)[1:] for line in lines]


def forecast_of(predictor, word, *options):
    *before, last = commands(word)
    for command in before:
        predictor(*command)
    return json.loads(predictor(*last, *options, "--json", "-").stdout)


@pytest.fixture(scope="module")
def ladder(draw_ladder):
    table = draw_ladder(sizes=SIZES, tokens_per_param=20.0, middles=TASKS)
    return table[~table["task"].str.startswith("loss:")]


def medians(answer):
    return {one["task"]: one["median"] for one in answer["forecasts"]}


def test_a_table_of_percents_with_names_of_its_own(predictor, ladder, tmp_path):
    wide = ladder.pivot_table(index=["run", "params", "tokens"], columns="task", values="value").reset_index()
    wide = pd.DataFrame(
        {
            "Net": wide["run"],
            "Weights (B)": wide["params"] / 1e9,
            "Train tokens (B)": wide["tokens"] / 1e9,
            "ARC-e": (100 * wide["arc_easy"]).round(2),
            "PIQA": (100 * wide["piqa"]).round(2),
            "HellaSwag": (100 * wide["hellaswag"]).round(2),
        }
    )
    wide.to_csv(tmp_path / "scores.csv", index=False)
    answer = forecast_of(predictor, "scores.csv", "--no-atlas")
    assert set(answer["record"]["runs"]) == set(ladder["run"])
    assert set(medians(answer)) == set(TASKS)
    # Percents that were read as such lie above the largest run's scores and below one.
    largest = ladder[ladder["params"] == max(SIZES)].set_index("task")["value"]
    for task, median in medians(answer).items():
        assert largest[task] - 0.02 < median < 1, task


def test_a_folder_of_lm_eval_results(predictor, ladder, tmp_path):
    for (run, params, tokens), rows in ladder.groupby(["run", "params", "tokens"]):
        step = round(tokens / 4e6)
        folder = tmp_path / "out" / run / f"step_{step}"
        folder.mkdir(parents=True)
        results = {
            row["task"]: {"alias": row["task"], "acc,none": row["value"], "acc_stderr,none": 0.01}
            for row in rows.to_dict("records")
        }
        content = {
            "results": results,
            "n-shot": dict.fromkeys(results, 0),
            "config": {
                "model": "hf",
                "model_args": f"pretrained=ckpt/{run}/step_{step}",
                "model_num_parameters": params,
                "limit": None,
            },
            "date": 1767225600.0,
        }
        (folder / "results_2026-01-01T00-00-00.000000.json").write_text(json.dumps(content))
    answer = forecast_of(predictor, "lm-eval", "--no-atlas")
    assert set(answer["record"]["runs"]) == set(ladder["run"])
    assert set(medians(answer)) == set(TASKS)


def test_a_folder_of_checkpoints(predictor, tmp_path):
    for run in ("4k", "9k", "15k"):
        source = ROOT / "benchmarks" / "ladder" / run
        shutil.copytree(source / "step_4882", tmp_path / "checkpoints" / run / "step_4882")
        shutil.copy(source / "run.json", tmp_path / "checkpoints" / run)
    for path in (tmp_path / "checkpoints").rglob("*"):
        os.utime(path, (0, 0))
    answer = forecast_of(predictor, "--checkpoints")
    assert answer["record"]["runs"] == ["15k", "4k", "9k"]
    assert answer["target"]["params"] == 608_000
    assert {"tiny_facts", "tiny_addition"} <= set(medians(answer))
