"""What the data cannot tell is said, with the names of the parameters."""

import json

import numpy as np
import pytest

from predictor.errors import InputError
from predictor.fitting import fit_law, profile_intervals, resample_fit
from predictor.laws import Input, Law, Parameter, get_law

TRUTH = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}
SIZES = np.geomspace(5e7, 1e10, 10)


def fitted(params, tokens, seed=0, **options):
    law = get_law("chinchilla")
    inputs = {"params": params, "tokens": tokens}
    noise = 0.002 * np.random.default_rng(seed).standard_normal(params.size)
    return fit_law(law, inputs, law.evaluate(TRUTH, inputs) * np.exp(noise), **options)


@pytest.mark.parametrize("seed", range(3))
def test_one_size_leaves_the_size_term_and_the_constant_open(seed):
    fit = fitted(np.full(7, 1e9), 1e9 * np.geomspace(5, 320, 7), seed)
    assert set(fit.undetermined) == {"E", "A", "alpha"}
    assert "all observations have the same params" in fit.warnings
    assert fit.condition == np.inf


def test_one_length_leaves_the_data_term_and_the_constant_open():
    fit = fitted(SIZES, np.full(10, 1e11))
    assert set(fit.undetermined) == {"E", "B", "beta"}
    assert "all observations have the same tokens" in fit.warnings


@pytest.mark.parametrize("seed", range(3))
def test_one_ratio_does_not_tell_size_from_data(seed):
    fit = fitted(SIZES, 20 * SIZES, seed)
    assert {"alpha", "B", "beta"} <= set(fit.undetermined)
    assert "params and tokens vary only together" in fit.warnings


@pytest.mark.parametrize("count", [3, 5])
def test_no_more_points_than_parameters_determine_none(count):
    fit = fitted(np.geomspace(1e8, 1e10, count), np.geomspace(1e10, 1e12, count)[::-1])
    assert fit.undetermined == fit.law.parameter_names
    assert f"{count} observations cannot determine 5 parameters and the noise" in fit.warnings
    for parameter in fit.law.parameters:
        # The whole allowed range: nothing was learnt.
        assert fit.intervals[parameter.name] == pytest.approx((parameter.lower, parameter.upper))
        assert all(profile_intervals(fit).reaches_bound[parameter.name])
    with pytest.raises(InputError, match="leave no residuals"):
        resample_fit(fit)
    assert json.loads(json.dumps(fit.to_json(), allow_nan=False))["undetermined"] == list(fit.law.parameter_names)


def test_three_points_with_stated_errors_are_no_better():
    fit = fitted(np.array([1e8, 1e9, 1e10]), np.array([1e10, 3e10, 1e11]), sigma=0.002)
    assert fit.undetermined == fit.law.parameter_names


def test_a_good_design_leaves_nothing_open():
    fit = fitted(np.repeat(SIZES, 3), np.repeat(SIZES, 3) * np.tile([5, 20, 80], 10))
    assert fit.status == "converged"
    assert fit.undetermined == fit.at_bounds == fit.warnings == ()
    assert fit.agreement == 1.0
    assert 10 < fit.condition < 1e4


def test_a_parameter_held_at_its_bound_is_a_status():
    # Error that falls to below zero: no gamma of zero or more describes it.
    samples = np.geomspace(1e3, 1e8, 20)
    fit = fit_law(get_law("learning_curve"), {"samples": samples}, 9 * samples**-0.2 - 0.3)
    assert fit.status == "at bounds"
    assert fit.converged
    assert "gamma" in fit.at_bounds
    assert fit.parameters["gamma"] == 0.0


def test_a_law_that_is_never_finite_fails_and_gives_no_number():
    rule = Parameter("a", "", 1.0, 2.0, (1.0, 2.0))
    law = Law("nowhere", "", "", (Input("x", "", ""),), "", (rule,), lambda x, p: p["a"] * x["x"] * np.inf, "none")
    fit = fit_law(law, {"x": np.ones(4)}, np.ones(4))
    assert fit.status == "failed"
    assert not fit.converged
    assert np.isnan(fit.parameters["a"])
    assert fit.to_json()["parameters"] == {"a": None}
    with pytest.raises(InputError, match="failed"):
        profile_intervals(fit)


def test_what_cannot_be_fitted_is_named():
    law, inputs = get_law("chinchilla"), {"params": SIZES, "tokens": 20 * SIZES}
    with pytest.raises(InputError, match="needs input tokens"):
        fit_law(law, {"params": SIZES}, np.ones(10))
    with pytest.raises(InputError, match="zero or less"):
        fit_law(law, inputs, np.zeros(10))
    with pytest.raises(InputError, match="no complete observation"):
        fit_law(law, inputs, np.full(10, np.nan))
    with pytest.raises(InputError, match="sigma must be positive"):
        fit_law(law, inputs, np.ones(10), sigma=np.zeros(10))
    with pytest.raises(InputError, match="does not fit 9 observations"):
        fit_law(law, inputs, np.ones(9))
    with pytest.raises(InputError, match="3 runs do not fit"):
        fit_law(law, inputs, np.ones(10), run=["a", "b", "c"])


def test_rows_with_something_missing_do_not_count():
    params = np.repeat(SIZES, 3)
    inputs = {"params": params, "tokens": params * np.tile([5, 20, 80], 10)}
    law = get_law("chinchilla")
    observed = law.evaluate(TRUTH, inputs)
    observed[3] = np.nan
    fit = fit_law(law, {**inputs, "tokens": np.where(np.arange(30) == 7, np.nan, inputs["tokens"])}, observed)
    assert fit.observations == 28
    assert fit.parameters["alpha"] == pytest.approx(TRUTH["alpha"], rel=1e-4)
