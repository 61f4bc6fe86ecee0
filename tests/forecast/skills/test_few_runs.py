"""Forecasts from one run, two, or three, with other families in the table."""

import numpy as np
import pytest

from predictor.errors import ForecastError
from predictor.forecasting import forecast
from predictor.results import read_results
from tests.forecast.skills.simulated import CHANCE, simulate

TARGET = "family00"


def write(folder, evals, tasks):
    evals.to_parquet(folder / "evals.parquet")
    tasks.to_parquet(folder / "tasks.parquet")
    return folder


def keep_smallest(evals, family, count):
    sizes = sorted(evals.loc[evals["family"] == family, "params"].unique())[:count]
    return evals[(evals["family"] != family) | evals["params"].isin(sizes)]


@pytest.fixture(scope="module")
def simulated():
    return simulate(16, seed=1)


def test_one_run_is_forecast_and_intervals_hold(simulated, tmp_path):
    evals, tasks = simulated
    errors, last, inside = [], [], []
    for family in ("family00", "family05", "family10", "family15"):
        left = keep_smallest(evals, family, 1)
        folder = tmp_path / family
        folder.mkdir()
        answer = forecast(read_results(write(folder, left, tasks)), 3e10, _tokens(evals, family), family=family)
        for one in answer.forecasts:
            truth = _score(evals, family, 3e10, one.task)
            before = _score(evals, family, 4e8, one.task)
            low, high = one.intervals["80"]
            errors.append(abs(one.median - truth))
            last.append(abs(before - truth))
            inside.append(low <= truth <= high)
            assert one.methods == {"skills": 1.0}
            assert one.grade in "DEF", "one run earns no letter above D"
    assert len(errors) == 4 * len(CHANCE)
    assert np.mean(errors) < 0.04 < 0.3 * np.mean(last)
    # Of 16 scores an 80% interval holds fewer than 9 with a chance of 0.7%.
    assert sum(inside) >= 9


def test_a_benchmark_at_chance_is_forecast_through_the_others(simulated, tmp_path):
    evals, tasks = simulated
    answer = forecast(
        read_results(write(tmp_path, keep_smallest(evals, TARGET, 1), tasks)),
        3e10,
        _tokens(evals, TARGET),
        family=TARGET,
    )
    hard = next(one for one in answer.forecasts if one.task == "hard")
    assert hard.grade != "F"
    assert abs(_score(evals, TARGET, 4e8, "hard") - 0.25) < 0.04
    assert hard.median > 0.3


def test_more_runs_narrow_the_forecast(simulated, tmp_path):
    evals, tasks = simulated
    widths = []
    for count in (1, 2):
        folder = tmp_path / str(count)
        folder.mkdir()
        left = read_results(write(folder, keep_smallest(evals, TARGET, count), tasks))
        answer = forecast(left, 3e10, _tokens(evals, TARGET), family=TARGET)
        widths.append(np.mean([one.intervals["80"][1] - one.intervals["80"][0] for one in answer.forecasts]))
    assert widths[1] < widths[0]


def test_one_run_alone_is_refused_with_a_remedy(simulated, tmp_path):
    evals, tasks = simulated
    alone = keep_smallest(evals[evals["family"] == TARGET], TARGET, 1)
    with pytest.raises(ForecastError, match="only one run") as caught:
        forecast(read_results(write(tmp_path, alone, tasks)), 3e10, 1e12)
    assert "other families" in str(caught.value)


def test_the_same_input_gives_the_same_bytes(simulated, tmp_path):
    evals, tasks = simulated
    results = read_results(write(tmp_path, keep_smallest(evals, TARGET, 2), tasks))
    first, second = (forecast(results, 3e10, 1e12, family=TARGET).to_json() for _ in range(2))
    assert first == second


def _tokens(evals, family):
    return float(evals.loc[evals["family"] == family, "tokens"].iloc[0])


def _score(evals, family, params, task):
    rows = evals[(evals["family"] == family) & (evals["params"] == int(params)) & (evals["task"] == task)]
    return float(rows["value"].iloc[0])
