"""The covariance, held against its own finite differences and against what a covariance must be."""

import numpy as np
import pytest

from predictor.forecasting.trajectory.kernel import PRIOR, Points, covariance, gradient, standardise


@pytest.fixture
def points():
    random = np.random.default_rng(0)
    run = np.repeat(np.arange(4), 6)
    params = np.repeat([1e8, 2e8, 4e8, 8e8], 6)
    tokens = np.tile(np.geomspace(1e9, 2e10, 6), 4) * (1 + 0.1 * random.random(24))
    raw = Points(np.log(params), np.log(tokens), np.where(run == 3, 0.0, tokens / 2.2e10), run, run // 2)
    return standardise(raw, raw)


def test_it_is_symmetric_and_positive(points):
    matrix = covariance(points, points, PRIOR)
    assert matrix == pytest.approx(matrix.T)
    assert np.linalg.eigvalsh(matrix).min() > -1e-9


def test_the_gradient_is_that_of_finite_differences(points):
    outer = np.random.default_rng(1).standard_normal((24, 24))
    outer = outer + outer.T
    exact = gradient(points, PRIOR, outer)
    for place in range(PRIOR.size):
        step = np.zeros(PRIOR.size)
        step[place] = 1e-5
        up, down = (float((outer * covariance(points, points, PRIOR + sign * step)).sum()) for sign in (1, -1))
        assert exact[place] == pytest.approx((up - down) / 2e-5, rel=1e-4, abs=1e-6)
