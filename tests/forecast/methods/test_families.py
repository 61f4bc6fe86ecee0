from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from predictor.forecasting import fit_forecaster
from predictor.forecasting.methods import Resampling
from predictor.forecasting.methods.ability import Ability
from predictor.forecasting.methods.families import AbilityFamilies
from predictor.forecasting.panel import Benchmark, Panel
from predictor.results import read_results
from predictor.results.ends import Stretches

# Each benchmark takes off at another ability; the last ones beyond what the small family reaches.
MIDDLES = (-0.5, 0.0, 0.5, 1.0, 1.5)


def score(compute, efficiency=1.0):
    """Scores of all benchmarks at computes in FLOPs, of models that need 1/efficiency of them; shape (T, M)."""
    ability = 0.3 * np.log(efficiency * np.asarray(compute) / 1e19)
    return np.array([0.25 + 0.65 / (1 + np.exp(-2.5 * (ability - middle))) for middle in MIDDLES])


def family(name, params, efficiency=1.0, seed=0):
    params = np.asarray(params, dtype=float)
    tokens = 20 * params
    noise = np.random.default_rng(seed).normal(0, 0.004, (len(MIDDLES), params.size))
    return Panel(
        family=name,
        runs=tuple(f"{size:.0e}" for size in params),
        run=np.arange(params.size),
        params=params,
        tokens=tokens,
        series=tuple(Benchmark(f"task{i}", "acc", 0, 0.25, 4000) for i in range(len(MIDDLES))),
        score=score(6 * params * tokens, efficiency) + noise,
        stderr=np.full(noise.shape, 0.004),
        task_loss=np.full(noise.shape, np.nan),
        heldout=(),
        heldout_loss=np.empty((0, params.size)),
    )


SMALL = family("small", [3e7, 6e7, 1.2e8, 2.4e8])
OTHERS = (family("a", np.geomspace(5e7, 3e9, 8), 2.0, 1), family("b", np.geomspace(5e7, 3e9, 6), 0.6, 2))
TARGET = (1.9e9, 20 * 1.9e9)
TRUTH = score(6 * TARGET[0] * TARGET[1])


def error(fitted):
    return float(np.abs(fitted.predict(*TARGET)[:, 0] - TRUTH).mean())


def test_larger_models_of_other_families_show_how_benchmarks_rise():
    shared = AbilityFamilies(OTHERS, np.inf, np.inf).fit(SMALL, Resampling(0, 0))
    alone = Ability().fit(SMALL, Resampling(0, 0))
    assert error(shared) < 0.04
    assert error(shared) < 0.5 * error(alone)


def test_a_backtest_sees_no_further_through_the_others_than_the_forecast_does():
    # The others are as large as the family: of a family whose two largest runs were held out, they are cut as well.
    fitted = SMALL.observations(SMALL.run < 3)
    limit = 1.01 * fitted.flops.max()
    cut = tuple(one.observations(one.flops <= limit) for one in OTHERS)
    within, of_the_cut, through_all = (
        method.fit(fitted, Resampling(0, 0)).predict(*TARGET)
        for method in (
            AbilityFamilies(OTHERS, reach=1.0, size_reach=2.0),
            AbilityFamilies(cut, np.inf, np.inf),
            AbilityFamilies(OTHERS, np.inf, np.inf),
        )
    )
    np.testing.assert_array_equal(within, of_the_cut)
    assert (within != through_all).any()


def test_ends_of_the_others_are_estimated_from_the_runs_that_a_backtest_leaves_of_them():
    def annealed(one):
        """Give a family whose runs rise at their ends, the largest the most."""
        full = np.ones(one.score.shape)
        rise = 1e-3 * full * np.arange(one.params.size)
        sums = Stretches(-0.1 * full, one.score, 0.02 * full, rise, rise**2 / 0.02, 5 * full, 0.004 * full)
        return replace(one, stretches=sums).with_ends()

    fitted = SMALL.observations(SMALL.run < 3)
    limit = 1.01 * fitted.flops.max()
    others = tuple(map(annealed, OTHERS))
    method = AbilityFamilies(others, reach=1.0, size_reach=2.0)
    cut = AbilityFamilies(tuple(annealed(one.observations(one.flops <= limit)) for one in OTHERS), np.inf, np.inf)
    np.testing.assert_allclose(
        method.fit(fitted, Resampling(0, 0)).predict(*TARGET), cut.fit(fitted, Resampling(0, 0)).predict(*TARGET)
    )


def test_benchmarks_that_no_other_family_was_scored_on_are_refused():
    other = OTHERS[0].select(np.array([0, 1, 3, 4]))
    assert AbilityFamilies((other,), np.inf, np.inf).refuse(SMALL) == {2: "no other family was scored on it on 2 runs"}
    assert set(AbilityFamilies().refuse(SMALL)) == set(range(len(MIDDLES)))
    few = replace(SMALL.observations(SMALL.run < 2), runs=SMALL.runs[:2])
    assert set(AbilityFamilies(OTHERS, np.inf, np.inf).refuse(few).values()) == {
        "only 2 runs were scored, 3 are needed"
    }


def test_how_much_more_the_other_families_get_from_their_compute_is_found_and_said():
    better, worse = AbilityFamilies(OTHERS, np.inf, np.inf).fit(SMALL, Resampling(0, 0)).shifts
    assert (better.family, worse.family) == ("a", "b")
    assert better.compute == pytest.approx(2.0, rel=0.25)
    assert worse.compute == pytest.approx(0.6, rel=0.25)
    assert better.low < better.compute < better.high
    twin = AbilityFamilies((family("twin", SMALL.params, seed=5),), 1.0, 1.0).fit(SMALL, Resampling(0, 0)).shifts[0]
    assert not twin.differs
    assert twin.compute == pytest.approx(1.0, rel=0.1)


def test_draws_depend_on_the_seed_alone():
    method = AbilityFamilies(OTHERS, np.inf, np.inf)
    first, again, other = (method.fit(SMALL, Resampling(20, seed)).predict(*TARGET) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first[:, 1:] != other[:, 1:]).any()


def test_published_families_forecast_each_other(testbed):
    results = read_results(testbed("pythia"))
    answer = fit_forecaster(results, family="pythia", tasks=["piqa", "sciq"], resamples=20).predict(1.2e10, 3e11)
    assert all(one.methods["ability_families"] > 0 for one in answer.forecasts)
    alone = replace(results, evals=pd.DataFrame(results.evals[results.evals["family"] == "pythia"]))
    answer = fit_forecaster(alone, family="pythia", tasks=["piqa"], resamples=20).predict(1.2e10, 3e11)
    assert "no other family" in answer.forecasts[0].refused["ability_families"]
