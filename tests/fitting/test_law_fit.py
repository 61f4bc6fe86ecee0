import numpy as np
import pytest

from predictor.fitting import fit_law
from predictor.laws import get_law

TRUTH = {"E": 1.8172, "A": 482.01, "alpha": 0.3478, "B": 2085.43, "beta": 0.3658}


def grid(sizes, ratios):
    params = np.repeat(sizes, len(ratios)).astype(float)
    return {"params": params, "tokens": params * np.tile(ratios, len(sizes))}


def losses(inputs, noise=0.0, seed=0):
    law = get_law("chinchilla")
    clean = law.predict(inputs, np.array([[TRUTH[name] for name in law.parameter_names]]))[0]
    return clean * np.exp(noise * np.random.default_rng(seed).standard_normal(clean.size))


def test_chinchillas_coefficients_come_back_from_exact_losses():
    inputs = grid(np.geomspace(5e7, 1e10, 8), [5, 20, 80])
    fit = fit_law(get_law("chinchilla"), inputs, losses(inputs))
    for name, value in TRUTH.items():
        assert fit.parameters[name] == pytest.approx(value, rel=1e-3), name
    assert fit.converged
    assert fit.undetermined == ()


def test_intervals_hold_the_truth_about_as_often_as_they_say():
    inputs = grid(np.geomspace(5e7, 1e10, 8), [5, 20, 80])
    fits = [fit_law(get_law("chinchilla"), inputs, losses(inputs, 0.003, seed), starts=4) for seed in range(40)]
    for name, value in TRUTH.items():
        held = np.mean([fit.intervals[name][0] < value < fit.intervals[name][1] for fit in fits])
        assert held >= 0.85, name


def test_one_model_size_leaves_the_size_term_undetermined():
    inputs = grid([1e9], [5, 10, 20, 40, 80, 160, 320])
    fit = fit_law(get_law("chinchilla"), inputs, losses(inputs, noise=0.001))
    assert {"A", "alpha"} & set(fit.undetermined)


def test_the_fitted_law_predicts_what_it_was_fitted_to():
    inputs = grid(np.geomspace(5e7, 1e10, 8), [5, 20, 80])
    observed = losses(inputs)
    np.testing.assert_allclose(fit_law(get_law("chinchilla"), inputs, observed).predict(inputs), observed, rtol=1e-4)
