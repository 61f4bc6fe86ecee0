"""Pass rates, against closed forms and sampling."""

import math

import numpy as np
import pytest
from scipy import stats

from predictor.errors import InputError
from predictor.results.passes import (
    expected_tries,
    pass_at_k,
    pass_rate,
    pass_rate_interval,
    pass_rate_variance,
    pass_until,
)


@pytest.mark.parametrize(("n", "c", "k"), [(10, 3, 1), (10, 3, 5), (200, 1, 100), (5, 5, 5), (8, 0, 4)])
def test_pass_at_k_is_one_minus_the_ratio_of_binomials(n, c, k):
    assert float(pass_at_k(n, c, k)) == pytest.approx(1 - math.comb(n - c, k) / math.comb(n, k))


def test_pass_at_k_is_unbiased():
    # Mean over all outcomes of n = 6 samples with rate 0.3, weighted by their probability.
    rate, n, k = 0.3, 6, 3
    weights = [math.comb(n, c) * rate**c * (1 - rate) ** (n - c) for c in range(n + 1)]
    mean = sum(w * float(pass_at_k(n, c, k)) for c, w in enumerate(weights))
    assert mean == pytest.approx(1 - (1 - rate) ** k)


def test_sampling_until_passes_measures_a_rate_far_below_one_in_a_hundred():
    rate, passes = 1e-3, 5
    tries = np.random.default_rng(0).negative_binomial(passes, rate, 20_000) + passes
    estimates = pass_until(tries, passes)
    error = estimates.std() / np.sqrt(estimates.size)
    assert estimates.mean() == pytest.approx(rate, abs=4 * error)
    assert 4 * error < 0.05 * rate


def test_an_item_never_solved_has_a_finite_number_of_tries():
    assert float(expected_tries(100, 0)) == pytest.approx(202)
    assert float(expected_tries(100, 50)) == pytest.approx(2.0, rel=0.01)


def test_more_passes_than_samples_are_refused():
    with pytest.raises(InputError, match="more passes than samples"):
        pass_at_k(3, 4, 1)
    with pytest.raises(InputError, match="needs 5 samples"):
        pass_at_k([10, 3], [1, 1], 5)
    with pytest.raises(InputError, match="at least one pass"):
        pass_until(3, 0)


def paths(until, most):
    """Every outcome (n, c, stopped) of sampling until r passes or a cap, and its number of orders."""
    return [(n, until, math.comb(n - 1, until - 1), True) for n in range(until, most + 1)] + [
        (most, c, math.comb(most, c), False) for c in range(until)
    ]


@pytest.mark.parametrize(("until", "most", "k"), [(2, 9, 1), (3, 12, 4), (3, 12, 12), (5, 5, 2)])
def test_estimates_under_a_stopping_rule_are_unbiased(until, most, k):
    # The mean over all outcomes, each with its exact probability, is the true value.
    rate, means = 0.23, np.zeros(2)
    for n, c, orders, stopped in paths(until, most):
        weight = orders * rate**c * (1 - rate) ** (n - c)
        asked = c if stopped else math.nan
        means += weight * np.array([float(pass_rate(n, c, asked)), float(pass_at_k(n, c, k, asked))])
    assert means == pytest.approx([rate, 1 - (1 - rate) ** k])


def test_variances_are_unbiased():
    rate, until = 0.3, 4
    chances = [(n, math.comb(n - 1, until - 1) * rate**until * (1 - rate) ** (n - until)) for n in range(until, 400)]
    estimates = np.array([float(pass_rate(n, until, until)) for n, _ in chances])
    weights = np.array([chance for _, chance in chances])
    stated = sum(chance * float(pass_rate_variance(n, until, until)) for n, chance in chances)
    assert stated == pytest.approx(float(weights @ (estimates - rate) ** 2), rel=1e-6)


@pytest.mark.parametrize("rate", [1e-3, 0.02, 0.5, 0.97])
@pytest.mark.parametrize("until", [1, 5])
def test_intervals_under_a_stopping_rule_hold_the_rate_as_often_as_they_state(rate, until):
    # By the exact distribution, from scipy's negative binomial, of sampling until r passes or 2000 samples.
    most = 2000
    n = np.arange(until, most + 1)
    chance = stats.nbinom.pmf(n - until, until, rate)
    fewer = np.arange(until)
    capped = stats.binom.pmf(fewer, most, rate)
    held = 0.0
    for samples, passes, asked, weights in ((n, until, until, chance), (most, fewer, math.nan, capped)):
        low, high = pass_rate_interval(samples, passes, asked)
        held += float(np.sum(weights * ((low <= rate) & (rate <= high))))
    assert 0.95 <= held <= 1.0


def test_the_interval_of_a_fixed_number_of_samples_is_that_of_statsmodels():
    from statsmodels.stats.proportion import proportion_confint

    for passes in (0, 1, 7, 20):
        low, high = pass_rate_interval(20, passes)
        assert (float(low), float(high)) == pytest.approx(proportion_confint(passes, 20, method="beta"))
