"""Calibration and bias, against scikit-learn, closed forms and simulation."""

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from sklearn.metrics import brier_score_loss

from predictor.cli.app import app
from predictor.errors import InputError
from predictor.results import read_results
from predictor.statistics import calibration
from predictor.statistics.reliability import length_bias, places, reliability_bins, softmax
from tests.statistics.conftest import items_of


def two_choices(sure, gold):
    """Items of two choices whose first one has the probability `sure`."""
    likelihoods = [[float(np.log(p)), float(np.log(1 - p))] for p in sure]
    right = (np.asarray(sure) > 0.5) == (np.asarray(gold) == 0)
    return items_of(right.astype(float), gold=gold, log_likelihoods=likelihoods)


def only(store, items):
    (found,) = calibration(read_results(store({"a": {"easy": items}})), "easy").checkpoints
    return found


def test_the_brier_score_is_that_of_scikit_learn(store):
    generator = np.random.default_rng(0)
    sure, gold = generator.uniform(0.02, 0.98, 200), generator.integers(0, 2, 200)
    # Over two choices the sum of squares counts the miss twice.
    assert only(store, two_choices(sure, gold)).brier == pytest.approx(2 * brier_score_loss(gold == 0, sure))


def test_answers_that_are_right_as_often_as_they_are_sure_are_calibrated():
    generator = np.random.default_rng(1)
    sure = generator.uniform(0.25, 1.0, 200_000)
    right = (generator.random(sure.size) < sure).astype(float)
    bins = reliability_bins(sure, right)
    assert sum(one.items * abs(one.right - one.confidence) for one in bins) / sure.size < 0.005
    assert sum(one.items for one in bins) == sure.size


def test_the_calibration_error_of_one_bin_is_its_gap(store):
    # All 0.9 sure, 60 of 100 right.
    found = only(store, two_choices(np.full(100, 0.9), np.repeat([0, 1], [60, 40])))
    assert (found.accuracy, found.confidence, found.ece) == pytest.approx((0.6, 0.9, 0.3))


def test_a_place_that_is_taken_too_often_is_found_and_an_even_model_is_not():
    generator = np.random.default_rng(2)
    gold = generator.integers(0, 4, 1000)
    biased = np.where(generator.random(1000) < 0.2, 0, gold)
    chosen, right, excess, p_value = places(biased, gold, np.full(1000, 4))
    assert excess == pytest.approx(chosen[0] - right[0])
    assert p_value < 1e-6
    wrong = []
    for _ in range(400):
        even = np.where(generator.random(200) < 0.5, generator.integers(0, 4, 200), generator.integers(0, 4, 200))
        wrong.append(places(even, generator.integers(0, 4, 200), np.full(200, 4))[3] < 0.05)
    assert 0.025 < np.mean(wrong) < 0.08


def test_two_places_are_tested_as_mcnemar_does():
    from statsmodels.stats.contingency_tables import mcnemar

    taken, gold = np.repeat([0, 1, 0, 1], [30, 12, 25, 33]), np.repeat([0, 0, 1, 1], [30, 12, 25, 33])
    known = mcnemar([[30, 25], [12, 33]], exact=False, correction=False).pvalue
    assert places(taken, gold, np.full(100, 2))[3] == pytest.approx(known)


def test_a_preference_for_long_choices_is_its_share_above_the_right_ones():
    lengths = pd.Series([[3, 9, 4]] * 10)
    taken, gold = np.repeat([1, 0], [8, 2]), np.repeat([1, 0], [3, 7])
    excess, p_value = length_bias(lengths, taken, gold)
    assert excess == pytest.approx(0.5)
    assert p_value < 0.05


def test_shares_sum_to_one_far_below_what_exp_can_carry():
    assert softmax(np.array([-2000.0, -2000.0 - np.log(3)])) == pytest.approx([0.75, 0.25])


def test_calibration_can_be_written_and_forecast_like_any_series(store, tmp_path):
    generator = np.random.default_rng(3)
    runs = {f"a@{step}": {"easy": two_choices(generator.uniform(0.1, 0.9, 50), np.zeros(50, int))} for step in (10, 20)}
    path, folder, page = store(runs), tmp_path / "calibration", tmp_path / "page.html"
    asked = ["calibration", "easy", "--results", str(path), "--out", str(folder), "--html", str(page)]
    assert CliRunner().invoke(app, asked).exit_code == 0
    known = read_results(folder)
    assert set(known.tasks) == {"easy:ece", "easy:brier", "easy:place_excess"}
    assert not known.tasks["easy:brier"].scale.higher_is_better
    assert known.tasks["easy:brier"].scale.high == 2.0
    assert "expected calibration error" in page.read_text()


def test_items_without_choices_are_refused(store):
    alone = items_of([1, 0], log_likelihoods=[[-1.0], [-2.0]], byte_lengths=[[4], [4]])
    with pytest.raises(InputError, match="several choices"):
        only(store, alone)
