import numpy as np
import pandas as pd
import pytest

from predictor.errors import ForecastError, InputError, UnknownNameError
from predictor.forecasting import METHODS, Forecast, fit_forecaster, forecast
from predictor.results import read_results
from tests.conftest import true_score

TARGET = {"params": 13e9, "tokens": 40 * 13e9}
MIDDLES = {"easy": 2.9, "medium": 2.6, "hard": 2.4}


@pytest.fixture
def results(ladder_folder):
    return read_results(ladder_folder)


def test_a_ladder_that_follows_the_law_forecasts_a_model_sixteen_times_its_compute(results):
    answer = forecast(results, **TARGET)
    for one in answer.forecasts:
        truth = true_score(**TARGET, middle=MIDDLES[one.task])
        assert one.intervals["95"][0] <= truth <= one.intervals["95"][1], one.task
        assert abs(one.median - truth) < abs(one.largest - truth), "no better than the largest run"
        assert one.intervals["95"][0] <= one.intervals["80"][0] <= one.median <= one.intervals["80"][1]


def test_intervals_hold_about_what_they_say_over_many_ladders(tmp_path, draw_ladder):
    inside = []
    for seed in range(12):
        path = tmp_path / f"{seed}.parquet"
        draw_ladder(seed=seed).to_parquet(path)
        for one in forecast(read_results(path), 6.4e9, 40 * 6.4e9, resamples=60).forecasts:
            truth = true_score(6.4e9, 40 * 6.4e9, middle=MIDDLES[one.task])
            inside.append(one.intervals["80"][0] <= truth <= one.intervals["80"][1])
    # 36 forecasts of a law that holds exactly: fewer than 80 % inside would be far from honest.
    assert np.mean(inside) >= 0.8


def test_the_two_steps_are_nearer_than_no_change_when_the_law_holds(results):
    one = next(one for one in forecast(results, **TARGET).forecasts if one.task == "medium")
    truth = true_score(**TARGET)
    assert abs(one.by_method["two_step_heldout"] - truth) < 0.03
    assert one.methods["two_step_heldout"] > one.methods["last_value"]
    assert sum(one.methods.values()) == pytest.approx(1.0)
    assert "no loss of the right answers" in one.refused["two_step"]


def test_the_same_seed_gives_the_same_forecast_and_another_seed_another(results):
    first = forecast(results, **TARGET).to_json()
    assert forecast(results, **TARGET).to_json() == first
    assert forecast(results, **TARGET, seed=1).to_json() != first


def test_asking_for_one_task_does_not_change_its_forecast(results):
    together = {one.task: one for one in forecast(results, **TARGET).forecasts}
    (alone,) = forecast(results, **TARGET, tasks=["hard"]).forecasts
    assert alone.median == pytest.approx(together["hard"].median, abs=1e-6)
    assert alone.intervals["80"] == pytest.approx(together["hard"].intervals["80"], abs=1e-6)


def test_farther_targets_have_wider_intervals(results):
    forecaster = fit_forecaster(results)
    widths = []
    for factor in (1, 4, 16):
        one = forecaster.predict(3.2e9 * factor, 40 * 3.2e9 * factor).forecasts[1]
        widths.append(one.intervals["80"][1] - one.intervals["80"][0])
    assert widths == sorted(widths)


def test_a_model_inside_the_ladder_is_forecast_by_the_runs_around_it(results):
    for one in forecast(results, 3e8, 40 * 3e8).forecasts:
        assert one.median == pytest.approx(true_score(3e8, 40 * 3e8, middle=MIDDLES[one.task]), abs=0.03)


def test_losses_of_zero_are_refused_and_not_fitted(results):
    evals = results.evals
    evals.loc[evals["metric"] == "nll", "value"] = 0.0
    for one in forecast(results, **TARGET).forecasts:
        assert "no held-out loss" in one.refused["two_step_heldout"]
        assert 0 <= one.median <= 1


def test_a_solved_benchmark_is_forecast_to_stay_solved(tmp_path, draw_ladder):
    frame = draw_ladder()
    frame.loc[frame["task"] == "easy", "value"] = [0.98, 0.99, 1.0, 0.99, 1.0, 1.0]
    frame.to_parquet(tmp_path / "table.parquet")
    (one,) = forecast(read_results(tmp_path / "table.parquet"), **TARGET, tasks=["easy"]).forecasts
    assert one.grade != "F"
    assert one.median > 0.98


def test_scores_below_chance_are_not_forecast(tmp_path, draw_ladder):
    frame = draw_ladder()
    frame.loc[frame["task"] == "hard", "value"] = [0.19, 0.2, 0.2, 0.21, 0.21, 0.22]
    frame.to_parquet(tmp_path / "evals.parquet")
    pd.DataFrame({"task": ["hard"], "metric": "acc", "chance": 0.25}).to_parquet(tmp_path / "tasks.parquet")
    (one,) = forecast(read_results(tmp_path), **TARGET, tasks=["hard"]).forecasts
    assert one.grade == "F"


def test_curves_run_from_the_ladder_to_the_target_and_end_in_its_forecast(results):
    forecaster = fit_forecaster(results)
    curve, one = forecaster.curves(**TARGET)[0], forecaster.predict(**TARGET).forecasts[0]
    assert curve.flops[0] == pytest.approx(6 * 1e8 * 40e8)
    assert curve.flops[-1] == pytest.approx(6 * TARGET["params"] * TARGET["tokens"])
    assert curve.median[-1] == pytest.approx(one.median)
    assert (curve.lower[-1], curve.upper[-1]) == pytest.approx(one.intervals["80"])


def test_a_benchmark_at_chance_stays_there_and_gets_the_worst_grade(tmp_path, draw_ladder):
    frame = draw_ladder(middles={"medium": 2.6, "impossible": -3.0})
    frame.to_parquet(tmp_path / "evals.parquet")
    pd.DataFrame({"task": ["medium", "impossible"], "metric": "acc", "chance": 0.25}).to_parquet(
        tmp_path / "tasks.parquet"
    )
    answer = {one.task: one for one in forecast(read_results(tmp_path), **TARGET).forecasts}
    assert answer["impossible"].grade == "F"
    assert "chance" in answer["impossible"].why
    assert answer["impossible"].median == pytest.approx(0.25, abs=0.04)
    assert answer["medium"].grade != "F"


def test_a_benchmark_that_falls_with_scale_is_forecast_like_one_that_rises(tmp_path, draw_ladder):
    frame = draw_ladder()
    frame.to_parquet(tmp_path / "rising.parquet")
    falling = frame["task"] == "medium"
    frame.loc[falling, "value"] = 1.0 - frame.loc[falling, "value"]
    frame.to_parquet(tmp_path / "falling.parquet")
    answers = [
        forecast(read_results(tmp_path / name), **TARGET, tasks=["medium"]).forecasts[0]
        for name in ("rising.parquet", "falling.parquet")
    ]
    assert answers[1].grade != "F"
    assert answers[1].median < answers[1].largest - 0.02
    assert answers[1].median == pytest.approx(1.0 - answers[0].median, abs=0.02)


@pytest.mark.parametrize("items", [32, 100])
def test_nothing_leaves_zero_and_one_on_few_items(tmp_path, draw_ladder, items):
    draw_ladder(items=items, middles={"easy": 4.5, "hard": 2.4}).to_parquet(tmp_path / "table.parquet")
    for one in forecast(read_results(tmp_path / "table.parquet"), 1e12, 4e13).forecasts:
        values = [one.median, *one.by_method.values(), *one.intervals["80"], *one.intervals["95"]]
        assert all(0 <= value <= 1 for value in values)


def test_three_runs_are_forecast_with_little_trust(tmp_path, draw_ladder):
    draw_ladder(sizes=(1e8, 4e8, 1.6e9)).to_parquet(tmp_path / "table.parquet")
    answer = forecast(read_results(tmp_path / "table.parquet"), **TARGET)
    assert all(one.grade in "DEF" for one in answer.forecasts)
    assert all(one.backtest_error is None for one in answer.forecasts)


def test_seeds_of_one_run_are_one_step_of_the_ladder(tmp_path, draw_ladder):
    frame = draw_ladder()
    seeds = [draw_ladder((1e8,), seed=seed).assign(run=f"seed {seed}") for seed in range(4)]
    few = frame[frame["params"].isin([int(1e8), int(8e8), int(3.2e9)])]
    pd.concat([few, *seeds]).to_parquet(tmp_path / "seeds.parquet")
    answer = forecast(read_results(tmp_path / "seeds.parquet"), **TARGET, resamples=20).forecasts
    assert all(one.grade >= "D" for one in answer)
    assert any("only 3 runs of different compute" in one.why for one in answer)


def test_a_task_scored_on_some_runs_only_is_forecast_from_those(results):
    evals = results.evals
    keep = ~((evals["task"] == "hard") & (evals["params"] < 3e8))
    object.__setattr__(results, "evals", evals[keep])
    assert any(one.task == "hard" for one in forecast(results, **TARGET).forecasts)


def test_one_method_can_be_asked_for_by_name(results):
    for one in forecast(results, **TARGET, method="direct").forecasts:
        assert one.methods == {"direct": 1.0}
    with pytest.raises(UnknownNameError, match="unknown method 'magic'"):
        forecast(results, **TARGET, method="magic")


def test_a_method_that_refuses_everything_says_why(results):
    with pytest.raises(ForecastError, match=r"method two_step refuses every task.*no loss of the right answers"):
        forecast(results, **TARGET, method="two_step")


def test_a_forecast_survives_the_way_through_json(results):
    answer = forecast(results, **TARGET)
    assert Forecast.from_json(answer.to_json()) == answer


def test_every_method_is_described():
    assert all(method.title and method.name == name for name, method in METHODS.items())


@pytest.mark.parametrize(("params", "tokens"), [(np.float64(1e300), 1e300), (0.5, 1e9), (1e9, 1e-200), (np.nan, 1e9)])
def test_a_target_that_no_model_can_be_is_refused(results, params, tokens):
    with pytest.raises(InputError, match="no model has"):
        forecast(results, params, tokens, method="direct", resamples=2)


def test_a_benchmark_that_every_method_refuses_is_named_with_its_reason(tmp_path):
    """Of one run alone the atlas forecasts what it knows, and nothing can forecast what nobody else was scored on."""
    scores = {("arc_challenge", "acc_norm"): 0.31, ("hellaswag", "acc_norm"): 0.55, ("our_own_quiz", "acc"): 0.4}
    rows = [
        {"run": "ours", "params": 10**9, "tokens": 10**12, "task": task, "metric": metric, "value": value}
        for (task, metric), value in scores.items()
    ]
    path = tmp_path / "evals.csv"
    pd.DataFrame(rows).to_csv(path, index=False)
    answer = forecast(read_results(path), 7e9, 2e12, resamples=5)
    assert [one.task for one in answer.forecasts] == ["arc_challenge", "hellaswag"]
    assert any("left out (our_own_quiz)" in note for note in answer.record["notes"])
