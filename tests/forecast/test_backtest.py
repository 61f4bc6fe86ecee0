from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from predictor.forecasting.backtest import backtest, hold_outs, without_runs
from predictor.forecasting.methods import METHODS
from predictor.forecasting.panel import build_panel
from predictor.results import read_results
from tests.forecast.methods.test_ability import logistic, panel


@pytest.fixture
def ladder():
    return panel([logistic(middle) for middle in (0.0, 0.5, 1.0)])


def test_hold_outs_roll_along_compute_and_size_and_leave_three_runs(ladder):
    chosen = hold_outs(ladder)
    sizes = [one.size for one in chosen]
    assert min(sizes) == 1
    assert max(sizes) <= len(ladder.runs) - 3
    by_size = [set(one.tolist()) for one in chosen]
    # Runs 12 to 15 are those of the largest size.
    assert {12, 13, 14, 15} in by_size
    assert len({frozenset(one) for one in by_size}) == len(by_size)


def test_two_runs_leave_nothing_to_hold_out(ladder):
    assert hold_outs(without_runs(ladder, np.arange(2, 16))) == []


def test_the_runs_that_stay_are_numbered_anew(ladder):
    left = without_runs(ladder, np.array([0, 5]))
    assert left.runs == tuple(name for i, name in enumerate(ladder.runs) if i not in (0, 5))
    np.testing.assert_array_equal(left.run, np.arange(14))


def test_a_forecast_never_sees_what_it_is_tested_on(ladder):
    methods = {name: METHODS[name] for name in ("direct", "ability")}
    held = [np.array([12, 13, 14, 15])]
    before = backtest(ladder, methods, held)
    score = ladder.score.copy()
    score[:, held[0]] = 0.1
    after = backtest(replace(ladder, score=score), methods, held)
    assert len(before) == len(after) > 0
    np.testing.assert_array_equal(before["forecast"], after["forecast"])
    assert (after["truth"] == 0.1).all()


def test_nothing_is_held_out_that_leaves_runs_of_one_compute(ladder):
    # Five runs alike but for the seed and two larger ones.
    alike = without_runs(ladder, np.setdiff1d(np.arange(16), (0, 1, 2, 3, 4, 11, 15)))
    params, tokens = alike.params.copy(), alike.tokens.copy()
    params[:5], tokens[:5] = params[0], tokens[0]
    alike = replace(alike, params=params, tokens=tokens)
    methods = {"broken_power": METHODS["broken_power"]}
    rows = backtest(alike, methods, [np.array([6]), np.array([5, 6])])
    assert set(rows["held_out"]) == {1}


def test_ratios_are_the_compute_over_the_largest_fitted(ladder):
    rows = backtest(ladder, {"last_value": METHODS["last_value"]}, [np.array([15])])
    assert rows["ratio"].unique() == pytest.approx([2.0])
    assert set(rows["run"]) == {"run15"}


def test_ends_of_the_runs_that_stay_are_estimated_without_those_left_out(tmp_path):
    generator = np.random.default_rng(0)
    rows = [
        {
            "family": "f",
            "run": f"run{size}",
            "params": 1000 * (size + 1),
            "tokens": tokens,
            "tokens_planned": 1000,
            "task": task,
            "metric": "acc",
            # The larger the run the more its last stretch rises: a slope over all of them sees the largest.
            "value": 0.3 + 0.02 * size + 0.05 * size * np.log(tokens / 1000) + generator.normal(0, 0.005),
            "stderr": stderr,
        }
        for size in range(6)
        for tokens in range(700, 1001, 20)
        for task, stderr in (("a", 0.01), ("b", None))
        if (size, task) != (2, "b") or tokens < 800
    ]
    table = pd.DataFrame(rows)
    table.to_parquet(tmp_path / "all.parquet")
    table[~table["run"].isin(["run4", "run5"])].to_parquet(tmp_path / "rest.parquet")
    whole, rest = (build_panel(read_results(tmp_path / name), "f") for name in ("all.parquet", "rest.parquet"))
    left = without_runs(whole, np.array([4, 5]))
    assert np.nanmax(np.abs(whole.score[0, whole.run < 4] - rest.score[0])) > 0.002
    np.testing.assert_allclose(left.score, rest.score)
    np.testing.assert_allclose(left.stderr, rest.stderr)
