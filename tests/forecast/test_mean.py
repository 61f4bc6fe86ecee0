"""The mean over benchmarks and the probability of reaching a required score."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import multivariate_normal, norm

from predictor.errors import InputError, UnknownNameError
from predictor.forecasting.combination import Combination
from predictor.forecasting.mean import SharedErrors, check_requirements, forecast_mean, mean_over
from predictor.forecasting.target import Forecast, Target, TaskForecast


def benchmark(task, median, spread, grade="A", shots=0, largest=0.3):
    intervals = {"80": (median - 1.2816 * spread, median + 1.2816 * spread), "95": (0.0, 1.0)}
    return TaskForecast(task, "acc", shots, median, intervals, grade, "", 0.25, {"direct": 1.0}, largest=largest)


def forecast_of(*answers, correlation=0.0):
    record = {"shared_errors": {"correlation": correlation, "runs": 3}}
    return Forecast(Target(7e9, 140e9, "f"), answers, record)


@pytest.mark.parametrize(
    ("correlation", "variance"), [(0.0, (0.02**2 + 0.04**2) / 4), (0.5, (0.02**2 + 0.04**2 + 0.02 * 0.04) / 4)]
)
def test_the_interval_of_a_mean_is_that_of_correlated_errors(correlation, variance):
    mean = forecast_mean(forecast_of(benchmark("a", 0.5, 0.02), benchmark("b", 0.6, 0.04), correlation=correlation))
    low, high = mean.intervals["80"]
    assert mean.median == pytest.approx(0.55)
    assert (high - low) / 2 == pytest.approx(norm.ppf(0.9) * np.sqrt(variance), rel=1e-4)
    assert mean.largest == pytest.approx(0.3)


def test_what_cannot_be_forecast_is_left_out_and_named():
    answers = benchmark("a", 0.5, 0.02), benchmark("b", 0.6, 0.02), benchmark("c", 0.25, 0.1, grade="F")
    mean = forecast_mean(forecast_of(*answers), "suite", [("a", None), ("b", 0), ("c", None), ("d", 5)])
    assert [series.task for series in mean.series] == ["a", "b"]
    assert mean.left_out == {"c (0-shot)": "grade F", "d": "not scored"}
    assert forecast_mean(forecast_of(answers[0], answers[2])) is None


def test_a_suite_takes_the_number_of_examples_that_it_names():
    answers = [benchmark("a", 0.5, 0.02), benchmark("a", 0.7, 0.02, shots=5), benchmark("b", 0.6, 0.02)]
    mean = forecast_mean(forecast_of(*answers), "suite", [("a", 5), ("b", None)])
    assert mean.median == pytest.approx(0.65)


def test_the_probability_of_a_requirement_is_the_normal_s():
    wanted = {"a": 0.52, "b": 0.5}
    forecast = forecast_of(benchmark("a", 0.5, 0.02), benchmark("b", 0.6, 0.1), correlation=0.6)
    answer = check_requirements(forecast, wanted)
    expected = [norm.sf(1.0), norm.sf(-1.0)]
    assert [one.probability for one in answer.each] == pytest.approx(expected, abs=0.01)
    both = multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]]).cdf([-1.0, 1.0])
    assert answer.together == pytest.approx(both, abs=0.01)


def test_the_mean_can_be_required_and_agrees_with_its_interval():
    forecast = forecast_of(benchmark("a", 0.5, 0.02), benchmark("b", 0.6, 0.04), correlation=0.3)
    mean = forecast_mean(forecast)
    (answer,) = check_requirements(forecast, {"mean": mean.intervals["80"][0]}, mean).each
    assert answer.probability == pytest.approx(0.9, abs=0.01)


def test_a_requirement_that_cannot_be_forecast_has_no_probability():
    forecast = forecast_of(benchmark("a", 0.5, 0.02), benchmark("b", 0.25, 0.1, grade="F"))
    answer = check_requirements(forecast, {"a": 0.4, "b": 0.4})
    assert answer.each[1].probability is None
    assert answer.together is None
    with pytest.raises(UnknownNameError, match="mmlu"):
        check_requirements(forecast, {"mmlu": 0.6})
    with pytest.raises(InputError, match="no mean to require"):
        check_requirements(forecast, {"mean": 0.6}, None)


def test_forecasts_survive_json_with_their_mean_and_requirements():
    forecast = forecast_of(benchmark("a", 0.5, 0.02), benchmark("b", 0.6, 0.04))
    mean = forecast_mean(forecast)
    whole = Forecast(
        forecast.target, forecast.forecasts, forecast.record, mean, check_requirements(forecast, {"a": 0.4})
    )
    assert Forecast.from_json(whole.to_json()) == whole


@pytest.mark.parametrize("truth", [0.0, 0.4, 0.8])
def test_the_correlation_of_errors_is_recovered_from_a_backtest(truth):
    generator = np.random.default_rng(1)
    runs, benchmarks = 2000, 12
    shared, own = generator.standard_normal((runs, 1)), generator.standard_normal((runs, benchmarks))
    errors = 0.03 * (np.sqrt(truth) * shared + np.sqrt(1 - truth) * own)
    history = pd.DataFrame(
        {
            "hold_out": 0,
            "run": np.repeat([f"r{number}" for number in range(runs)], benchmarks),
            "ratio": 1.0,
            "series": np.tile(np.arange(benchmarks), runs),
            "method": "direct",
            "forecast": 0.5 + errors.ravel(),
            "truth": 0.5,
            "stderr": 0.0,
        }
    )
    combination = Combination.of(history, ("direct",), np.ones((benchmarks, 1), dtype=bool))
    shared_errors = SharedErrors.of(history, combination)
    assert shared_errors.correlation == pytest.approx(truth, abs=0.05)
    assert shared_errors.runs == runs


def test_means_over_correlated_errors_lie_in_their_intervals_as_often_as_stated():
    generator, correlation, spread = np.random.default_rng(2), 0.5, 0.03
    answers = [benchmark(f"t{number}", 0.5, spread) for number in range(8)]
    low, high = mean_over(answers, SharedErrors(correlation, 10)).intervals["80"]
    shared, own = generator.standard_normal((4000, 1)), generator.standard_normal((4000, 8))
    means = 0.5 + spread * (np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own).mean(axis=1)
    assert ((low <= means) & (means <= high)).mean() == pytest.approx(0.8, abs=0.02)


def test_the_correlation_of_joint_draws_is_that_of_their_shared_part():
    generator = np.random.default_rng(3)
    shared, own = generator.standard_normal((1, 20_000)), generator.standard_normal((6, 20_000))
    draws = 0.5 + 0.02 * (np.sqrt(0.6) * shared + np.sqrt(0.4) * own)
    undrawn = np.full((1, 20_000), np.nan)
    assert SharedErrors.of_draws(np.concatenate([draws, undrawn])).correlation == pytest.approx(0.6, abs=0.02)
    assert SharedErrors.of_draws(undrawn) == SharedErrors()
