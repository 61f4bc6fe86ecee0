"""A few items that stand for a whole benchmark."""

import dataclasses
import json

import numpy as np
import pytest

from predictor.difficulty import choose_items
from predictor.difficulty.listing import write_short_list
from predictor.difficulty.short_list import table_values
from predictor.errors import InputError
from predictor.evaluation.suites import load_suite


def test_a_list_estimates_an_unseen_larger_model_with_half_the_variance_of_random_items(draw_items):
    difficulty = np.random.default_rng(2).normal(1.0, 2.0, 2000)
    table = draw_items(difficulty, (2e7, 5e7, 1e8, 2e8, 4e8, 8e8, 1.6e9), per_run=4)
    values = table.measures["probability"]
    held = table.run == table.runs[-1]
    found = choose_items(values[~held], values[~held], table.run[~held], table.flops[~held], 50)
    whole = values[held].mean(axis=1)
    ours = np.mean((found.estimate(values[held]) - whole) ** 2)
    generator = np.random.default_rng(0)
    drawn = [generator.choice(2000, 50, replace=False) for _ in range(100)]
    plain = np.mean([(values[held][:, items].mean(axis=1) - whole) ** 2 for items in drawn])
    assert ours < 0.5 * plain


def test_far_beyond_the_ladder_the_estimate_stays_unbiased_and_better_than_random(draw_items):
    difficulty = np.random.default_rng(2).normal(3.0, 2.0, 2000)
    table = draw_items(difficulty, (1e7, 2e7, 4e7, 8e7, 1.6e8, 1.6e9), per_run=4)
    values, guide = table.measures["correct"], table.measures["probability"]
    held = table.run == table.runs[-1]
    whole = values[held].mean(axis=1)
    lists = [
        choose_items(values[~held], guide[~held], table.run[~held], table.flops[~held], 100, seed) for seed in range(40)
    ]
    missed = np.array([one.estimate(values[held]) - whole for one in lists])
    plain = np.mean(values[held].var(axis=1)) / 100
    assert np.mean(missed**2) < 0.75 * plain
    # The mean over forty lists is off by no more than three times what chance allows.
    assert abs(missed.mean()) < 3 * np.sqrt(plain / 40)
    # Equal strata: the plain mean of the answers is the estimate, and lm-eval's own score of the list.
    assert np.allclose(lists[0].weights, 0.01)


def test_a_group_of_tasks_gets_a_list_for_each_task_and_a_suite_that_evaluate_reads(draw_items, tmp_path):
    table = draw_items(np.random.default_rng(2).normal(0, 2, 90))
    table = dataclasses.replace(table, item=np.arange(90) % 30, subtask=np.repeat(["one", "three", "two"], 30))
    found = choose_items(*table_values(table), table.run, table.flops, 12)
    written = write_short_list(found, table, "acc", tmp_path / "group-12.txt")
    tasks = load_suite(written["suite"]).tasks
    listed = {(name, item) for name, task in tasks.items() for item in task.items}
    said = json.loads(written["weights"].read_text())
    assert listed == set(zip(said["subtasks"], said["items"], strict=True))
    assert len(listed) == 12
    assert all(task.chance == table.chance for task in tasks.values())


def test_the_stated_error_is_of_runs_that_did_not_make_the_strata(draw_items):
    table = draw_items(np.random.default_rng(2).normal(1, 2, 500), per_run=2)
    values, guide = table_values(table)
    found = choose_items(values, guide, table.run, table.flops, 20)
    assert found.left_out == 2
    out = np.isin(table.run, table.runs[-2:])
    fewer = [
        choose_items(values[~out], guide[~out], table.run[~out], table.flops[~out], 20, seed) for seed in range(300)
    ]
    missed = [one.estimate(values[out]) - values[out].mean(axis=1) for one in fewer]
    assert found.error == pytest.approx(float(np.sqrt(np.mean(np.square(missed)))), rel=0.1)


def test_a_suite_reads_the_written_list(draw_items, tmp_path):
    table = draw_items(np.random.default_rng(2).normal(0, 2, 100))
    found = choose_items(*table_values(table), table.run, table.flops, 10)
    weights = write_short_list(found, table, "acc", tmp_path / "drawn-10.txt")["weights"]
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
        choose_items(*table_values(table), table.run, table.flops, 20)


def test_a_list_is_not_overwritten_by_its_weights(draw_items, tmp_path):
    table = draw_items(np.random.default_rng(2).normal(0, 2, 40))
    found = choose_items(*table_values(table), table.run, table.flops, 5)
    with pytest.raises(InputError, match="is where the weights of the list go"):
        write_short_list(found, table, "acc", tmp_path / "drawn.json")
