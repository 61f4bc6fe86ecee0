"""Pass rates, against closed forms and sampling."""

import math

import numpy as np
import pytest

from predictor.difficulty import expected_tries, pass_at_k, pass_until
from predictor.errors import InputError


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
