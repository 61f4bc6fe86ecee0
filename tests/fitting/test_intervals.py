"""Intervals from the covariance, the profile likelihood and the bootstrap."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy.optimize import minimize
from scipy.stats import f as fisher

from predictor.fitting import fit_law, profile_intervals, resample_fit
from predictor.laws import get_law
from tests.laws.cases import CASES

FLOPS = np.geomspace(1e18, 1e24, 14)
Z = np.log10(FLOPS / 1e20)


@pytest.fixture(scope="module")
def parabola():
    values = 0.4 - 0.05 * Z + 0.03 * Z**2 + 0.01 * np.random.default_rng(0).standard_normal(14)
    return fit_law(get_law("scaling_shape"), {"flops": FLOPS}, values, huber=None), values


def test_for_a_linear_law_they_are_those_of_least_squares(parabola):
    fit, values = parabola
    peer = sm.OLS(values, np.vander(Z, 3, increasing=True)).fit()
    profile = profile_intervals(fit, 0.8).intervals
    for name, ends, outer in zip(fit.law.parameter_names, peer.conf_int(0.2), peer.conf_int(0.05), strict=True):
        np.testing.assert_allclose(fit.covariance_intervals(0.8)[name], ends, rtol=1e-6)
        np.testing.assert_allclose(profile[name], ends, atol=0.01 * np.ptp(ends))
        np.testing.assert_allclose(fit.intervals[name], outer, rtol=1e-6)


def test_an_interval_of_a_prediction_is_that_of_least_squares(parabola):
    fit, values = parabola
    peer = sm.OLS(values, np.vander(Z, 3, increasing=True)).fit()
    expected = peer.get_prediction(np.vander([5.0], 3, increasing=True)).conf_int(alpha=0.2)[0]
    np.testing.assert_allclose(fit.predict_interval({"flops": 1e25}), expected, rtol=1e-6)


def test_at_a_profile_end_the_best_refit_is_as_bad_as_the_level_allows():
    # scipy refits the rest with the exponent held at the end; the rise must be the quantile of F(1, n - p).
    law, flops = get_law("asymptote"), np.geomspace(1e18, 1e22, 9)
    noise = 0.002 * np.random.default_rng(3).standard_normal(9)
    observed = law.evaluate({"E": 1.7, "A": 300.0, "alpha": 0.15}, {"flops": flops}) * np.exp(noise)
    fit = fit_law(law, {"flops": flops}, observed, huber=None)

    def squares(theta, alpha):
        gap = np.log(np.exp(theta[0]) + np.exp(theta[1]) * (flops / 1e20) ** -alpha) - np.log(observed)
        return float(gap @ gap)

    start = [np.log(1.7), np.log(0.3)]
    simplex = {"method": "Nelder-Mead", "tol": 1e-13, "options": {"maxiter": 9000}}
    least = minimize(lambda x: squares(x[:2], x[2]), [*start, 0.15], **simplex)
    for end in profile_intervals(fit, 0.95).intervals["alpha"]:
        held = minimize(squares, start, args=(end,), **simplex)
        rise = (held.fun - least.fun) / (least.fun / 6)
        assert rise == pytest.approx(fisher.ppf(0.95, 1, 6), rel=0.03)


def test_an_end_that_the_data_do_not_exclude_is_the_bound():
    # Within one decade of compute the curve may as well tend to nothing.
    flops = np.geomspace(1e20, 1e21, 8)
    noise = 0.005 * np.random.default_rng(0).standard_normal(8)
    law = get_law("asymptote")
    observed = law.evaluate({"E": 1.7, "A": 300.0, "alpha": 0.15}, {"flops": flops}) * np.exp(noise)
    profile = profile_intervals(fit_law(law, {"flops": flops}, observed))
    assert profile.reaches_bound["E"][0]
    assert profile.intervals["E"][0] == pytest.approx(1e-3)


@pytest.mark.parametrize("by", ["runs", "pairs", "wild", "noise"])
def test_every_bootstrap_spreads_as_the_covariance_says(by):
    case = CASES["chinchilla"]
    law = get_law("chinchilla")
    noise = 0.003 * np.random.default_rng(1).standard_normal(28)
    fit = fit_law(law, case.inputs, law.evaluate(case.truth, case.inputs) * np.exp(noise))
    draws = resample_fit(fit, 300, by=by)
    assert draws.failed == 0
    ratio = draws.coordinates.std(axis=0) / np.sqrt(np.diag(fit.covariance))
    assert ((ratio > 0.5) & (ratio < 1.6)).all()
    np.testing.assert_array_equal(resample_fit(fit, 300, by=by).coordinates, draws.coordinates)
    assert not np.array_equal(resample_fit(fit, 300, seed=1, by=by).coordinates, draws.coordinates)


def test_runs_that_err_together_widen_the_bootstrap_over_runs_alone():
    generator = np.random.default_rng(2)
    law, run = get_law("asymptote"), np.repeat(np.arange(12), 6)
    flops = np.geomspace(1e18, 1e23, 72)
    shared = 0.01 * generator.standard_normal(12)[run] + 0.001 * generator.standard_normal(72)
    observed = law.evaluate({"E": 1.7, "A": 300.0, "alpha": 0.15}, {"flops": flops}) * np.exp(shared)
    together = resample_fit(fit_law(law, {"flops": flops}, observed, run=run), 300)
    apart = resample_fit(fit_law(law, {"flops": flops}, observed), 300)
    assert (together.runs, apart.runs) == (12, 72)
    assert (together.coordinates.std(axis=0) > 1.5 * apart.coordinates.std(axis=0)).all()


def test_stated_errors_weigh_the_observations():
    x = np.array([1e9, 1e10, 1e11, 1e12])
    law = get_law("step_law_batch")
    observed = law.evaluate({"c": 0.58, "beta": 0.571}, {"tokens": x}) * np.array([1.0, 1.0, 1.0, 2.0])
    blamed = fit_law(law, {"tokens": x}, observed, sigma=[0.01, 0.01, 0.01, 10.0], huber=None)
    assert blamed.parameters["beta"] == pytest.approx(0.571, abs=1e-4)
    believed = fit_law(law, {"tokens": x}, observed, sigma=0.01, huber=None)
    # Weighted least squares in logarithms: the slope moves by ln 2 times the last point's leverage, 3/10 per decade.
    assert believed.parameters["beta"] == pytest.approx(0.571 + np.log10(2) * 0.3, rel=1e-4)


def test_intervals_of_several_laws_hold_the_truth_as_often_as_they_say():
    held = []
    names = ("kaplan", "direct_log_accuracy_nd", "latent_skill", "difficulty_cluster", "kaplan_steps")
    for number, name in enumerate(names):
        law, case = get_law(name), CASES[name]
        exact = law.evaluate(case.truth, case.inputs)
        for seed in range(40):
            noise = np.random.default_rng([number, seed]).standard_normal(exact.size)
            drawn = exact * np.exp(0.003 * noise) if law.fit_scale == "log" else exact + 0.005 * np.ptp(exact) * noise
            found = fit_law(law, case.inputs, drawn, starts=3).covariance_intervals(0.8)
            held += [found[key][0] <= value <= found[key][1] for key, value in case.truth.items()]
    assert 0.72 <= np.mean(held) <= 0.88
