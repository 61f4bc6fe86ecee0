"""The item-response model on answers drawn from it."""

import numpy as np
import pytest

from predictor.difficulty import ItemResponse, fit_item_response


def sharpness():
    return np.random.default_rng(0).lognormal(0, 0.3, 300)


@pytest.fixture(scope="module")
def drawn():
    generator = np.random.default_rng(1)
    params = np.repeat(1e8 * 2.0 ** np.arange(6), 4)
    tokens = np.tile(1e10 * 2.0 ** np.arange(4), 6)
    theta = 0.6 * np.log(params / params.mean()) + 0.3 * np.log(tokens / tokens.mean())
    difficulty, sharp = generator.normal(0, 1.2, 300), sharpness()
    chance = 1 / (1 + np.exp(-sharp * (theta[:, None] - difficulty)))
    return params, tokens, theta, difficulty, (generator.random(chance.shape) < chance).astype(float), chance


@pytest.fixture(scope="module")
def fitted(drawn):
    params, tokens, _, _, answers, _ = drawn
    return fit_item_response(answers, params, tokens)


def test_difficulty_ability_and_the_law_are_recovered(drawn, fitted):
    _, _, theta, difficulty, _, _ = drawn
    assert np.corrcoef(fitted.difficulty, difficulty)[0, 1] > 0.85
    assert np.corrcoef(fitted.ability, theta)[0, 1] > 0.98
    # The unit of ability is free; the ratio of the law's slopes is not.
    assert fitted.law[1] / fitted.law[2] == pytest.approx(2.0, rel=0.25)


def test_the_expected_score_of_the_next_model(drawn, fitted):
    params, tokens, _, difficulty, _, _ = drawn
    theta = 0.6 * np.log(6.4e9 / params.mean()) + 0.3 * np.log(8e10 / tokens.mean())
    truth = (1 / (1 + np.exp(-sharpness() * (theta - difficulty)))).mean()
    assert float(fitted.expected_score(fitted.ability_at(6.4e9, 8e10))) == pytest.approx(truth, abs=0.05)


def test_a_short_test_says_more_than_as_many_random_items(fitted):
    items, error = fitted.short_test(float(fitted.ability[-1]), 50)
    plain = 1 / np.sqrt(fitted.information(float(fitted.ability[-1])).mean() * 50)
    assert items.size == 50
    assert error < 0.8 * plain


def test_with_known_items_the_stated_error_of_a_short_test_holds(drawn):
    _, _, theta, difficulty, answers, chance = drawn
    unit = {"law": (0.0, 1.0, 1.0), "scatter": 0.0, "guess": 0.0, "params": 1.0, "tokens": 1.0}
    known = ItemResponse(difficulty, sharpness(), theta, np.zeros_like(theta), **unit)
    inside = []
    for row, ability in enumerate(theta):
        items, _ = known.short_test(float(ability), 50)
        found, spread, score, error = known.estimate(items, answers[row, items])
        inside += [abs(found - ability) < 2 * spread, abs(score - chance[row].mean()) < 2 * error]
    assert np.mean(inside) >= 0.85


def test_probabilities_are_fitted_by_a_beta_likelihood(drawn):
    params, tokens, theta, _, _, chance = drawn
    found = fit_item_response(chance, params, tokens, likelihood="beta")
    assert np.corrcoef(found.ability, theta)[0, 1] > 0.995


def test_missing_answers_do_not_count(drawn, fitted):
    params, tokens, theta, _, answers, _ = drawn
    holes = np.where(np.random.default_rng(1).random(answers.shape) < 0.3, np.nan, answers)
    found = fit_item_response(holes, params, tokens)
    assert np.corrcoef(found.ability, theta)[0, 1] > 0.97
