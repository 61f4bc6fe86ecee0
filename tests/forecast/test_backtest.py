from dataclasses import replace

import numpy as np
import pytest

from predictor.forecast.backtest import backtest, hold_outs, without_runs
from predictor.forecast.methods import METHODS
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
