"""The first screen: the word, its reason, the risks, the distance, the calibration."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from known_ladder import PARAMS, TOKENS

from predictor.forecasting import Forecast, Forecaster
from predictor.forecasting.mean import check_requirements
from predictor.report.beside import put_side_by_side
from predictor.report.coverage import Held
from predictor.report.distance import describe_distance
from predictor.report.sensitivity import FACTORS, forecast_grid, gpu_days
from predictor.report.verdict import reach_verdict


@pytest.fixture(scope="module")
def forecast(forecaster: Forecaster) -> Forecast:
    return forecaster.predict(PARAMS, TOKENS)


def required(forecast: Forecast, level: float) -> Forecast:
    return replace(forecast, require=check_requirements(forecast, {"mean": level}, forecast.mean))


def held(inside80: float) -> list[Held]:
    band = Held("up to 10x", 9.0, 60, {"80": inside80, "95": 0.95}, {"80": 0.1, "95": 0.2}, 0.02, 0.01)
    return [band, replace(band, band="all")]


def test_the_word_follows_the_probability_of_what_is_required(forecaster: Forecaster, forecast: Forecast) -> None:
    assert forecast.mean is not None
    low, high = forecast.mean.intervals["95"]
    for level, word in ((low, "Go"), (forecast.mean.median, "Wait"), (high, "No go")):
        verdict = reach_verdict(forecaster, required(forecast, level), held(0.8))
        assert verdict.word == word
        assert "that mean reaches its requirement" in verdict.reason
    assert reach_verdict(forecaster, forecast, None).word == "No requirement"


def test_a_likely_success_is_no_go_ahead_where_intervals_do_not_hold(
    forecaster: Forecaster, forecast: Forecast
) -> None:
    likely = required(forecast, forecast.mean.intervals["95"][0])
    verdict = reach_verdict(forecaster, likely, held(0.5))
    assert verdict.word == "Wait"
    assert "held too seldom" in verdict.reason
    assert "the 80% intervals held 50%" in verdict.risks[0]
    untested = replace(forecaster, history=forecaster.history.iloc[:0])
    assert reach_verdict(untested, likely, None).word == "Wait"


def test_what_is_required_and_cannot_be_forecast_is_named(forecaster: Forecaster, forecast: Forecast) -> None:
    asked = replace(forecast, require=check_requirements(forecast, {"flat": 0.5}, forecast.mean))
    verdict = reach_verdict(forecaster, asked, held(0.8))
    assert verdict.word == "Wait"
    assert verdict.reason == "flat (0-shot) is required and cannot be forecast from these runs"
    assert "probability of reaching it unknown" in verdict.risks[0]


def test_three_risks_are_shown_and_reassurance_is_none_of_them(forecaster: Forecaster, forecast: Forecast) -> None:
    verdict = reach_verdict(forecaster, required(forecast, forecast.mean.median), held(0.8))
    assert len(verdict.largest_risks) == 3
    assert verdict.risks[0].startswith("mean may miss")
    assert any(risk.startswith("1 of 10\N{NO-BREAK SPACE}benchmarks cannot be forecast") for risk in verdict.risks)
    assert not any("held 80%" in risk for risk in verdict.risks)
    assert verdict.calibration.startswith("80% intervals held 80% and 95% intervals held 95% of 60 held-out scores")


def test_distance_is_in_multiples_of_the_largest_parameters_and_tokens(forecaster: Forecaster) -> None:
    # The ladder's runs have up to 320M parameters and 6.4B tokens, both in the largest run.
    target = forecaster.predict(7.04e8, 4.032e10).target
    assert describe_distance(forecaster.panel, target) == (
        "2.2× the parameters and 6.3× the tokens of any fitted run; 13.9× the compute of the largest"
    )
    within = forecaster.predict(1e8, 2e9).target
    assert describe_distance(forecaster.panel, within).startswith(
        "parameters and tokens within those of the fitted runs"
    )


def test_the_grid_holds_the_plan_and_other_targets(forecaster: Forecaster, forecast: Forecast) -> None:
    grid = forecast_grid(forecaster, forecast)
    plan = FACTORS.index(1.0)
    assert grid[plan][plan].mean == pytest.approx(
        [100 * value for value in (forecast.mean.median, *forecast.mean.intervals["80"])], abs=0.051
    )
    longer = forecaster.predict(PARAMS, 4 * TOKENS)
    assert grid[plan][-1].mean[0] == pytest.approx(100 * longer.mean.median, abs=0.051)
    # More of either never lowers the mean of rising benchmarks.
    means = np.array([[cell.mean[0] for cell in cells] for cells in grid])
    assert (np.diff(means, axis=0) > 0).all()
    assert (np.diff(means, axis=1) > 0).all()


def test_a_hundred_days_of_one_gpu_at_forty_percent() -> None:
    assert gpu_days(0.4 * 989e12 * 86_400 * 100) == pytest.approx(100)


def test_targets_side_by_side_share_the_benchmarks_of_their_mean(forecaster: Forecaster, forecast: Forecast) -> None:
    longer = forecaster.predict(PARAMS, 2 * TOKENS)
    first, *others = longer.forecasts
    lost = replace(longer, forecasts=(replace(first, grade="F"), *others))
    beside = put_side_by_side([(forecaster, forecast), (forecaster, lost)])
    assert beside.common == 8
    assert [column.label for column in beside.columns] == ["1B on 20B", "1B on 40B"]
    assert all(len(column.mean.series) == 8 for column in beside.columns)
    assert beside.columns[1].firm(first.series) is None
    kept = [answer.median for answer in longer.forecasts[1:] if answer.grade != "F"]
    assert beside.columns[1].mean.median == pytest.approx(np.mean(kept))
