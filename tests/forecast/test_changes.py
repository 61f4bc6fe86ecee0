"""Two forecasts of one target side by side: what moved, and what they were made from differently."""

from dataclasses import replace

import pytest

from predictor.errors import InputError
from predictor.forecasting import fit_forecaster
from predictor.forecasting.changes import compare_forecasts
from predictor.results import read_results


@pytest.fixture(scope="module")
def forecasts(testbed):
    """The 6.9B model of Pythia from the five smallest runs, and from all below it."""
    results = read_results(testbed("pythia"))
    evals = results.evals[results.evals["task"].isin(["arc_easy", "piqa", "sciq"])]
    sizes = sorted(evals["params"].unique())
    answers = []
    for kept in (sizes[:5], sizes[:6]):
        part = replace(results, evals=evals[evals["params"].isin(kept)])
        answers.append(fit_forecaster(part, family="pythia", resamples=5, atlas=False).predict(6.9e9, 3e11))
    return answers


def test_added_runs_and_moved_medians_are_named(forecasts):
    before, after = forecasts
    changes = compare_forecasts(before, after)
    (added,) = set(after.record["runs"]) - set(before.record["runs"])
    assert f"run added: {added}" in changes.causes
    for move, old, new in zip(changes.moves, before.forecasts, after.forecasts, strict=True):
        assert move.difference == pytest.approx(new.median - old.median)
        assert move.what == f"{100 * (new.median - old.median):+.1f} points"
    assert changes.mean_difference == pytest.approx(after.mean.median - before.mean.median)


def test_a_forecast_does_not_differ_from_itself(forecasts):
    changes = compare_forecasts(forecasts[0], forecasts[0])
    assert changes.causes == ()
    assert {move.what for move in changes.moves} == {"unchanged"}
    assert not any(move.leaves_interval for move in changes.moves)


def test_new_and_gone_benchmarks_and_a_jump_are_marked(forecasts):
    before = forecasts[0]
    first, *others = before.forecasts
    jumped = replace(first, median=first.intervals["80"][1] + 0.01)
    changes = compare_forecasts(replace(before, forecasts=tuple(others)), replace(before, forecasts=(jumped,)))
    assert [move.what for move in changes.moves] == ["new", *["gone"] * len(others)]
    moved = compare_forecasts(before, replace(before, forecasts=(jumped, *others)))
    assert [move.leaves_interval for move in moved.moves] == [True, *[False] * len(others)]
    lost = compare_forecasts(before, replace(before, forecasts=(replace(first, grade="F"), *others)))
    assert lost.of(first.series).what == "no longer forecastable"


def test_forecasts_of_other_targets_are_refused(forecasts):
    before = forecasts[0]
    with pytest.raises(InputError, match="on 600B tokens"):
        compare_forecasts(replace(before, target=replace(before.target, tokens=6e11)), before)
