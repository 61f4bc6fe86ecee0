from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from predictor.decisions import density
from predictor.errors import ForecastError, UnknownNameError
from predictor.results import read_results
from tests.conftest import true_score

TOKENS = 3e11


def models(family, sizes, factor=1.0, seed=0, items=20000):
    """Draw models that score as reference models of `factor` times their size, at one number of tokens."""
    generator = np.random.default_rng(seed)
    rows = []
    for size in sizes:
        place = {"family": family, "run": f"{family}-{size:.0e}", "params": int(size), "tokens": int(TOKENS)}
        for task, middle in (("easy", 2.5), ("medium", 2.3)):
            share = true_score(factor * size, TOKENS, middle=middle)
            row = {"task": task, "metric": "acc", "value": generator.binomial(items, share) / items, "n_items": items}
            rows.append({**place, **row, "tokens_planned": int(TOKENS)})
    return pd.DataFrame(rows)


REFERENCE = models("reference", np.geomspace(1e8, 1e10, 9))


@pytest.mark.parametrize("factor", [0.5, 1.0, 3.0])
def test_models_that_act_larger_than_they_are_are_as_dense(as_results, factor):
    answer = density(as_results(REFERENCE, models("other", [5e8, 1e9, 2e9], factor, seed=1)), "reference", resamples=10)
    assert answer.reference_tokens == TOKENS
    assert len(answer.models) == 3
    inside = []
    for one in answer.models:
        assert one.density == pytest.approx(factor, rel=0.2)
        for task in one.tasks:
            low, high = task.interval
            assert (low or 0) < task.effective_params < (high or np.inf)
            inside.append((low or 0) < factor * one.params < (high or np.inf))
    # Six intervals of 80 %; those of one model's benchmarks are missed together.
    assert sum(inside) >= 3


def test_beyond_the_reference_there_is_no_size(as_results):
    answer = density(as_results(REFERENCE, models("other", [1e7, 8e9], 3.0)), "reference", resamples=10)
    large, small = answer.models
    assert {one.side for one in large.tasks} == {"above"}
    assert {one.side for one in small.tasks} == {"below"}
    assert {one.effective_params for one in (*large.tasks, *small.tasks)} == {None}
    assert large.density is None
    assert small.density is None


def test_models_without_a_density_stand_below_all_that_have_one(as_results):
    others = models("other", [1e7, 2e9, 8e9], 3.0)
    answer = density(as_results(REFERENCE, others), "reference", resamples=4)
    assert [one.params for one in answer.models] == [2e9, 8e9, 1e7]


def test_a_reference_in_another_table_is_matched_by_benchmark(as_results):
    answer = density(
        as_results(models("other", [1e9], 2.0, seed=1)),
        "reference",
        reference_results=as_results(REFERENCE),
        resamples=10,
    )
    assert answer.models[0].density == pytest.approx(2, rel=0.2)
    renamed = models("other", [1e9]).assign(task="unheard")
    with pytest.raises(ForecastError, match="no model was scored on a benchmark of family reference"):
        density(as_results(renamed), "reference", reference_results=as_results(REFERENCE), resamples=4)


def test_models_of_the_reference_family_have_density_one(testbed):
    results = read_results(testbed("exp_emergence"))
    results = replace(results, evals=results.evals[results.evals["family"] == "Pythia"])
    answer = density(results, "Pythia", families=["Pythia"], tasks=["arc", "hellaswag"], resamples=10)
    told = [one.density for one in answer.models if one.density is not None]
    assert np.median(told) == pytest.approx(1, abs=0.3)


def test_what_is_no_reference_is_refused(as_results):
    with pytest.raises(UnknownNameError, match="unknown family 'refrence'"):
        density(as_results(REFERENCE), "refrence")
    with pytest.raises(ForecastError, match="has no family beside reference"):
        density(as_results(REFERENCE), "reference", resamples=4)
    lengths = [
        models("one", [1e9]).assign(run=f"r{i}", tokens=int(i * 1e10), tokens_planned=int(i * 1e10)) for i in (1, 2, 4)
    ]
    with pytest.raises(ForecastError, match="all runs of family one have one size"):
        density(as_results(*lengths, REFERENCE), "one", resamples=4)


def test_a_half_scored_newest_checkpoint_costs_no_benchmark(as_results):
    other = models("other", [5e8, 1e9, 2e9], seed=1).assign(tokens_planned=np.nan)
    newer = other[(other["task"] == "easy") & (other["run"] == "other-1e+09")]
    half = pd.concat([other, newer.assign(tokens=newer["tokens"] * 2)], ignore_index=True)
    answer = density(as_results(REFERENCE, half), "reference", resamples=5)
    assert {model.run: model.benchmarks for model in answer.models} == dict.fromkeys(other["run"], 2)


def test_two_runs_of_a_recipe_are_a_reference_and_one_size_is_none(testbed):
    results = read_results(testbed("open_sci_ref"))
    # The same sizes and tokens on a better corpus: the small one acts larger than it is.
    (model, *_) = density(results, "osr-c4-lr0.006", families=["osr-dclm-lr0.006"], tasks=["arc_easy"]).models
    assert model.params == 125147648
    (answer,) = model.tasks
    assert answer.effective_params > 1.2 * model.params
    low, high = answer.interval
    assert (low or 0) < answer.effective_params < (high or np.inf)
    with pytest.raises(ForecastError, match="one size"):
        density(results, "osr-c4-wu10000", families=["osr-dclm-lr0.006"])
