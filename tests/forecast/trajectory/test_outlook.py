"""Probabilities that decisions rest on, against closed forms."""

import math
from dataclasses import replace

import pytest

from predictor.errors import ForecastError, UnknownNameError
from predictor.forecasting.trajectory import compare_candidates, judge, track


@pytest.fixture
def tracked(draw_runs, results_of):
    return track(results_of(draw_runs(upto=12)), "run-4")


def test_half_of_the_runs_end_above_the_median(tracked):
    series = tracked.series[0]
    (even, sure, never) = judge(
        tracked, [("task_0", float(series.final.median[-1])), ("task_0", 0.26), ("task_0 (0-shot)", 0.99)]
    )
    assert even.probability == pytest.approx(0.5, abs=1e-6)
    assert sure.probability > 0.999
    assert never.probability < 1e-3
    # One in ten ends above the upper end of the 80% interval.
    (tenth,) = judge(tracked, [("task_0", float(series.final.upper["80"][-1]))])
    assert tenth.probability == pytest.approx(0.1, abs=1e-3)


def test_what_cannot_be_required_is_refused(tracked):
    with pytest.raises(UnknownNameError, match="task_9"):
        judge(tracked, [("task_9", 0.5)])
    with pytest.raises(ForecastError, match="55 is no score"):
        judge(tracked, [("task_0", 55.0)])


def test_of_two_equal_runs_each_ends_best_half_of_the_time(tracked):
    found = compare_candidates([tracked, replace(tracked, run="twin")])
    assert [candidate.best for candidate in found.candidates] == pytest.approx([0.5, 0.5], abs=0.02)
    left = tracked.end - tracked.tokens
    assert found.saved() == pytest.approx((left, 6 * tracked.params * left))


def test_a_run_one_standard_deviation_ahead_on_its_one_benchmark(tracked):
    (series,) = (one for one in tracked.series if one.series.task == "task_0")
    ahead = replace(series, end_median=series.end_median + series.end_error)
    found = compare_candidates([replace(tracked, series=(series,)), replace(tracked, run="b", series=(ahead,))])
    # The difference of two is normal with a standard deviation of the square root of two.
    assert found.leader.run == "b"
    assert found.leader.best == pytest.approx(0.5 * (1 + math.erf(0.5)), abs=0.02)


def test_one_run_is_no_comparison(tracked):
    with pytest.raises(ForecastError, match="cannot be compared"):
        compare_candidates([tracked])
