"""Which clusters extrapolate, the reason for each left out, and verdicts on degenerate input."""

import numpy as np
import pytest

from predictor.difficulty import analyse, fit_through_subset
from predictor.difficulty.shapes import curve_shape
from predictor.errors import ForecastError

FLOPS = 10.0 ** np.linspace(18, 22, 16)
NOISE = 0.01 * np.random.default_rng(0).standard_normal(16)
Z = np.linspace(-1, 1, 16)


@pytest.mark.parametrize(
    ("curve", "shape"),
    [
        (0.55 + 0.3 * Z, "rising"),
        (np.full(16, 0.98), "saturated"),
        (np.full(16, 0.5), "flat"),
        (np.full(16, 0.25), "at chance"),
        (0.6 - 0.2 * Z, "falling"),
        (0.3 + 0.4 * Z**2, "U"),
        (0.7 - 0.4 * Z**2, "inverted U"),
        (np.where(np.arange(16) < 13, 0.25, 0.25 + 0.15 * (np.arange(16) - 12)), "late emergence"),
    ],
)
def test_shapes_of_known_curves(curve, shape):
    assert curve_shape(FLOPS, curve + NOISE, chance=0.25).shape == shape


def test_a_curve_without_a_trend_is_noisy():
    values = 0.5 + 0.3 * (-1.0) ** np.arange(16)
    assert curve_shape(FLOPS, values).shape == "noisy"


def test_clusters_of_a_drawn_ladder_are_told_apart_and_rising_ones_kept(draw_items):
    difficulty = np.concatenate([np.full(60, -8.0), np.full(60, 1.0), np.full(60, 12.0)])
    found = analyse(draw_items(difficulty, noise=0.02))
    verdicts = {}
    for one in found.clusters:
        if one.number >= 0:
            planted = float(np.median(difficulty[found.clustering.labels == one.number]))
            verdicts[planted] = (one.shape.shape, one.verdict)
    assert verdicts[-8.0] == ("saturated", "extrapolates")
    assert verdicts[1.0] == ("rising", "extrapolates")
    assert verdicts[12.0] == ("at chance", "not yet emerged")


def test_the_way_through_predictable_items_forecasts_a_larger_model(draw_items):
    difficulty = np.random.default_rng(5).normal(1.0, 1.5, 300)
    sizes = (2e7, 5e7, 1e8, 2e8, 4e8, 8e8)
    ladder = draw_items(difficulty, sizes, noise=0.02)
    target = draw_items(difficulty, (1.6e9,), seed=9)
    told = fit_through_subset(ladder, resamples=20).predict(1.6e9, 1e10)
    assert told.shape == (21,)
    assert told[0] == pytest.approx(float(target.score[0]), abs=0.05)


@pytest.mark.parametrize(
    ("difficulty", "words"),
    [(np.full(100, -30.0), "all items are solved"), (np.full(100, 30.0), "not yet emerged")],
)
def test_all_solved_and_all_at_chance_get_a_verdict(draw_items, difficulty, words):
    assert words in analyse(draw_items(difficulty)).verdict


def test_five_items_and_one_checkpoint_get_a_verdict(draw_items):
    assert analyse(draw_items(np.linspace(-1, 1, 5))).verdict
    alone = analyse(draw_items(np.linspace(-1, 1, 40), sizes=(1e8,)))
    assert "noisy" in alone.verdict
    assert "only 1 checkpoints" in alone.whole.evidence


def test_a_task_at_chance_is_refused_with_the_reason(draw_items):
    with pytest.raises(ForecastError, match="not yet emerged"):
        fit_through_subset(draw_items(np.full(100, 30.0)))
