"""Quantiles, percentiles and scores of registered forecasts, against closed forms and a second implementation."""

import numpy as np
import pytest
import scipy.stats

from predictor.forecasting.register.distribution import (
    interval_score,
    joint_percentile,
    percentile_of,
    quantiles_of,
)

NORMAL = {level: tuple(scipy.stats.norm(0.5, 0.02).interval(float(level) / 100)) for level in ("80", "95")}


def test_a_normal_forecast_has_the_quantiles_and_percentiles_of_a_normal():
    law, quantiles = scipy.stats.norm(0.5, 0.02), quantiles_of(0.5, NORMAL)
    assert {float(key): value for key, value in quantiles.items()} == pytest.approx(
        {float(key): law.ppf(float(key)) for key in quantiles}
    )
    for value in (0.43, 0.47, 0.5, 0.52, 0.58):
        assert percentile_of(value, quantiles) == pytest.approx(law.cdf(value), abs=1e-9)


def test_the_stated_ends_of_any_interval_are_its_quantiles():
    quantiles = quantiles_of(0.3, {"80": (0.25, 0.41), "95": (0.05, 0.44)})
    ends = [quantiles[name] for name in ("0.025", "0.1", "0.5", "0.9", "0.975")]
    assert ends == pytest.approx([0.05, 0.25, 0.3, 0.41, 0.44])
    for value, percentile in zip(ends, (0.025, 0.1, 0.5, 0.9, 0.975), strict=True):
        assert percentile_of(value, quantiles) == pytest.approx(percentile)


def test_a_score_at_a_clipped_end_lies_in_the_middle_of_what_is_there():
    quantiles = quantiles_of(0.99, {"80": (0.96, 1.0), "95": (0.94, 1.0)})
    # From 90% on all is at 1: a score of 1 lies between there and the end.
    assert 0.9 < percentile_of(1.0, quantiles) < 1.0
    assert percentile_of(0.5, quantiles) < 1e-6


def test_percentiles_of_right_forecasts_are_uniform():
    generator = np.random.default_rng(0)
    quantiles = quantiles_of(0.5, NORMAL)
    found = [percentile_of(value, quantiles) for value in generator.normal(0.5, 0.02, 2000)]
    assert scipy.stats.kstest(found, "uniform").pvalue > 0.01


def test_the_interval_score_is_least_on_average_for_the_right_interval():
    draws = np.random.default_rng(1).normal(0.5, 0.02, 4000)

    def score(factor):
        half = factor * 1.2816 * 0.02
        return np.mean([interval_score(draw, 0.5 - half, 0.5 + half, "80") for draw in draws])

    assert score(1.0) < min(score(0.7), score(1.4))
    # Inside: the width. Outside by 0.01: that times 2 / 0.2 more.
    assert interval_score(0.5, 0.4, 0.6, "80") == pytest.approx(0.2)
    assert interval_score(0.61, 0.4, 0.6, "80") == pytest.approx(0.3)


@pytest.mark.parametrize("correlation", [0.0, 0.4, 0.8])
def test_the_joint_percentile_is_that_of_the_mahalanobis_distance(correlation):
    generator = np.random.default_rng(2)
    covariance = np.full((5, 5), correlation) + (1 - correlation) * np.eye(5)
    draws = generator.multivariate_normal(np.zeros(5), covariance, size=1000)
    distance = np.einsum("di,ij,dj->d", draws, np.linalg.inv(covariance), draws)
    found = np.array([joint_percentile(draw, correlation) for draw in draws])
    np.testing.assert_allclose(found, scipy.stats.chi2(5).cdf(distance))
    assert scipy.stats.kstest(found, "uniform").pvalue > 0.01
