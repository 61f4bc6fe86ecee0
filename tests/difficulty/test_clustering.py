"""Groups of items whose difficulty scales alike."""

import numpy as np
import pytest
from sklearn.metrics import adjusted_rand_score

from predictor.difficulty import cluster
from predictor.errors import UnknownNameError

PLACE = np.linspace(-3, 3, 12)


def kinds(per_kind=60, noise=0.04, seed=0):
    """Four planted kinds: solved, rising early, rising late, at chance."""
    centres = [np.full(12, 0.97), 1 / (1 + np.exp(-2 * (PLACE + 1.5))), 1 / (1 + np.exp(-2 * (PLACE - 1.5)))]
    centres.append(np.full(12, 0.25))
    planted = np.repeat(np.arange(4), per_kind)
    generator = np.random.default_rng(seed)
    return np.clip(np.array(centres)[planted] + noise * generator.standard_normal((planted.size, 12)), 0, 1), planted


def test_mean_shift_recovers_planted_kinds():
    curves, planted = kinds()
    found = cluster(curves)
    assert found.count == 4
    assert adjusted_rand_score(planted, found.labels) > 0.95


def test_hdbscan_recovers_planted_kinds():
    curves, planted = kinds()
    assert adjusted_rand_score(planted, cluster(curves, "hdbscan").labels) > 0.9


def test_clusters_are_numbered_from_the_easiest():
    curves, _ = kinds()
    for method in ("mean_shift", "hdbscan", "quantiles"):
        found = cluster(curves, method)
        means = [curves[found.labels == label].mean() for label in range(found.count)]
        assert means == sorted(means, reverse=True)


def test_items_unlike_all_others_are_set_apart():
    curves, _ = kinds()
    strange = np.tile([1.0, 0.0], 6)
    found = cluster(np.vstack([curves, strange, 1 - strange]))
    assert found.labels[-2:].tolist() == [-1, -1]


def test_no_group_is_smaller_than_asked_and_none_wider():
    curves = np.random.default_rng(1).random((400, 8))
    found = cluster(curves, radius=0.3, least=20)
    sizes = np.bincount(found.labels[found.labels >= 0])
    assert sizes.min(initial=20) >= 20


def test_items_spread_so_thin_that_no_two_hundredth_lie_together_are_grouped_all_the_same():
    found = cluster(np.random.default_rng(1).random((1580, 36)))
    sizes = np.bincount(found.labels[found.labels >= 0])
    assert sizes.size
    assert sizes.min() >= found.least


def test_the_same_seed_gives_the_same_groups_on_a_sample():
    curves, _ = kinds(per_kind=1000)
    first, second = cluster(curves, seed=3), cluster(curves, seed=3)
    assert (first.labels == second.labels).all()


def test_items_that_are_all_alike_are_one_group():
    assert cluster(np.full((50, 6), 1.0)).count == 1
    assert cluster(np.random.default_rng(0).random((5, 6))).count == 1


def test_an_unknown_method_is_named():
    with pytest.raises(UnknownNameError, match="did you mean mean_shift"):
        cluster(np.ones((20, 3)), "meanshift")
