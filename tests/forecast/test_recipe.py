"""Planted ladders: what a target does otherwise than its ladder, with the truth known."""

import numpy as np
import pandas as pd
import pytest

from predictor.errors import ForecastError, InputError, UnknownNameError
from predictor.forecasting import forecast
from predictor.forecasting.axis import Axis
from predictor.forecasting.recipe import Recipe
from predictor.forecasting.recipe_forecast import forecast_with_recipe
from predictor.laws import get_law
from predictor.results import read_results

MUENNIGHOFF = get_law("repeated_data").published_values("muennighoff")
PLAIN = {name: MUENNIGHOFF[name] for name in ("E", "A", "alpha", "B", "beta")}
FAST = {"resamples": 20}
TASKS = {"easy": (0.25, 2.9), "hard": (0.0, 2.5)}


def loss_of(params, tokens):
    return get_law("chinchilla").evaluate(PLAIN, {"params": params, "tokens": tokens})


def score_of(task, loss):
    chance, middle = TASKS[task]
    return chance + (1 - chance) / (1 + np.exp(3.5 * (loss - middle)))


def table(tmp_path, runs, noise=0.002):
    """Write a ladder from rows of run, params, tokens, loss and further columns."""
    random, rows = np.random.default_rng(0), []
    for number, run in enumerate(runs):
        loss = float(run.pop("loss"))
        common = {"run": f"r{number}", **run}
        rows.append({**common, "task": "loss:val", "metric": "nll", "value": loss * np.exp(noise * random.normal())})
        for task in TASKS:
            value = float(np.clip(score_of(task, loss) + noise * random.normal(), 0, 1))
            rows.append({**common, "task": task, "metric": "acc", "value": value, "n_items": 5000})
    frame = pd.DataFrame(rows)
    frame["tokens_planned"] = frame["tokens"]
    frame.to_csv(tmp_path / "evals.csv", index=False)
    return read_results(tmp_path / "evals.csv")


def medians(answer):
    return {one.task: one.median for one in answer.forecasts}


def fresh_runs():
    sizes = np.geomspace(1e8, 3e9, 5)
    return [
        {"params": int(n), "tokens": int(n * ratio), "loss": loss_of(int(n), int(n * ratio))}
        for n in sizes
        for ratio in (20, 100)
    ]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory):
    return table(tmp_path_factory.mktemp("fresh"), fresh_runs())


def test_nothing_changes_without_a_recipe(fresh):
    plain = forecast(fresh, 7e9, 1e12, **FAST).to_json()
    assert forecast_with_recipe(fresh, 7e9, 1e12, **FAST).to_json() == plain
    # All tokens distinct, all parameters active: that is what the ladder does.
    same = forecast_with_recipe(fresh, 7e9, 1e12, Recipe(unique_tokens=1e12, params_active=7e9), **FAST).to_json()
    assert [one["median"] for one in same["forecasts"]] == [one["median"] for one in plain["forecasts"]]
    assert [one["intervals"] for one in same["forecasts"]] == [one["intervals"] for one in plain["forecasts"]]


def test_repeated_data_move_loss_and_scores_by_what_the_law_says(fresh):
    # arXiv 2305.16264: 7B on 1T tokens of 20B distinct ones loses 0.07 nats.
    truth = get_law("repeated_data").evaluate(MUENNIGHOFF, {"params": 7e9, "tokens": 1e12, "unique_tokens": 2e10})
    cost = float(truth - loss_of(7e9, 1e12))
    assert cost == pytest.approx(0.071, abs=0.001)
    answer = forecast_with_recipe(fresh, 7e9, 1e12, Recipe(unique_tokens=2e10), **FAST)
    stated = answer.record["recipe"]["corrections"][0]
    assert stated["loss"] == pytest.approx(cost, abs=0.015)
    assert "Muennighoff" in stated["source"]
    plain = medians(forecast(fresh, 7e9, 1e12, **FAST))
    for task, score in medians(answer).items():
        moved = score_of(task, float(truth)) - score_of(task, loss_of(7e9, 1e12))
        assert score - plain[task] == pytest.approx(moved, abs=0.012), task
        assert answer.record["recipe"]["points"][task] == pytest.approx(100 * (score - plain[task]), abs=1e-6)
    assert any("nats by the repeated_data law" in note for note in answer.record["notes"])


def expert_runs():
    law = get_law("expert_parameters")
    runs = []
    for active in np.geomspace(1e8, 1e9, 4):
        for experts, ratio in ((1, 60), (4, 200), (16, 20), (4, 20), (16, 200)):
            total, tokens = int(active * (1 + 0.7 * (experts - 1))), int(active * ratio)
            at = {"params": total, "params_active": int(active), "tokens": tokens}
            runs.append({**at, "loss": law.evaluate({**PLAIN, "kappa": 0.4}, at)})
    return runs


def test_experts_count_by_active_and_total_size(tmp_path):
    results = table(tmp_path, expert_runs())
    target = {"params": 30e9, "params_active": 4e9, "tokens": 3e11}
    truth = float(get_law("expert_parameters").evaluate({**PLAIN, "kappa": 0.4}, target))
    answer = forecast_with_recipe(results, 30e9, 3e11, Recipe(params_active=4e9), **FAST)
    assert "fitted to the ladder" in answer.record["recipe"]["corrections"][0]["source"]
    plain = medians(forecast(results, 30e9, 3e11, **FAST))
    for task, score in medians(answer).items():
        assert score == pytest.approx(score_of(task, truth), abs=0.02), task
    missed = [sum(abs(each[task] - score_of(task, truth)) for task in TASKS) for each in (medians(answer), plain)]
    assert missed[0] < missed[1] / 2
    assert any("runs count by what their recipe is worth" in note for note in answer.record["notes"])


def test_a_column_that_explains_nothing_is_refused_by_the_backtest(tmp_path):
    random, runs = np.random.default_rng(3), fresh_runs()
    for run in runs:
        # Said to repeat two tokens up to a thousand times, and scoring as if each were new.
        run["unique_tokens"] = int(run["tokens"] / random.choice([1, 1000]))
    results = table(tmp_path, runs)
    answer = forecast_with_recipe(results, 7e9, 1e12, **FAST)
    assert medians(answer) == medians(forecast(results, 7e9, 1e12, **FAST))
    assert any("is not corrected for" in note for note in answer.record["notes"])


def test_few_bits_and_coarse_formats_cost_scores(fresh):
    plain = medians(forecast(fresh, 7e9, 1e12, **FAST))
    for recipe in (Recipe(bits=3), Recipe(precision="fp4")):
        answer = forecast_with_recipe(fresh, 7e9, 1e12, recipe, **FAST)
        assert answer.record["recipe"]["corrections"][0]["loss"] > 0.05
        assert all(score < plain[task] for task, score in medians(answer).items())
        wide = {one.task: one.intervals["80"][1] - one.intervals["80"][0] for one in answer.forecasts}
        assert wide["hard"] > 0
    free = forecast_with_recipe(fresh, 7e9, 1e12, Recipe(bits=16, precision="bf16"), **FAST)
    assert medians(free) == pytest.approx(plain)


def test_a_learning_rate_off_the_ladders_rule_is_warned_of_with_its_cost(tmp_path):
    law = get_law("step_law")
    runs = [{**run, "learning_rate": 2 * float(law.evaluate(law.published_values("li"), run))} for run in fresh_runs()]
    results = table(tmp_path, runs)
    best = float(law.evaluate(law.published_values("li"), {"params": 7e9, "tokens": 1e12}))
    # Twice the law's best, as all runs of the ladder: nothing to say.
    same = forecast_with_recipe(results, 7e9, 1e12, Recipe(learning_rate=2 * best), **FAST)
    assert not any("learning rate" in note for note in same.record["notes"])
    far = forecast_with_recipe(results, 7e9, 1e12, Recipe(learning_rate=20 * best), **FAST)
    warning = next(note for note in far.record["notes"] if "learning rate" in note)
    assert f"{0.0144 * np.log(10) ** 2:.3f} nats" in warning


@pytest.mark.parametrize("column", ["finetuning_examples", "datastore_tokens"])
@pytest.mark.parametrize("alone", [True, False])
def test_a_score_is_forecast_over_another_axis(tmp_path, column, alone):
    def score(examples, size):
        return 0.98 - 1.9 * examples**-0.2 - (0.0 if alone else 0.1 * (size / 1e9) ** -0.3)

    random, rows = np.random.default_rng(1), []
    for number, examples in enumerate(np.geomspace(1e3, 1e6, 8)):
        for size in (1e9,) if alone else (5e8, 1e9, 2e9):
            row = {"run": f"{size:g}-{number}", "params": int(size), "tokens": 10**12, column: int(examples)}
            value = score(examples, size) + 0.003 * random.normal()
            rows.append({**row, "task": "qa", "metric": "acc", "value": value, "n_items": 5000})
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    results = read_results(tmp_path / "t.csv")
    moved, params, tokens = Axis(column, 5e6, alone).apply(results, 3e9)
    answer = forecast_with_recipe(moved, params, tokens, **FAST)
    assert medians(answer)["qa"] == pytest.approx(score(5e6, 3e9), abs=0.02)
    assert any(f"runs over {column}" in note for note in answer.record["notes"])
    if alone:
        with pytest.raises(ForecastError, match="same compute"):
            forecast(results, 3e9, 1e12, **FAST)
    with pytest.raises(UnknownNameError, match="unknown column 'hours'"):
        Axis("hours", 5.0).apply(results, 1e9)


def test_impossible_recipes_are_refused(fresh):
    for recipe, message in (
        (Recipe(unique_tokens=2e12), "distinct tokens are more than"),
        (Recipe(params_active=8e9), "active parameters are more than"),
        (Recipe(precision="fp3"), "unknown number format"),
        (Recipe(bits=0.5), "no number format"),
        (Recipe(vocabulary=1e5), "a column vocabulary"),
        (Recipe(flops=1e24), "that of some runs is not"),
    ):
        with pytest.raises(InputError, match=message):
            forecast_with_recipe(fresh, 7e9, 1e12, recipe, **FAST)


def test_a_correction_that_no_held_out_run_can_test_says_so(tmp_path):
    runs = [{**run, "unique_tokens": int(run["tokens"] / (1 + 9 * (i % 2)))} for i, run in enumerate(fresh_runs()[:3])]
    answer = forecast_with_recipe(table(tmp_path, runs), 1e9, 2e10, **FAST)
    assert any("no run could be held out" in note for note in answer.record["notes"])
    assert not any("nan" in note for note in answer.record["notes"])
