"""The process against scikit-learn's, and its sequence of forecasts against fitting anew each time."""

import numpy as np
import pytest
from scipy.linalg import solve

from predictor.forecasting.trajectory.kernel import PRIOR, Points, covariance, standardise
from predictor.forecasting.trajectory.process import Training, bin_checkpoints, fit_process


@pytest.fixture
def training():
    run = np.repeat(np.arange(3), 8)
    params, tokens = np.repeat([1e8, 3e8, 9e8], 8), np.tile(np.geomspace(1e9, 2e10, 8), 3)
    raw = Points(np.log(params), np.log(tokens), tokens / 2e10, run, np.zeros(24, dtype=np.intp))
    value = 0.3 + 0.05 * np.log10(params * tokens / 1e17)[:, None] * np.array([1.0, 2.0])
    value += 0.003 * np.random.default_rng(0).standard_normal((24, 2))
    return Training(standardise(raw, raw), value, np.ones(24))


def test_what_is_believed_of_places_is_the_textbook_conditional(training):
    process = fit_process(training.of([0, 1]), PRIOR)
    places = training.points.select(np.flatnonzero(training.points.run == 2))
    (belief,) = process.conditional(process.training, places, [0])
    known = process.training.points
    within = covariance(known, known, PRIOR) + process.noise[0] * np.eye(len(known))
    across = covariance(places, known, PRIOR)
    unit = process.scale[0] * process.spread[0] ** 2
    mean = process.center[0] + across @ solve(within, process.training.value[:, 0] - process.center[0])
    assert belief.mean == pytest.approx(mean, abs=1e-6)
    left = covariance(places, places, PRIOR) - across @ solve(within, across.T)
    assert belief.covariance == pytest.approx(unit * left, rel=1e-4, abs=1e-9)
    assert belief.noise == pytest.approx(unit * process.noise[0])


def test_noise_and_trend_are_told_apart(training):
    process = fit_process(training)
    noise = process.spread * np.sqrt(process.scale * process.noise)
    assert noise == pytest.approx([0.003, 0.003], rel=0.6)


def test_a_series_that_never_moves_is_forecast_as_it_is(training):
    still = Training(training.points, np.full((24, 1), 0.25), training.weight)
    process = fit_process(still)
    (belief,) = process.conditional(still, still.points, [0])
    assert belief.mean == pytest.approx(np.full(24, 0.25), abs=1e-6)


def test_bins_average_neighbouring_checkpoints(training):
    value = training.value.T
    tokens = np.tile(np.geomspace(1e9, 2e10, 8), 3)
    binned = bin_checkpoints(training.points, tokens, value, np.arange(8), 4)
    assert len(binned.points) == 4
    # The last stays alone, as it measures the end.
    assert binned.value[-1] == pytest.approx(value[:, 7])
    assert binned.weight[-1] == 1
    assert binned.weight[0] > 1
