from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from predictor.errors import ForecastError, UnknownNameError
from predictor.forecasting import fit_forecaster, track_record
from predictor.forecasting.panel import build_panel
from predictor.forecasting.track_record import band, choose_hold_outs, forecast_held_out, without_held_out
from predictor.results import read_results


@pytest.fixture
def results(ladder_folder):
    return read_results(ladder_folder)


@pytest.fixture(scope="module")
def record(tmp_path_factory, draw_ladder):
    path = tmp_path_factory.mktemp("drawn") / "table.parquet"
    draw_ladder().to_parquet(path)
    return track_record(read_results(path), resamples=20)


def test_scores_of_held_out_runs_change_no_forecast_of_them(results):
    panel = build_panel(results, "drawn")
    held = choose_hold_outs(panel, 2)[0]
    before = forecast_held_out(results, panel, held, resamples=5)
    evals = results.evals
    evals.loc[evals["run"].isin(held), "value"] *= 0.5
    after = forecast_held_out(results, build_panel(results, "drawn"), held, resamples=5)
    assert [one.forecast for one in after] == [one.forecast for one in before]
    assert [one.truth for one in after] == pytest.approx([one.truth / 2 for one in before])


def test_a_held_out_run_is_forecast_as_if_it_had_never_been_in_the_table(results):
    panel = build_panel(results, "drawn")
    (held,) = choose_hold_outs(panel, 1)
    answers = forecast_held_out(results, panel, held, resamples=5)
    evals = results.evals
    object.__setattr__(results, "evals", evals[evals["run"] != held[0]])
    alone = fit_forecaster(results, resamples=5).predict(3.2e9, 40 * 3.2e9)
    assert tuple(one.forecast for one in answers) == alone.forecasts
    assert answers[0].ratio == pytest.approx(4.0)


def test_six_runs_are_held_out_one_two_and_three_at_a_time_the_largest_first(record):
    assert [len(held) for held in record.record["hold_outs"]] == [1, 2, 3]
    assert record.record["hold_outs"][1] == ["run-2e+09", "run-3e+09"]
    # Each run has four times the compute of the one before, and there are three benchmarks.
    ratios = [one.ratio for one in record.forecasts]
    assert sorted(set(np.round(ratios))) == [4, 16, 64]
    assert len(ratios) == 3 * (1 + 2 + 3)


def test_the_floor_is_the_mean_error_of_a_forecast_that_knows_the_true_score(record):
    one = record.forecasts[0]
    draws = np.random.default_rng(0).binomial(2000, one.truth, size=20000) / 2000
    assert one.noise_floor == pytest.approx(np.abs(draws - one.truth).mean(), rel=0.05)


def test_summaries_are_means_over_their_forecasts(record):
    errors = [abs(one.forecast.median - one.truth) for one in record.forecasts]
    *bands, everything = record.by_distance()
    assert [one["band"] for one in bands] == ["up to 5x", "up to 30x", "up to 100x"]
    assert [one["forecasts"] for one in bands] == [9, 6, 3]
    assert everything["errors"]["combination"]["mean"] == pytest.approx(np.mean(errors))
    assert everything["coverage"]["80"] == np.mean([one.inside("80") for one in record.forecasts])
    assert sum(one["forecasts"] for one in record.by_task()) == len(errors)
    assert all(sum(one["grades"].values()) == 6 for one in record.by_task())


def test_on_a_ladder_that_follows_a_law_the_combination_beats_no_change_at_every_distance(record):
    for one in record.by_distance():
        assert one["errors"]["combination"]["mean"] < one["errors"]["last_value"]["mean"], one["band"]
        assert one["coverage"]["95"] > 0.6, one["band"]


@pytest.mark.parametrize(
    ("ratio", "name"),
    [(0.5, "up to 2x"), (2.0, "up to 2x"), (2.1, "up to 5x"), (100, "up to 100x"), (150, "over 100x")],
)
def test_a_band_holds_its_upper_end(ratio, name):
    assert band(ratio) == name


def test_too_few_remaining_runs_are_refused_with_how_many_may_be_held_out(results):
    with pytest.raises(ForecastError, match=r"6 runs: holding out 4 leaves 2, and 3 are needed.*hold out at most 3"):
        track_record(results, hold_out=4)


def test_a_table_of_three_runs_has_no_track_record(tmp_path, draw_ladder):
    draw_ladder(sizes=(1e8, 4e8, 1.6e9)).to_parquet(tmp_path / "table.parquet")
    with pytest.raises(ForecastError, match=r"3 runs.*score more runs"):
        track_record(read_results(tmp_path / "table.parquet"))


def test_names_that_are_not_there_are_refused(results):
    with pytest.raises(UnknownNameError, match="unknown task 'esy'"):
        track_record(results, tasks=["esy"])
    with pytest.raises(UnknownNameError, match="unknown family"):
        track_record(results, family="other")


def test_the_siblings_of_a_held_out_run_are_held_out_too(results):
    sibling = results.evals.assign(family="sibling", run="sibling " + results.evals["run"])
    both = replace(results, evals=pd.concat([results.evals, sibling], ignore_index=True))
    (held,) = choose_hold_outs(build_panel(results, "drawn"), 1)
    left = without_held_out(both, build_panel(both, "drawn"), held)
    assert set(both.evals["run"]) - set(left.evals["run"]) == {held[0], f"sibling {held[0]}"}
