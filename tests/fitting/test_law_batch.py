import numpy as np
import pytest

from predictor.fitting import Prior, fit_law, fit_law_batch, make_draws
from predictor.laws import get_law
from tests.laws.cases import CASES


def flat_prior(law, count, wide=1e3):
    low, high = (law.inside(np.array([getattr(p, end) for p in law.parameters])) for end in ("lower", "upper"))
    middle = np.array([np.mean(p.inside(np.array(p.prior))) for p in law.parameters])
    return Prior(*(np.tile(row, (count, 1)) for row in (middle, np.full(middle.size, wide), low, high)))


def drawn(name, count, noise=0.003):
    law, case = get_law(name), CASES[name]
    exact = law.evaluate(case.truth, case.inputs)
    disturbed = np.exp(noise * np.random.default_rng(0).standard_normal((count, exact.size)))
    inputs = {key: np.broadcast_to(value, disturbed.shape) for key, value in case.inputs.items()}
    return law, inputs, exact * disturbed, law.inside(np.array([case.truth[key] for key in law.parameter_names]))


def batch(name, by="runs", resamples=20, **options):
    law, inputs, observed, truth = drawn(name, 2)
    draws = make_draws(np.arange(observed.shape[1]), ["a", "b"], resamples, 0, "test", by, **options)
    starts = np.tile(truth, (2, 2, 1))
    sigma = np.full(observed.shape, 0.003)
    return fit_law_batch(law, inputs, observed, sigma, starts, flat_prior(law, 2), draws), observed


def test_a_law_of_nine_parameters_is_resampled():
    fit, _ = batch("data_mixture", resamples=5)
    assert fit.coordinates.shape == (2, 6, 9)
    assert np.isfinite(fit.coordinates).all()
    assert fit.agreement == pytest.approx(1.0)


def test_draws_for_too_few_parameters_are_refused():
    law, inputs, observed, truth = drawn("data_mixture", 1)
    draws = make_draws(np.arange(observed.shape[1]), ["a"], 2, 0, "test", parameters=8)
    with pytest.raises(ValueError, match="8 parameters do not fit data_mixture with 9"):
        fit_law_batch(law, inputs, observed, np.ones(observed.shape), truth[None, None], flat_prior(law, 1), draws)


def test_with_flat_priors_each_series_is_fitted_as_alone():
    law, inputs, observed, _ = drawn("chinchilla", 2)
    fit, _ = batch("chinchilla", resamples=0)
    for row in range(2):
        alone = fit_law(law, {key: value[row] for key, value in inputs.items()}, observed[row], sigma=0.003)
        np.testing.assert_allclose(fit.coordinates[row, 0], alone.coordinates, atol=2e-3)


@pytest.mark.parametrize("by", ["runs", "pairs", "wild", "noise"])
def test_resamples_of_all_series_spread_about_the_fit(by):
    fit, _ = batch("chinchilla", by, resamples=60)
    spread = fit.coordinates[:, 1:].std(axis=1)
    assert (spread[:, 2] > 0.005).all()
    assert (spread[:, 2] < 0.08).all()
    assert fit.converged.mean() > 0.95
    again, _ = batch("chinchilla", by, resamples=60)
    np.testing.assert_array_equal(fit.coordinates, again.coordinates)


def test_resampled_items_move_the_fits_and_their_mean_is_the_undisturbed_one():
    generator = np.random.default_rng(0)
    law = get_law("accuracy_from_loss")
    loss = np.linspace(1.0, 4.0, 12)
    chance_of_right = law.evaluate({"b": 0.25, "a": 0.7, "k": 3.0, "L0": 2.2}, {"loss": loss})
    items = (generator.random((12, 400)) < chance_of_right[:, None]).astype(float)
    draws = make_draws(np.arange(12), ["task"], 200, 0, "test", "noise", items=[items])
    observed = items.mean(axis=1)[None]
    np.testing.assert_allclose(draws.values[0, 0], observed[0])
    truth = law.inside(np.array([0.25, 0.7, 3.0, 2.2]))
    prior = flat_prior(law, 1)
    fit = fit_law_batch(law, {"loss": loss[None]}, observed, np.full((1, 12), 0.02), truth[None, None], prior, draws)
    middle = fit.predict({"loss": np.array(2.2)})[0]
    # The binomial error of a score near 0.6 on 400 items is 2.4 points; twelve checkpoints on the same items share it.
    assert 0.005 < middle[1:].std() < 0.03
    assert middle[1:].mean() == pytest.approx(middle[0], abs=0.01)
