"""The test of a trend: its rate of false alarms, and what it has to see."""

import numpy as np
import pytest

from predictor.forecasting.grade import not_forecastable
from predictor.forecasting.trend import FALSE_ALARMS, find_trend

ITEMS = 1000


@pytest.mark.parametrize("runs", [2, 3, 4, 5, 8, 20])
@pytest.mark.parametrize("level", [0.25, 0.4])
def test_noise_passes_no_more_often_than_stated(runs, level):
    draws = np.random.default_rng(runs)
    compute = np.geomspace(1e18, 1e21, runs)
    error = float(np.sqrt(level * (1 - level) / ITEMS))
    passed = [
        not_forecastable(score, np.full(runs, error), compute, 0.25) is None
        for score in draws.binomial(ITEMS, level, (2000, runs)) / ITEMS
    ]
    # Two standard errors of the count above the stated rate.
    assert np.mean(passed) <= FALSE_ALARMS + 2 * np.sqrt(FALSE_ALARMS * (1 - FALSE_ALARMS) / 2000)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_rise_and_a_fall_of_five_noises_are_seen(sign):
    compute = np.geomspace(1e18, 1e21, 5)
    score = 0.5 + sign * 0.02 * np.array([-2.0, -1.2, 0.1, 1.1, 2.0])
    trend = find_trend(score, 0.015, compute)
    assert trend.moves
    assert trend.rising == (sign > 0)


def test_many_runs_show_by_their_order_what_a_slope_hides():
    # Nothing until late: a straight line leaves much scatter, the order is clear.
    compute = np.geomspace(1e18, 1e22, 12)
    score = 0.25 + 0.3 * (np.arange(12) / 11.0) ** 6
    assert find_trend(score, 0.02, compute).moves


def test_one_compute_shows_no_trend():
    assert not find_trend(np.array([0.3, 0.5]), 0.01, np.array([1e20, 1e20])).moves
