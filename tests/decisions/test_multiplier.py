"""Planted pairs of ladders, one worth a known multiple of the other's compute."""

import json

import numpy as np
import pytest

from predictor.decisions.crossings import all_roots
from predictor.decisions.joint_losses import joint_law
from predictor.decisions.multiplier import Evidence, pair_multiplier
from predictor.forecasting.panel import build_panel
from predictor.laws import get_law
from predictor.results import read_results
from tests.decisions.planted import CROSSING, crossing_ladders, multiplied_ladders


def panels(tmp_path, frame):
    frame.to_csv(tmp_path / "evals.csv", index=False)
    results = read_results(tmp_path / "evals.csv")
    return build_panel(results, "a"), build_panel(results, "b")


@pytest.mark.parametrize("planted", [1.35, 0.70])
def test_a_planted_multiplier_is_found_from_the_losses(tmp_path, planted):
    found = pair_multiplier(*panels(tmp_path, multiplied_ladders(planted, noise=0.0005)), 7e9, 1.4e11)
    assert found.overall.multiplier == pytest.approx(planted, rel=0.03)
    low, high = found.overall.interval
    assert low < found.overall.multiplier < high < 1.1 * low
    assert found.losses[0].shape == "one multiplier"
    # One factor of compute holds along the whole ladder, and nothing crosses.
    assert [value for _, value in found.losses[0].along] == pytest.approx([found.overall.multiplier] * 5, rel=1e-4)
    assert found.losses[0].crossings == ()
    assert found.over_benchmarks.interval[0] < planted < found.over_benchmarks.interval[1]
    assert [evidence.name for evidence in found.benchmarks] == ["easy", "hard"]


def test_turned_round_the_multiplier_is_its_inverse(tmp_path):
    a, b = panels(tmp_path, multiplied_ladders(1.35, noise=0.0005))
    there, back = (pair_multiplier(*pair, 7e9, 1.4e11).overall.multiplier for pair in ((a, b), (b, a)))
    assert there * back == pytest.approx(1.0, rel=0.01)


def test_data_efficiency_at_one_size_is_what_the_laws_say(tmp_path):
    found = pair_multiplier(*panels(tmp_path, multiplied_ladders(1.35, noise=0.0002)), 7e9, 1.4e11)
    values = get_law("chinchilla").published_values("besiroglu")
    wanted = float(get_law("chinchilla").evaluate(values, {"params": 7e9, "tokens": 1.4e11}))
    # Family b at size N has A·(N/√m)^-alpha: what is left of the loss above it must come from tokens.
    rest = wanted - values["E"] - values["A"] * (7e9 / np.sqrt(1.35)) ** -values["alpha"]
    tokens = np.sqrt(1.35) * (rest / values["B"]) ** (-1 / values["beta"])
    assert found.losses[0].data_efficiency[0] == pytest.approx(tokens / 1.4e11, rel=0.03)


def test_both_crossings_of_two_recipes_are_found(tmp_path):
    found = pair_multiplier(*panels(tmp_path, crossing_ladders(noise=0.00002)), 7e9, 1.4e11)
    loss = found.losses[0]
    assert loss.shape == "shared exponents"
    assert [crossing.flops for crossing in loss.crossings] == pytest.approx(CROSSING, rel=0.03)
    assert [crossing.ahead for crossing in loss.crossings] == [True, False]
    for crossing, truth in zip(loss.crossings, CROSSING, strict=True):
        assert crossing.interval[0] < truth < crossing.interval[1]


def test_all_roots_of_a_curve_are_found_in_order():
    # (x - 1)(x - 10)(x - 1000) changes its sign three times.
    roots = all_roots(lambda x: (x - 1) * (x - 10) * (x - 1000), 1e-3, 1e6)
    assert [root for root, _ in roots] == pytest.approx([1, 10, 1000])
    assert [negative for _, negative in roots] == [False, True, False]


def test_a_joint_law_of_one_multiplier_is_one_law_at_scaled_compute():
    law = joint_law("one multiplier", apart=False)
    values = {"E": 1.7, "A": 900.0, "alpha": 0.16, "u": np.log(2.0)}
    a, b = (float(law.evaluate(values, {"flops": c, "family": f})) for c, f in ((1e21, 0.0), (2e21, 1.0)))
    assert a == pytest.approx(b, rel=1e-12)


def test_what_no_multiple_reaches_is_null_in_json():
    evidence = Evidence("piqa", 40.0, (3.0, np.inf)).to_json()
    assert json.loads(json.dumps(evidence, allow_nan=False))["interval_80"] == [3.0, None]
