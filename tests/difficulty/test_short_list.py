"""A few items that stand for a whole benchmark."""

import json

import numpy as np
import pytest

from predictor.difficulty import choose_items
from predictor.difficulty.listing import write_short_list
from predictor.errors import InputError
from predictor.evaluation.suites import load_suite


def test_a_list_estimates_an_unseen_larger_model_with_half_the_variance_of_random_items(draw_items):
    difficulty = np.random.default_rng(2).normal(1.0, 2.0, 2000)
    table = draw_items(difficulty, (2e7, 5e7, 1e8, 2e8, 4e8, 8e8, 1.6e9), per_run=4)
    values = table.measures["probability"]
    held = table.run == table.runs[-1]
    found = choose_items(values[~held], table.run[~held], 50)
    whole = values[held].mean(axis=1)
    ours = np.mean((found.estimate(values[held]) - whole) ** 2)
    generator = np.random.default_rng(0)
    drawn = [generator.choice(2000, 50, replace=False) for _ in range(100)]
    plain = np.mean([(values[held][:, items].mean(axis=1) - whole) ** 2 for items in drawn])
    assert ours < 0.5 * plain


def test_a_suite_reads_the_written_list(draw_items, tmp_path):
    table = draw_items(np.random.default_rng(2).normal(0, 2, 100))
    found = choose_items(table.measures["correct"], table.run, 10)
    weights = write_short_list(found, table, tmp_path / "drawn-10.txt")
    suite = tmp_path / "short.yaml"
    suite.write_text("tasks:\n  - {task: drawn, metric: acc, chance: 0.25, items: drawn-10.txt}\n")
    assert load_suite(suite).tasks["drawn"].items == tuple(found.items.tolist())
    said = json.loads(weights.read_text())
    assert said["items"] == found.items.tolist()
    assert len(said["weights"]) == 10
    assert said["error"] > 0


def test_more_items_than_there_are_cannot_be_chosen(draw_items):
    table = draw_items(np.zeros(20))
    with pytest.raises(InputError, match="a list of 20 items cannot stand for 20"):
        choose_items(table.measures["correct"], table.run, 20)
