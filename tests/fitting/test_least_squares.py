import numpy as np
import pytest
from scipy.optimize import least_squares

from predictor.fitting import solve_batch

# NIST StRD, Misra1a (nonlinear regression, lower difficulty): data, certified values and residual sum of squares.
MISRA_X = np.array([77.6, 114.9, 141.1, 190.8, 239.9, 289.0, 332.8, 378.4, 434.8, 477.3, 536.8, 593.1, 689.1, 760.0])
MISRA_Y = np.array([10.07, 14.73, 17.94, 23.93, 29.61, 35.18, 40.02, 44.82, 50.76, 55.05, 61.01, 66.40, 75.47, 81.78])
MISRA = (2.3894212918e02, 5.5015643181e-04)
MISRA_RSS = 1.2455138894e-01


def misra(theta, which):
    return theta[:, :1] * (1 - np.exp(-np.exp(theta[:, 1:]) * MISRA_X))


def solve(model, observed, start, **options):
    problems = start.shape[0]
    observed = np.broadcast_to(observed, (problems, observed.shape[-1]))
    options = {"huber": None, "lower": np.array(-np.inf), "upper": np.array(np.inf), **options}
    return solve_batch(model, observed, np.ones(observed.shape), np.ones(observed.shape), start, **options)


def test_certified_values_are_reached_from_both_of_nists_starts():
    starts = np.array([[500.0, np.log(1e-4)], [250.0, np.log(5e-4)]])
    fit = solve(misra, MISRA_Y, starts, tolerance=1e-14)
    assert fit.converged.all()
    for b1, b2 in fit.coordinates:
        assert b1 == pytest.approx(MISRA[0], rel=1e-6)
        assert np.exp(b2) == pytest.approx(MISRA[1], rel=1e-6)
    np.testing.assert_allclose(2 * fit.cost, MISRA_RSS, rtol=1e-8)


def test_standard_errors_match_the_certified_ones():
    fit = solve(misra, MISRA_Y, np.array([[250.0, np.log(5e-4)]]), tolerance=1e-14)
    variance = MISRA_RSS / (MISRA_X.size - 2)
    deviation = np.sqrt(variance * np.diag(fit.covariance()[0]))
    assert deviation[0] == pytest.approx(2.7070075241, rel=1e-4)
    assert deviation[1] * MISRA[1] == pytest.approx(7.2668688436e-06, rel=1e-4)


def test_a_batch_gives_what_scipy_gives_one_by_one_with_outliers():
    generator = np.random.default_rng(3)
    x = np.geomspace(1, 100, 25)
    truth = np.stack([generator.uniform(0.5, 2, 30), generator.uniform(0.2, 0.8, 30)], axis=1)
    observed = truth[:, :1] * x ** -truth[:, 1:] + 0.01 * generator.standard_normal((30, 25))
    observed[:, 7] += 0.4
    start = np.tile([1.0, 0.5], (30, 1))

    def model(theta, which):
        return theta[:, :1] * x ** -theta[:, 1:]

    fit = solve_batch(
        model,
        observed,
        np.full(observed.shape, 0.01),
        np.ones(observed.shape),
        start,
        np.array(-np.inf),
        np.array(np.inf),
        tolerance=1e-14,
    )
    for row in range(30):
        # scipy's Huber cost is that of residuals over f_scale, with the same corner.
        peer = least_squares(
            lambda theta, row=row: (theta[0] * x ** -theta[1] - observed[row]) / 0.01,
            start[row],
            loss="huber",
            f_scale=1.345,
            xtol=1e-14,
            ftol=1e-14,
            gtol=1e-14,
        )
        np.testing.assert_allclose(fit.coordinates[row], peer.x, rtol=1e-5)
        assert fit.cost[row] <= peer.cost * (1 + 1e-9)


def test_a_solution_outside_the_box_is_held_at_its_bound():
    x = np.linspace(0, 1, 10)
    fit = solve(
        lambda theta, which: theta[:, :1] + theta[:, 1:] * x,
        3 * x,
        np.array([[0.5, 0.5]]),
        lower=np.array([0.0, 0.0]),
        upper=np.array([1.0, 2.0]),
    )
    assert fit.coordinates[0, 1] == pytest.approx(2.0)
    # With the slope held at 2, the best intercept is the mean of what is left.
    assert fit.coordinates[0, 0] == pytest.approx(0.5)


def test_a_prior_alone_decides_what_the_data_leave_open():
    fit = solve(
        lambda theta, which: theta[:, :1] + 0 * theta[:, 1:] * np.ones(5),
        np.full(5, 2.0),
        np.array([[0.0, 0.0]]),
        prior_mean=np.array([0.0, 7.0]),
        prior_sd=np.array([np.inf, 1.0]),
    )
    np.testing.assert_allclose(fit.coordinates[0], [2.0, 7.0], atol=1e-6)


def test_missing_observations_do_not_count():
    x = np.arange(6.0)
    observed = np.where(x == 3, np.nan, 2 * x)
    fit = solve(lambda theta, which: theta * x, observed, np.array([[1.0]]))
    assert fit.coordinates[0, 0] == pytest.approx(2.0)


def test_a_model_that_is_never_finite_is_a_status_and_not_a_number():
    fit = solve(lambda theta, which: np.full((theta.shape[0], 4), np.nan), np.ones(4), np.array([[1.0]]))
    assert not fit.converged[0]
    assert np.isinf(fit.cost[0])


def test_starts_whose_squares_overflow_are_judged_without_a_warning():
    def model(theta, which):
        return np.exp(theta) * np.ones(3)

    starts = np.array([[400.0], [0.5]])
    plain, robust = (solve(model, np.ones(3), starts, huber=corner) for corner in (None, 1.345))
    assert plain.cost[0] == np.inf
    assert 0 < robust.cost[0] < 3 * 1.345 * np.exp(400.0)
    np.testing.assert_allclose([plain.coordinates[1, 0], robust.coordinates[1, 0]], 0.0, atol=1e-6)
