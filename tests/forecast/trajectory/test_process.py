"""The process against scikit-learn's, and its sequence of forecasts against fitting anew each time."""

import numpy as np
import pytest
from scipy.linalg import solve

from predictor.forecast.trajectory.kernel import PRIOR, covariance, make_points, standardise
from predictor.forecast.trajectory.process import Training, bin_checkpoints, fit_process


@pytest.fixture
def training():
    run = np.repeat(np.arange(3), 8)
    params, tokens = np.repeat([1e8, 3e8, 9e8], 8), np.tile(np.geomspace(1e9, 2e10, 8), 3)
    raw = make_points(params, tokens, np.full(24, 2e10), run, 1e8)
    value = 0.3 + 0.05 * np.log10(params * tokens / 1e17)[:, None] * np.array([1.0, 2.0])
    value += 0.003 * np.random.default_rng(0).standard_normal((24, 2))
    return Training(standardise(raw, raw), value, np.ones(24))


def test_a_forecast_after_each_checkpoint_is_that_of_a_fit_to_all_before(training):
    process = fit_process(training.of([0, 1]), PRIOR)
    own = np.flatnonzero(training.points.run == 2)
    seen, places = training.points.select(own[:5]), training.points.select(own[5:])
    value = training.value[own[:5]].T
    (one,) = process.follow(process.training, seen, value[:1], places, [0])
    for count in (0, 3, 5):
        known = process.training.points.join(seen.select(np.arange(count)))
        values = np.concatenate([process.training.value[:, 0], value[0, :count]]) - process.center[0]
        within = covariance(known, known, PRIOR) + process.noise[0] * np.eye(len(known))
        across = covariance(places, known, PRIOR)
        assert one.median[count] == pytest.approx(process.center[0] + across @ solve(within, values), abs=1e-6)
        left = covariance(places, places, PRIOR) - across @ solve(within, across.T)
        total = (np.diag(left) + process.noise[0]) * process.scale[0] * process.spread[0] ** 2
        assert one.spread[count] == pytest.approx(np.sqrt(total), rel=1e-5)


def test_noise_and_trend_are_told_apart(training):
    process = fit_process(training)
    noise = process.spread * np.sqrt(process.scale * process.noise)
    assert noise == pytest.approx([0.003, 0.003], rel=0.6)


def test_a_series_that_never_moves_is_forecast_as_it_is(training):
    still = Training(training.points, np.full((24, 1), 0.25), training.weight)
    process = fit_process(still)
    (one,) = process.follow(
        still.of([0, 1]), still.points.select(np.array([16])), np.array([[0.25]]), still.points, [0]
    )
    assert one.median == pytest.approx(np.full((2, 24), 0.25), abs=1e-6)


def test_bins_average_neighbouring_checkpoints(training):
    value = training.value.T
    binned = bin_checkpoints(training.points, value, np.arange(8), 4)
    assert len(binned.points) == 4
    assert binned.value.mean() == pytest.approx(value[:, :8].mean())
    assert np.all(binned.weight > 1)
