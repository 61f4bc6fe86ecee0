import numpy as np
import pandas as pd
import pytest

from predictor.forecasting.combination import Combination, weighted_median

NAMES = ("good", "bad")


def record(errors, ratio=2.0):
    """Backtest rows: method -> one error for each series of one hold-out."""
    return pd.concat(
        pd.DataFrame(
            {
                "hold_out": 0,
                "held_out": 1,
                "run": "largest",
                "ratio": ratio,
                "series": range(len(values)),
                "method": name,
                "forecast": 0.5 + np.asarray(values),
                "truth": 0.5,
                "stderr": 0.0,
            }
        )
        for name, values in errors.items()
    ).reset_index(drop=True)


def combination(errors, count=10, **options):
    return Combination.of(record(errors, **options), NAMES, np.ones((count, 2), dtype=bool))


def test_the_weighted_median_of_equal_weights_is_the_median():
    values = np.random.default_rng(0).normal(size=(20, 5))
    np.testing.assert_allclose(weighted_median(values, np.ones((20, 5))), np.median(values, axis=1))


def test_a_method_that_runs_away_does_not_move_the_weighted_median():
    weights = np.array([1.0, 1.0, 1.0, 0.5])
    near, far = (weighted_median(np.array([0.4, 0.5, 0.6, wild]), weights) for wild in (0.9, 1e6))
    assert near == far


def test_missing_values_and_lone_values_are_taken_as_they_are():
    assert weighted_median(np.array([np.nan, 0.3, np.nan]), np.ones(3)) == pytest.approx(0.3)
    assert weighted_median(np.array([0.2, 0.8]), np.array([0.0, 1.0])) == pytest.approx(0.8)


def test_the_method_with_smaller_held_out_errors_weighs_more():
    weights = combination({"good": [0.01] * 10, "bad": [0.1] * 10}).weights(np.full(10, 2.0))
    assert (weights[:, 0] > 0.75).all()
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)


def test_one_series_own_errors_move_its_weights_only_so_far():
    good = [0.01] * 9 + [0.1]
    bad = [0.1] * 9 + [0.01]
    weights = combination({"good": good, "bad": bad}).weights(np.full(10, 2.0))
    assert weights[9, 0] < weights[0, 0]
    assert weights[9, 0] > 0.4


def test_the_expected_error_grows_with_the_distance():
    made = combination({"good": [0.02] * 10, "bad": [0.02] * 10})
    near, far = (made.expected_error(np.full(10, ratio))[0] for ratio in (2.0, 8.0))
    assert near == pytest.approx(0.02, rel=0.01)
    # One doubling and three: (1 + 3) / (1 + 1) to the power of the growth.
    assert far == pytest.approx(near * 2**0.7, rel=0.01)


def test_a_refused_method_has_no_weight():
    accepted = np.array([[True, False]] * 10)
    made = Combination.of(record({"good": [0.02] * 10}), NAMES, accepted)
    np.testing.assert_allclose(made.weights(np.full(10, 2.0)), accepted.astype(float))


def test_heavy_tails_widen_the_outer_interval():
    generator = np.random.default_rng(0)
    light = generator.normal(0, 0.02, 200)
    heavy = np.where(generator.random(200) < 0.1, 0.2, 0.002)
    made = [combination({"good": errors, "bad": errors}, count=200) for errors in (light, heavy)]
    assert made[1].quantiles["95"] > made[0].quantiles["95"]


def test_without_any_hold_out_the_intervals_are_those_of_a_normal_distribution():
    empty = record({"good": [0.1]}).iloc[:0]
    made = Combination.of(empty, NAMES, np.ones((3, 2), dtype=bool))
    assert made.quantiles == {"80": 1.2816, "95": 2.10}
    assert np.isnan(made.backtest_error).all()
    np.testing.assert_allclose(made.expected_error(np.full(3, 2.0)), 0.04)
