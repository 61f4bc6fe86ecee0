"""Item curves, smoothed and filled."""

import numpy as np
import pytest

from predictor.difficulty import features


def test_smoothing_averages_neighbours_of_one_run_only():
    values = np.array([[0.0], [3.0], [6.0], [100.0]])
    run = np.array(["a", "a", "a", "b"])
    tokens = np.array([100.0, 110.0, 120.0, 110.0])
    smoothed = features.smooth(values, run, tokens)
    assert smoothed.ravel() == pytest.approx([1.5, 3.0, 4.5, 100.0])


def test_checkpoints_that_are_doublings_apart_are_not_averaged():
    values = np.array([[0.0], [1.0], [2.0]])
    smoothed = features.smooth(values, np.array(["a"] * 3), np.array([1e9, 2e9, 4e9]))
    assert smoothed.ravel() == pytest.approx([0.0, 1.0, 2.0])


def test_a_missing_checkpoint_takes_its_nearest_neighbour():
    values = np.array([[1.0, 5.0], [np.nan, 6.0], [3.0, 7.0]])
    filled = features.fill(values, np.array(["a"] * 3), np.array([1e9, 1.1e9, 4e9]))
    assert filled[1].tolist() == [1.0, 6.0]


def test_an_item_that_one_run_never_saw_takes_its_mean_over_the_others():
    values = np.array([[1.0, 2.0], [3.0, 4.0], [np.nan, 9.0]])
    filled = features.fill(values, np.array(["a", "b", "c"]), np.array([1e9, 1e9, 1e9]))
    assert filled[2, 0] == pytest.approx(2.0)
