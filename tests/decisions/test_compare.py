import itertools
from dataclasses import replace

import numpy as np
import pytest

from predictor.decisions import compare
from predictor.decisions.common_scales import Gaps, _carried, blend, common_gaps
from predictor.decisions.comparison import _shrink
from predictor.decisions.correlation import measure_correlation
from predictor.errors import ForecastError, UnknownNameError
from predictor.forecasting import fit_forecaster, forecast
from predictor.forecasting.panel import build_panel
from predictor.results import read_results
from tests.forecast.skills.simulated import simulate

HARDER = {"easy": 2.75, "medium": 2.45, "hard": 2.25}


@pytest.fixture(scope="module")
def against_harder(draw_ladder, as_results):
    """A family and one that scores less by its law: their results, and what is said of them."""
    results = as_results(draw_ladder(seed=1), draw_ladder(seed=2, middles=HARDER).assign(family="other"))
    return results, compare(results, 13e9, 520e9, resamples=20)


def test_a_recipe_that_is_better_by_its_law_is_found_so(against_harder):
    _, answer = against_harder
    assert [one.family for one in answer.overall.standings] == ["drawn", "other"]
    assert answer.overall.pairs[0].probability > 0.9
    assert len(answer.averaged) == 3
    for ranking in answer.tasks:
        (pair,) = ranking.pairs
        assert pair.a == "drawn"
        assert pair.intervals["95"][0] <= pair.intervals["80"][0] <= pair.difference <= pair.intervals["80"][1]


def test_two_ladders_of_one_recipe_cannot_be_told_apart(draw_ladder, as_results):
    results = as_results(draw_ladder(seed=1), draw_ladder(seed=2).assign(family="other"))
    answer = compare(results, 13e9, 520e9, resamples=20)
    assert answer.overall.pairs[0].probability < 0.75
    low, high = answer.overall.pairs[0].intervals["80"]
    assert low < 0 < high


def test_no_score_above_one_is_expected_where_families_differed_more_than_is_left(draw_ladder, as_results):
    first, second = {"a": 4.5, "b": 4.4}, {"a": 3.3, "b": 3.3}
    results = as_results(draw_ladder(middles=first), draw_ladder(seed=1, middles=second).assign(family="other"))
    answer = compare(results, 13e9, 520e9, method="direct", resamples=4)
    for ranking in (answer.overall, *answer.tasks):
        better, worse = ranking.standings
        assert better.family == "drawn"
        assert 0 <= worse.expected < better.expected <= 1
        assert ranking.pairs[0].difference == pytest.approx(better.expected - worse.expected)


def test_each_family_keeps_the_forecast_that_it_has_alone(against_harder):
    results, answer = against_harder
    for family in ("drawn", "other"):
        alone = {one.task: one for one in forecast(results, 13e9, 520e9, family=family, resamples=20).forecasts}
        assert len(alone) == len(answer.tasks)
        for ranking in answer.tasks:
            (one,) = (standing for standing in ranking.standings if standing.family == family)
            assert one.forecast == pytest.approx(alone[ranking.task].median)
            assert one.grade == alone[ranking.task].grade


def test_held_out_errors_of_published_families_go_together(testbed):
    results = read_results(testbed("gadre"))
    tasks = ["arc_easy", "hellaswag", "lambada_openai", "piqa", "coqa", "winograd", "boolq", "copa", "squad", "mmlu"]
    few = replace(results, evals=results.evals[results.evals["task"].isin(tasks)])
    # One method alone: all are carried to the same distance and miss on the same side, and this one is quick.
    found = measure_correlation(
        {name: fit_forecaster(few, family=name, method="direct_nd", resamples=2) for name in ("rpj", "rw_original")}
    )
    assert found.pairs >= 10
    assert 0.2 < found.families < 0.8
    assert 0 <= found.benchmarks < 0.4


def test_chances_and_ranks_of_several_families_are_of_one_distribution(draw_ladder, as_results):
    tables = [draw_ladder(seed=i).assign(family=f"f{i}") for i in range(4)]
    answer = compare(as_results(*tables), 13e9, 520e9, method="direct", resamples=10)
    for ranking in (answer.overall, *answer.tasks):
        assert sum(one.best for one in ranking.standings) == pytest.approx(1)
        assert sum(one.rank for one in ranking.standings) == pytest.approx(10)
        assert [(one.a, one.b) for one in ranking.pairs] == list(
            itertools.combinations([one.family for one in ranking.standings], 2)
        )


def test_two_families_shrink_as_a_normal_difference_with_a_normal_prior():
    spread, prior, gap = np.array([[0.03**2, 0.0], [0.0, 0.04**2]]), 0.02**2, 0.06
    mean, covariance = _shrink(np.array([0.6 + gap, 0.6]), spread, prior)
    variance = 0.03**2 + 0.04**2
    assert mean[0] - mean[1] == pytest.approx(gap * prior / (prior + variance))
    posterior = covariance[0, 0] + covariance[1, 1] - 2 * covariance[0, 1]
    assert posterior == pytest.approx(prior * variance / (prior + variance), rel=1e-6)


def test_differences_at_common_scales_are_blended_into_those_of_the_forecasts():
    known = np.array([[False, True, False], [True, False, False], [False, False, False]])
    gap = np.array([[0.0, 0.03, 0.0], [-0.03, 0.0, 0.0], [0.0, 0.0, 0.0]])
    # Without the third family the pair stands at (0.06 + 2·0.03)/3.
    pair = blend(np.array([0.66, 0.6]), Gaps(gap[:2, :2], known[:2, :2], np.array([0.03])))
    assert pair[0] - pair[1] == pytest.approx(0.04)
    assert pair.mean() == pytest.approx(0.63)
    none = Gaps(np.zeros((3, 3)), np.zeros((3, 3), dtype=bool), np.zeros(0))
    median = np.array([0.66, 0.6, 0.5])
    np.testing.assert_allclose(blend(median, none), median)
    assert blend(median, Gaps(gap, known, np.array([0.03]))).mean() == pytest.approx(median.mean())


def test_common_scales_are_the_runs_of_one_size_and_length(testbed):
    results = read_results(testbed("gadre"))
    panels = {name: build_panel(results, name) for name in ("rpj", "rw_original")}
    rows = {
        name: next(i for i, one in enumerate(panel.series) if one.task == "arc_easy") for name, panel in panels.items()
    }
    gaps = common_gaps(panels, rows, dict.fromkeys(panels, 0.5))
    evals = results.evals[results.evals["task"] == "arc_easy"].assign(
        ratio=lambda t: 2 ** np.log2(t["tokens"] / t["params"]).round(2)
    )
    wide = evals.pivot_table(index=["params", "ratio"], columns="family", values="value")[list(panels)].dropna()
    largest = sorted(wide.index, key=lambda one: -(float(one[0]) ** 2) * one[1])[:5]
    scores = wide.loc[largest]
    level = scores.mean(axis=1)
    # As large in logits at one half, to first order, as where it was seen.
    expected = ((scores["rpj"] - scores["rw_original"]) * 0.25 / (level * (1 - level))).mean()
    assert gaps.mean[0, 1] == pytest.approx(expected)
    assert gaps.mean[1, 0] == -gaps.mean[0, 1]


def test_differences_shrink_as_both_families_come_near_the_ceiling():
    pairs = np.array([[0.60, 0.50], [0.10, 0.08]])
    assert _carried(pairs, 0.55) == pytest.approx([0.10, 0.02 * 2.0])
    at_ninety_eight = 0.98 * 0.02 / (0.55 * 0.45)
    assert _carried(pairs, 0.98)[0] == pytest.approx(0.10 * at_ninety_eight)
    assert _carried(pairs, 1.0)[0] == pytest.approx(0.10 * at_ninety_eight)
    assert _carried(pairs, 0.98)[0] < 0.01


def test_what_cannot_be_compared_is_refused(draw_ladder, as_results):
    one = draw_ladder()
    with pytest.raises(ForecastError, match="one family to compare, drawn"):
        compare(as_results(one), 13e9, 520e9)
    few = draw_ladder(sizes=(1e8, 2e8)).assign(family="few")
    with pytest.raises(ForecastError, match=r"few: .*fewer than 6 models of 3 other families"):
        compare(as_results(one, few), 13e9, 520e9)
    with pytest.raises(UnknownNameError, match="unknown family 'drawm'"):
        compare(as_results(one, few), 13e9, 520e9, families=["drawm", "few"])
    with pytest.raises(ForecastError, match="only one family is named"):
        compare(as_results(one, few), 13e9, 520e9, families=["drawn"])
    apart = draw_ladder(middles={"other": 2.6}).assign(family="apart")
    with pytest.raises(ForecastError, match="no two of apart, drawn were scored on the same benchmark"):
        compare(as_results(one, apart), 13e9, 520e9, method="direct", resamples=4)


def test_families_of_one_run_are_compared_by_what_other_families_share(tmp_path):
    evals, tasks = simulate(10, seed=4)
    sizes = sorted(evals["params"].unique())
    alone = ("family00", "family01")
    evals = evals[~evals["family"].isin(alone) | (evals["params"] == sizes[1])]
    evals.to_parquet(tmp_path / "evals.parquet")
    tasks.to_parquet(tmp_path / "tasks.parquet")
    answer = compare(read_results(tmp_path), 3e10, 1e12, families=[*alone, "family02"])
    assert not answer.left_out
    assert {one.family for one in answer.overall.standings} == {*alone, "family02"}
    width = {one.family: one.intervals["80"][1] - one.intervals["80"][0] for one in answer.overall.standings}
    assert min(width[name] for name in alone) > width["family02"], "one run leaves more open than four"
