from dataclasses import replace

import numpy as np
import pytest

from predictor.forecasting.methods import METHODS, Resampling
from predictor.forecasting.panel import Benchmark, Panel

PARAMS = np.repeat([5e7, 1e8, 2e8, 4e8], 3)
TOKENS = np.tile([1e9, 3e9, 9e9], 4)
TARGET = (1.6e9, 3.6e10)


def panel(curve, noise=0.002):
    score = curve(PARAMS, TOKENS) + np.random.default_rng(3).normal(0, noise, PARAMS.size)
    return Panel(
        family="f",
        runs=tuple(f"run{i}" for i in range(PARAMS.size)),
        run=np.arange(PARAMS.size),
        params=PARAMS,
        tokens=TOKENS,
        series=(Benchmark("task", "acc", 0, 0.0, 10_000),),
        score=score[None, :],
        stderr=np.full((1, PARAMS.size), noise),
        task_loss=np.full((1, PARAMS.size), np.nan),
        heldout=(),
        heldout_loss=np.empty((0, PARAMS.size)),
    )


def by_compute(params, tokens):
    return np.exp(-0.9 * (6 * params * tokens / 1e18) ** -0.12)


def by_size_and_data(params, tokens):
    return np.exp(-0.3 * (params / 1e8) ** -0.4 - 0.5 * (tokens / 3e9) ** -0.2)


def broken(params, tokens):
    """Falls slowly in error, then, after 2e18 FLOPs, faster."""
    compute = 6 * params * tokens
    return 1 - 0.7 * (compute / 2e18) ** -0.03 * (1 + (compute / 2e18) ** 2) ** -0.075


@pytest.mark.parametrize(
    ("name", "curve"), [("direct", by_compute), ("direct_nd", by_size_and_data), ("broken_power", broken)]
)
def test_each_law_is_carried_beyond_the_ladder(name, curve):
    predicted = METHODS[name].fit(panel(curve), Resampling(40, 0)).predict(*TARGET)
    assert predicted.shape == (1, 41)
    truth = curve(*TARGET)
    assert predicted[0, 0] == pytest.approx(truth, abs=0.02)
    assert predicted[0, 1:].std() > 0
    assert abs(predicted[0, 1:].mean() - truth) < 0.04


def test_a_break_is_followed_where_a_straight_power_is_not():
    seen, truth = panel(broken), broken(*TARGET)
    bent, straight = (
        abs(METHODS[name].fit(seen, Resampling(0, 0)).predict(*TARGET)[0, 0] - truth)
        for name in ("broken_power", "direct")
    )
    assert bent < 0.5 * straight


@pytest.mark.parametrize(("name", "needed"), [("direct", 2), ("direct_nd", 3), ("broken_power", 4)])
def test_too_few_runs_are_refused_with_their_number(name, needed):
    whole = panel(by_compute)
    few = replace(whole.observations(whole.run < needed - 1), runs=whole.runs[: needed - 1])
    assert METHODS[name].refuse(few) == {0: f"only {needed - 1} runs were scored, {needed} are needed"}
    assert METHODS[name].refuse(whole) == {}


@pytest.mark.parametrize("name", ["direct_nd", "broken_power"])
def test_no_forecast_leaves_the_shares(name):
    method = METHODS[name]
    for level in (0.002, 0.998):
        flat = panel(lambda params, tokens, level=level: np.full(params.shape, level), noise=0.001)
        predicted = method.fit(flat, Resampling(20, 0)).predict(1e12, 1e14)
        assert ((predicted >= 0) & (predicted <= 1)).all()
