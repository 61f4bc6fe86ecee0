"""Procedures beside the laws: shapes of curves, mixtures, skills, Beta responses."""

import numpy as np
import pytest
from scipy.stats import beta

from predictor.errors import InputError, UnknownNameError
from predictor.laws.ability import beta_response_nll, item_response
from predictor.laws.regression import fit_latent_skills, fit_mixture_regression
from predictor.laws.shape import is_misaligned, scaling_shape

SCALE = np.geomspace(1e18, 1e24, 13)
Z = np.log10(SCALE) - 21


@pytest.mark.parametrize(
    ("values", "shape"),
    [
        (0.5 + 0.05 * Z, "rising"),
        (0.5 - 0.05 * Z, "falling"),
        (0.5 + 0 * Z, "flat"),
        (0.4 + 0.03 * Z**2, "u"),
        (0.6 - 0.03 * Z**2, "inverted_u"),
        # It bends but turns only outside the data.
        (0.5 - 0.005 * (Z - 6) ** 2, "rising"),
    ],
)
def test_shapes_are_told_through_noise(values, shape):
    noise = 0.005 * np.random.default_rng(0).standard_normal(Z.size)
    assert scaling_shape(SCALE, values + noise).shape == shape


def test_a_u_turns_where_it_was_drawn():
    found = scaling_shape(SCALE, 0.4 + 0.03 * (Z - 1) ** 2 + 1e-4 * np.sin(9 * Z))
    assert np.log10(found.turning_point) == pytest.approx(22.0, abs=0.05)


def test_noise_alone_is_seldom_given_a_shape():
    generator = np.random.default_rng(1)
    shapes = [scaling_shape(SCALE, 0.5 + 0.02 * generator.standard_normal(Z.size), sd=0.02).shape for _ in range(300)]
    assert shapes.count("flat") / 300 > 0.95


def test_three_models_have_no_shape():
    with pytest.raises(InputError, match="four scales"):
        scaling_shape([1e18, 1e19, 1e20], [0.1, 0.2, 0.3])


def test_pretraining_that_stops_helping_is_misaligned():
    assert is_misaligned(SCALE, 30 - 2 * Z**2, sd=0.3)
    assert not is_misaligned(SCALE, 30 + 3 * Z, sd=0.3)


@pytest.mark.parametrize("sd", [0.3, None])
def test_flat_and_zigzag_curves_are_misaligned_and_rising_ones_with_noise_are_not(sd):
    generator = np.random.default_rng(1)
    noise = 0.3 * generator.standard_normal(Z.size)
    zigzag = 3 * (-1.0) ** np.arange(Z.size)
    assert is_misaligned(SCALE, 30 + noise, sd)
    assert is_misaligned(SCALE, 30 + zigzag, sd)
    assert is_misaligned(SCALE, 30 + 1.5 * Z + zigzag, sd)
    wrong = sum(
        is_misaligned(SCALE, 30 + 3 * Z + 0.3 * np.random.default_rng(seed).standard_normal(Z.size), sd)
        for seed in range(50)
    )
    assert wrong <= 2


def test_a_linear_mixture_regression_recovers_the_value_of_each_domain():
    generator = np.random.default_rng(0)
    shares = generator.dirichlet(np.ones(4), size=30)
    fit = fit_mixture_regression(shares, shares @ [2.0, 3.0, 2.5, 2.2])
    np.testing.assert_allclose(fit.predict(np.eye(4)), [2.0, 3.0, 2.5, 2.2])
    best = fit.best(4, lower_is_better=True)
    assert best[0] > 0.8
    assert best.sum() == pytest.approx(1.0)


def test_trees_see_that_two_domains_help_one_another():
    generator = np.random.default_rng(0)
    shares = generator.dirichlet(np.ones(3), size=400)
    loss = 3 - 2 * shares[:, 0] * shares[:, 1]
    best = fit_mixture_regression(shares, loss, kind="trees").best(3, lower_is_better=True)
    np.testing.assert_allclose(best, [0.5, 0.5, 0.0], atol=0.1)


def test_shares_that_are_none_are_refused():
    with pytest.raises(InputError, match="sum to one"):
        fit_mixture_regression([[0.5, 0.9]], [2.0])
    with pytest.raises(InputError, match="do not fit"):
        fit_mixture_regression([[0.5, 0.5]], [2.0, 3.0])
    with pytest.raises(UnknownNameError, match="kind of regression"):
        fit_mixture_regression([[0.5, 0.5]], [2.0], kind="forest")


def skilled_models():
    """Scores on six benchmarks of eight models in two families, from two known skills."""
    family = ["a"] * 4 + ["b"] * 4
    params = np.array([1e8, 1e9, 7e9, 7e10] * 2)
    tokens = np.array([1e11, 3e11, 1e12, 2e12, 2e12, 1e12, 3e11, 3e11])
    start = np.where(np.array(family) == "a", 0.0, 0.7)
    first = start + 0.4 * np.log(params / 1e9) + 0.2 * np.log(tokens / 1e9)
    second = -start + 0.1 * np.log(params / 1e9) + 0.3 * np.log(tokens / 1e9)
    loadings = np.array([[0.5, 0.8, 1.0, 0.3, 0.6, 0.2], [0.4, -0.2, 0.1, 0.5, 0.3, -0.3]])
    logits = np.stack([first, second], axis=1) @ loadings
    return 1 / (1 + np.exp(-logits)), params, tokens, family


def test_two_skills_explain_scores_that_come_from_two():
    scores, params, tokens, family = skilled_models()
    fit = fit_latent_skills(scores, params, tokens, family, skills=2)
    np.testing.assert_allclose(fit.predict(params, tokens, family), scores, atol=1e-9)
    alone = fit_latent_skills(scores, params, tokens, family, skills=1)
    assert np.abs(alone.predict(params, tokens, family) - scores).max() > 0.01


def test_one_skill_is_recovered_exactly_and_transfers_to_another_size_of_the_family():
    params = np.array([1e8, 4e8, 1e9, 4e9] * 2)
    tokens = np.array([1e10, 2e10, 4e10, 3e10, 3e10, 1e10, 2e10, 5e10])
    family = ["a"] * 4 + ["b"] * 4
    loadings = np.array([0.5, 0.8, 1.0])

    def skill(n, d, f):
        return (0.5 if f == "b" else -0.5) + 0.4 * np.log(n / 1e9) + 0.2 * np.log(d / 1e9)

    truth = np.array([skill(*model) for model in zip(params, tokens, family, strict=True)])[:, None] * loadings
    fit = fit_latent_skills(1 / (1 + np.exp(-truth)), params, tokens, family)
    expected = 1 / (1 + np.exp(-skill(1e10, 1e11, "b") * loadings))
    np.testing.assert_allclose(fit.predict([1e10], [1e11], ["b"])[0], expected, rtol=1e-6)
    with pytest.raises(UnknownNameError, match="unknown family 'c'"):
        fit.predict([1e10], [1e11], ["c"])


def test_scores_that_carry_no_skills_are_refused():
    scores, params, tokens, family = skilled_models()
    with pytest.raises(InputError, match="missing"):
        fit_latent_skills(np.where(scores > 0.5, np.nan, scores), params, tokens, family)
    with pytest.raises(InputError, match="do not carry 7 skills"):
        fit_latent_skills(scores, params, tokens, family, skills=7)
    with pytest.raises(InputError, match="do not fit"):
        fit_latent_skills(scores, params[:3], tokens[:3], family)


def test_beta_responses_match_scipys_density():
    mean = item_response([0.3, 1.2], 0.5, 1.4)
    seen = np.array([0.35, 0.8])
    np.testing.assert_allclose(beta_response_nll(seen, mean, 12.0), -beta.logpdf(seen, mean * 12, (1 - mean) * 12))
