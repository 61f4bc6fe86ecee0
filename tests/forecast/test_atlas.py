"""The atlas that the package ships: what it says, whom it recognises, and forecasts from one run and nothing else."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from predictor.cli.atlas import command
from predictor.errors import ForecastError
from predictor.forecasting import forecast
from predictor.forecasting.atlas import describe, load_atlas
from predictor.forecasting.atlas.charts import FILE, save_atlas
from predictor.forecasting.atlas.summary import prior_of
from predictor.forecasting.panel import build_panel
from predictor.forecasting.skills.kinship import Kinship
from predictor.forecasting.skills.trend import grid_models
from predictor.forecasting.skills.world import build_world
from predictor.results import read_results

TESTBEDS = Path(__file__).parents[3] / "shared" / "testbeds"

# One model of nobody's, between the public ones.
MINE = {"arc_challenge": (0.462, 25), "hellaswag": (0.7313, 10), "winogrande": (0.6717, 5), "mmlu": (0.2619, 5)}


@pytest.fixture(scope="module")
def leaderboard():
    return next(chart for chart in load_atlas().charts if chart.name == "open-llm-leaderboard")


def write(folder, family="mine"):
    rows = [
        {
            "family": family,
            "run": "mine-3b",
            "params": 3e9,
            "tokens": 1e12,
            "task": task,
            "value": score,
            "num_fewshot": n,
        }
        for task, (score, n) in MINE.items()
    ]
    frame = pd.DataFrame(rows)
    frame["metric"] = frame["task"].map({"arc_challenge": "acc_norm", "hellaswag": "acc_norm"}).fillna("acc")
    frame.to_csv(folder / "table.csv", index=False)
    return read_results(folder / "table.csv")


def test_it_is_small_and_its_benchmarks_rise_from_chance(leaderboard):
    assert FILE.stat().st_size < 500_000
    rows = {row.task: row for row in describe(leaderboard)}
    for task in ("mmlu", "arc_challenge", "hellaswag", "gsm8k"):
        scores = np.array(list(rows[task].scores.values()), dtype=float)
        assert (np.diff(scores) > 0).all()
        assert 0.0 < rows[task].families < 0.15
    # The smallest public models are at chance on MMLU (0.25), and the best of 70B score under 0.8.
    assert rows["mmlu"].scores["4e+08"] == pytest.approx(0.26, abs=0.03)
    assert 0.4 < rows["mmlu"].scores["7e+10"] < 0.8


def test_what_is_written_is_read_again(leaderboard, tmp_path):
    save_atlas(load_atlas(), tmp_path / "atlas.npz")
    again = load_atlas(tmp_path / "atlas.npz").charts[0]
    models = grid_models(np.array([-0.5, 0.3]), np.array([0.0, 0.2]))
    first, second = prior_of(load_atlas().charts[0]).predict(models), prior_of(again).predict(models)
    assert second[0] == pytest.approx(first[0], abs=0.01)
    assert np.sqrt(np.diag(second[1])) == pytest.approx(np.sqrt(np.diag(first[1])), rel=0.02)


def test_one_run_and_no_other_family_is_forecast(tmp_path):
    answer = forecast(write(tmp_path), 1.3e10, 2e12)
    assert {one.task for one in answer.forecasts} == set(MINE)
    assert any("atlas" in note for note in answer.record["notes"])
    for one in answer.forecasts:
        assert one.grade in "DE"
        assert one.median > MINE[one.task][0], "a larger model on more data"


def test_a_target_beyond_all_models_of_a_chart_is_noted_and_one_among_them_is_not(tmp_path):
    largest = max(chart.params[1] for chart in load_atlas().charts)
    beyond, among = (
        [note for note in forecast(write(tmp_path), params, 2e12).record["notes"] if "extrapolate" in note]
        for params in (2 * largest, 1.3e10)
    )
    assert len(beyond) == 1
    assert "parameters" in beyond[0]
    assert not among


def test_without_the_atlas_it_is_refused(tmp_path):
    with pytest.raises(ForecastError, match="only one run"):
        forecast(write(tmp_path), 1.3e10, 2e12, atlas=False)


def test_a_family_it_was_fitted_to_is_not_forecast_by_that_chart(tmp_path):
    answer = forecast(write(tmp_path, "Falcon"), 1.3e10, 2e12)
    # HellaSwag with ten examples stands in another chart, too, which has not seen Falcon.
    assert {one.task for one in answer.forecasts} <= {"hellaswag", "mmlu"}
    assert any("fitted to runs of Falcon" in note for note in answer.record["notes"])


@pytest.mark.skipif(not TESTBEDS.exists(), reason="needs the published runs in ../shared/testbeds")
@pytest.mark.parametrize(("folder", "family"), [("reference_families", "opt"), ("open_sci_ref", "osr-c4")])
def test_its_sources_are_recognised_under_another_name(folder, family):
    panel = build_panel(read_results(TESTBEDS / folder), family, fewest_computes=1)
    charted = {benchmark.key for chart in load_atlas().charts for benchmark in chart.benchmarks}
    panel = panel.select(np.array([row for row, one in enumerate(panel.series) if one.key in charted]))
    own = build_world(panel, [family] * len(panel.runs), panel.series, {family: Kinship(family, False)})
    assert any(chart.recognises("renamed", panel.series, own) for chart in load_atlas().charts)
    other = replace(
        own, score=np.clip(own.score + 0.0137, 0, 1), models=replace(own.models, size=own.models.size + 0.01)
    )
    assert not any(chart.recognises("renamed", panel.series, other) for chart in load_atlas().charts)


def test_the_command_shows_and_writes_it():
    shown = CliRunner().invoke(command, ["--tasks", "gsm8k"])
    assert shown.exit_code == 0
    assert "gsm8k" in shown.output
    assert "hellaswag" not in shown.output
    value = json.loads(CliRunner().invoke(command, ["--json", "-"]).output)
    assert {"name", "sources", "models", "families", "benchmarks"} <= set(value["charts"][0])
