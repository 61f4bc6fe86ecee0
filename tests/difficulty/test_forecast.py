"""Forecasts through ability, on drawn and on published items."""

import dataclasses

import numpy as np
import pytest

from predictor.difficulty import (
    fit_difficulty,
    fit_tasks_from_items,
    forecast_from_bins,
    item_table,
    judge,
)
from predictor.difficulty.ability_law import ABILITY, fit_ability_law
from predictor.difficulty.mapping import fit_subset_map
from predictor.errors import ForecastError
from predictor.results import read_results


def test_a_larger_model_of_a_drawn_ladder_is_forecast(draw_items):
    difficulty = np.random.default_rng(3).normal(2.0, 1.5, 400)
    ladder = draw_items(difficulty, (2e7, 5e7, 1e8, 2e8, 4e8, 8e8), per_run=6)
    target = draw_items(difficulty, (1.6e9,), per_run=6, seed=8)
    told = fit_difficulty(ladder, resamples=30).predict(1.6e9, 2e10)
    truth = float(target.measures["probability"][-1].mean())
    # The drawn ability never levels off, as the law does: it is forecast better than by no change, not exactly.
    assert abs(told[0] - truth) < 0.9 * abs(ladder.score[-1] - truth)
    assert 0 < told[1:].std() < 0.1


def test_the_same_seed_gives_the_same_resamples(draw_items):
    ladder = draw_items(np.random.default_rng(3).normal(1.0, 1.5, 50), per_run=3)
    first, second = (fit_difficulty(ladder, resamples=5, seed=4).predict(3e9, 2e10) for _ in range(2))
    assert first.tolist() == second.tolist()


def test_too_few_runs_are_refused_with_the_number(draw_items):
    table = draw_items(np.zeros(30), (1e8, 2e8))
    assert judge(table)[0] == "only 2 runs have items and a score, 3 are needed"
    with pytest.raises(ForecastError, match="only 2 runs"):
        fit_difficulty(table)


def test_published_items_forecast_the_largest_run_better_than_no_change(testbed):
    table = item_table(read_results(testbed("gemstones")), "commonsense_qa")
    held = np.isin(table.run, table.runs[-2:])
    fit = fit_difficulty(table.checkpoints(~held))
    last = [int(np.flatnonzero(table.run == name)[-1]) for name in table.runs]
    told = np.array([fit.predict(table.params[i], table.tokens[i])[0] for i in last[-2:]])
    truth = table.score[last[-2:]]
    assert np.abs(told - truth).mean() < np.abs(table.score[last[-3]] - truth).mean()


def test_the_map_to_the_whole_is_monotone_and_pinned_at_chance_and_one():
    subset = np.linspace(0.3, 0.8, 8)
    link = fit_subset_map(subset, 0.25 + 0.75 * ((subset - 0.25) / 0.75) ** 1.5, subset_chance=0.25, chance=0.25)
    ends = [float(link.predict(np.array(one))[0]) for one in (0.25, 0.5, 0.7, 1.0)]
    assert ends[0] == pytest.approx(0.25, abs=1e-3)
    assert ends[-1] == pytest.approx(1.0, abs=1e-3)
    assert ends == sorted(ends)
    assert ends[1] == pytest.approx(0.25 + 0.75 * (1 / 3) ** 1.5, abs=0.01)


def test_an_anchor_moves_the_map_where_the_ladder_says_nothing():
    subset, full = np.linspace(0.05, 0.2, 6), np.linspace(0.05, 0.2, 6)
    alone = float(fit_subset_map(subset, full).predict(np.array(0.8))[0])
    anchored = fit_subset_map(subset, full, anchors=(np.array([0.8] * 4), np.array([0.6] * 4)))
    assert abs(float(anchored.predict(np.array(0.8))[0]) - 0.6) < abs(alone - 0.6) - 0.05


def test_a_bin_that_turns_is_forecast_by_what_follows_its_turn():
    flops = 10.0 ** np.linspace(19, 23, 30)
    z = np.log10(flops)
    curve = 0.3 + 0.06 * (z - 21) ** 2
    noisy = curve + 0.004 * np.random.default_rng(0).standard_normal(30)
    told = float(forecast_from_bins(flops, noisy[None, :], np.array([1e24]))[0])
    assert told > noisy.max()


def test_runs_of_about_one_size_are_not_read_as_an_exponent():
    # Twelve runs within a factor of two, whose losses differ by shape: without the scatter between runs the law takes
    # their chance slope for the exponent of size, and foretells nothing of ten times the size.
    generator = np.random.default_rng(0)
    size, tokens = np.geomspace(5e7, 1e8, 12), np.geomspace(1e10, 3e11, 12)
    run = np.repeat(np.arange(12), 12)
    params, seen = size[run], np.tile(tokens, 12)
    truth = ABILITY.predict
    values = np.array([[1.7, 1.0, 0.8, 0.35, 0.37]])
    unit = float(np.exp(np.mean(np.log(params)))), float(np.exp(np.mean(np.log(seen))))
    exact = truth({"params": (params / unit[0])[None], "tokens": (seen / unit[1])[None]}, values)[0]
    law, *units = fit_ability_law(run, params, seen, exact + 0.03 * generator.standard_normal(12)[run], 0, 0, "test")
    far = {"params": np.array(1e9 / units[0]), "tokens": np.array(3e11 / units[1])}
    expected = truth({name: value[None, None] for name, value in far.items()}, values)[0, 0]
    assert law.predict(far)[0, 0] == pytest.approx(expected, abs=0.1)


def test_tasks_at_the_same_checkpoints_share_one_ability(draw_items):
    generator = np.random.default_rng(5)
    tables = [draw_items(generator.normal(1.0, 1.5, 80), per_run=6, seed=seed) for seed in range(2)]
    one, other = fit_tasks_from_items(tables, 0, 0, [None, None])
    assert one.ability is other.ability
    assert one.ability.weights.size == 160
    assert one.predict(3e9, 2e10)[0] != other.predict(3e9, 2e10)[0]


def test_a_task_whose_items_never_change_leaves_the_others_forecasts_as_they_are(draw_items):
    table = draw_items(np.random.default_rng(5).normal(1.0, 1.5, 80), per_run=6)
    still = dataclasses.replace(table, measures={"probability": np.full((table.run.size, 80), 0.999)})
    alone = fit_tasks_from_items([table], 0, 0, [None])[0].predict(3e9, 2e10)[0]
    beside = fit_tasks_from_items([table, still], 0, 0, [None, None])[0].predict(3e9, 2e10)[0]
    assert beside == pytest.approx(alone, abs=0.02)
