"""Means with clustered errors, against statsmodels and against the matrices of the paper."""

import numpy as np
import pytest
import statsmodels.api as sm
from scipy import stats

from predictor.statistics.intervals import clustered_mean, quantile, satterthwaite


def by_matrices(values, weights, groups):
    """Bell and McCaffrey's CR2 for a weighted mean, with matrices of size n."""
    design = np.ones((values.size, 1))
    rows = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    bread = 1 / weights.sum()
    residuals = values - weights @ values / weights.sum()
    maker = np.eye(values.size) - bread * design @ (design.T * weights)
    variance, contributions = 0.0, []
    for index in rows:
        share = weights[index].sum() * bread
        factor = bread / np.sqrt(1 - share)
        variance += (factor * weights[index] @ residuals[index]) ** 2
        contributions.append(factor * weights[index] @ maker[index])
    covariance = np.array(contributions) @ np.array(contributions).T
    return variance, np.trace(covariance) ** 2 / (covariance**2).sum()


def test_without_groups_it_is_the_t_interval_of_scipy():
    values = np.random.default_rng(0).normal(size=40)
    found = clustered_mean(values)
    known = stats.ttest_1samp(values, 0.0)
    assert found.freedom == pytest.approx(39)
    assert found.p_value() == pytest.approx(known.pvalue)
    assert found.interval(0.9) == pytest.approx(tuple(known.confidence_interval(0.9)))


def test_equal_groups_give_the_clustered_error_of_statsmodels():
    generator = np.random.default_rng(1)
    groups = np.repeat(np.arange(12), 5)
    values = generator.normal(size=60) + generator.normal(size=12)[groups]
    known = sm.OLS(values, np.ones(60)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    found = clustered_mean(values, groups=groups)
    assert found.value == pytest.approx(known.params[0])
    assert found.stderr == pytest.approx(known.bse[0])
    assert found.freedom == pytest.approx(11)


def test_unequal_groups_and_weights_agree_with_the_matrices():
    generator = np.random.default_rng(2)
    groups = np.sort(generator.integers(0, 9, size=70))
    groups = np.unique(groups, return_inverse=True)[1]
    values, weights = generator.normal(size=70), generator.uniform(0.2, 3.0, size=70)
    variance, freedom = by_matrices(values, weights, groups)
    found = clustered_mean(values, weights, groups)
    assert found.variance == pytest.approx(variance)
    assert found.freedom == pytest.approx(freedom)


def test_one_group_says_nothing_of_the_error():
    assert np.isnan(clustered_mean(np.array([1.0, 2.0]), groups=np.array([0, 0])).variance)


def test_two_variances_have_the_freedom_of_welch():
    a, b = np.random.default_rng(3).normal(size=8), np.random.default_rng(4).normal(scale=3, size=15)
    parts = [(np.var(x, ddof=1) / x.size, x.size - 1.0) for x in (a, b)]
    variance, freedom = satterthwaite(parts)
    known = stats.ttest_ind(a, b, equal_var=False)
    assert freedom == pytest.approx(known.df)
    assert (a.mean() - b.mean()) / np.sqrt(variance) == pytest.approx(known.statistic)


def test_the_quantile_without_bound_on_freedom_is_the_normal_one():
    assert quantile(0.975, float("inf")) == pytest.approx(stats.norm.ppf(0.975))
