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


def test_without_any_hold_out_one_law_alone_is_expected_to_miss_as_laws_do():
    empty = record({"good": [0.1]}).iloc[:0]
    made = Combination.of(empty, NAMES, np.ones((3, 2), dtype=bool))
    assert np.isnan(made.backtest_error).all()
    np.testing.assert_allclose(made.expected_error(np.full(3, 2.0)), 0.04)
    np.testing.assert_allclose(made.spread(np.full(3, 2.0), [0, 2], np.array([1e-6, 0.01])), [0.04, 0.1])


def test_without_any_hold_out_several_laws_are_as_wrong_as_they_disagree():
    empty = record({"good": [0.1]}).iloc[:0]
    made = Combination.of(empty, ("a", "b", "c"), np.ones((2, 3), dtype=bool))
    narrow, wide = made.spread(np.full(2, 2.0), [0, 1], np.array([0.01, 0.04]) ** 2)
    assert 0.005 < narrow < 0.015
    assert wide > 2 * narrow


def test_widths_differ_between_series_by_what_was_held_out_of_each():
    sure, unsure = [0.002] * 5, [0.04] * 5
    errors = {"good": sure + unsure, "bad": sure + unsure}
    spread = combination(errors).spread(np.full(10, 2.0), range(10), np.full(10, 0.01**2))
    assert (spread[5:] > 1.5 * spread[:5]).all()


def test_more_held_out_runs_bind_a_width_more_closely_to_their_errors():
    once = record({"good": [0.0] * 3, "bad": [0.0] * 3})
    often = pd.concat(once.assign(run=str(run), hold_out=run) for run in range(9))
    every = np.ones((3, 2), dtype=bool)
    few, many = (
        Combination.of(rows, NAMES, every).spread(np.full(3, 2.0), [0], np.array([0.05**2])) for rows in (once, often)
    )
    # A run held out ten times over says no more than once.
    repeated = pd.concat(once.assign(hold_out=number) for number in range(9))
    same = Combination.of(repeated, NAMES, every).spread(np.full(3, 2.0), [0], np.array([0.05**2]))
    assert many[0] < 0.7 * few[0]
    np.testing.assert_allclose(same, few)
