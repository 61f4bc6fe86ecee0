import numpy as np
import pytest

from predictor.fitting.reach import reach

SIZES = np.repeat([1e8, 1e9, 1e10], 2)
FITTED = {"params": SIZES, "tokens": SIZES * np.tile([20.0, 100.0], 3)}


def test_a_point_between_the_runs_interpolates():
    found = reach(FITTED, {"params": 1e9, "tokens": 5e10})
    assert found.interpolates
    assert found.beyond == {"params": 0.0, "tokens": 0.0}
    assert "among the fitted inputs" in str(found)


def test_a_point_beyond_says_how_far_in_each_input():
    found = reach(FITTED, {"params": 7e10, "tokens": 2e12})
    assert not found.interpolates
    assert found.beyond["params"] == pytest.approx(np.log(7))
    assert found.beyond["tokens"] == pytest.approx(np.log(2))
    assert "params 7x above the fitted, tokens 2x above" in str(found)
    # The nearest run is the largest.
    assert found.hull_distance == pytest.approx(np.hypot(np.log(7), np.log(2)), rel=1e-3)


def test_a_point_within_each_range_can_lie_where_no_run_was():
    found = reach(FITTED, {"params": 1e8, "tokens": 1e12})
    assert found.beyond == {"params": 0.0, "tokens": 0.0}
    assert found.hull_distance > 2
    assert "no fit near their combination" in str(found)


def test_smaller_models_lie_below():
    assert reach(FITTED, {"params": 1e7, "tokens": 2e9}).beyond["params"] == pytest.approx(-np.log(10))


def test_inputs_that_may_be_zero_are_measured_in_their_span():
    found = reach({"share": np.array([0.0, 0.25, 0.5])}, {"share": 0.75})
    assert found.beyond["share"] == pytest.approx(0.5)
    assert reach({"share": np.array([0.0, 0.25, 0.5])}, {"share": 0.4}).interpolates
    assert reach({"chance": np.full(3, 0.25)}, {"chance": 0.25}).interpolates
