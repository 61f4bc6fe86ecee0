"""Following a run: against Bayes' rule in closed form, and where something happens that was not foreseen."""

import numpy as np
import pytest
from scipy.linalg import solve

from predictor.forecasting.trajectory.belief import anchor, follow, widen
from predictor.forecasting.trajectory.process import Gaussian

NOISE = 0.02**2
# Six checkpoints and the end.
ALONG = np.array([1.0, 2, 3, 4, 5, 6, 7])


@pytest.fixture
def belief():
    apart = np.abs(ALONG[:, None] - ALONG[None])
    return Gaussian(np.linspace(0.0, 0.6, 7), 0.1**2 * np.exp(-((apart / 5) ** 2) / 2) + 0.2**2, NOISE)


def test_without_surprises_it_is_the_conditional_of_a_normal_distribution(belief, monkeypatch):
    # The run's own scatter is left out, which has no closed form.
    monkeypatch.setattr("predictor.forecasting.trajectory.belief._OTHERS", 1e9)
    value = belief.mean[:6] + np.array([0.02, 0.03, 0.01, 0.03, 0.02, 0.04])
    followed = follow(belief, value, ALONG)
    for count in range(7):
        within = belief.covariance[:count, :count] + NOISE * np.eye(count)
        across = belief.covariance[6:, :count]
        departure = value[:count] - belief.mean[:count]
        assert followed.median[count] == pytest.approx(belief.mean[6:] + across @ solve(within, departure), abs=1e-8)
        left = belief.covariance[6:, 6:] - across @ solve(within, across.T)
        assert followed.spread[count] == pytest.approx(np.sqrt(np.diag(left) + NOISE), rel=1e-6)


def test_an_anchor_sets_one_place_and_keeps_how_others_depend_on_it(belief):
    anchored = anchor(belief, 6, 0.9, 0.01**2)
    assert anchored.mean[6] == pytest.approx(0.9)
    assert anchored.covariance[6, 6] == pytest.approx(0.01**2)
    # The regression of the first place on the last is what it was.
    slope = belief.covariance[0, 6] / belief.covariance[6, 6]
    assert anchored.covariance[0, 6] / anchored.covariance[6, 6] == pytest.approx(slope)
    assert anchored.mean[0] == pytest.approx(belief.mean[0] + slope * (0.9 - belief.mean[6]))


def test_a_surprise_of_many_standard_deviations_moves_the_end_or_widens_it_at_once(belief):
    sharp = anchor(belief, 6, 0.6, 0.02**2)
    calm = follow(sharp, sharp.mean[:6], ALONG)
    stepped = sharp.mean[:6] + np.array([0, 0, 0, 1.0, 1.0, 1.0])
    followed = follow(sharp, stepped, ALONG)
    assert followed.spread[4, 0] > 4 * calm.spread[4, 0]
    # Three checkpoints on a new level: the end is there too, within what is stated.
    assert abs(followed.median[6, 0] - 1.6) < 2 * followed.spread[6, 0]
    assert followed.median[6, 0] > 1.2


def test_one_bad_measurement_is_forgotten(belief):
    value = belief.mean[:6] + np.array([0, 0, 1.0, 0, 0, 0])
    assert follow(belief, value, ALONG).median[-1, 0] == pytest.approx(0.6, abs=0.06)


def test_a_known_event_widens_what_follows_it_alone(belief):
    wide = widen(belief, ALONG, 4.0)
    assert np.all(np.diag(wide.covariance)[3:] > np.diag(belief.covariance)[3:])
    assert np.diag(wide.covariance)[:3] == pytest.approx(np.diag(belief.covariance)[:3])


def test_a_run_that_scatters_more_than_others_gets_wider_bands():
    covariance = np.full((151, 151), 0.2**2)
    belief = Gaussian(np.zeros(151), covariance, NOISE)
    value = 0.1 * np.random.default_rng(0).standard_normal(150)
    followed = follow(belief, value, np.arange(1.0, 152))
    assert np.sqrt(followed.noise) == pytest.approx(0.1, rel=0.25)
