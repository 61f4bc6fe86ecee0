"""What the sentence beside a grade says of noise, of single runs and of metrics on other scales."""

import numpy as np
import pandas as pd
import pytest

from predictor.forecasting import fit_forecaster
from predictor.forecasting.grade import not_forecastable
from predictor.results import read_results

SIZES = (6e7, 1.5e8, 3e8, 5.3e8, 1e9)
# Scores of arc_easy that rise far beyond the noise of its 2,376 items, and not beyond that of a hundred.
SCORES = (0.349, 0.372, 0.395, 0.417, 0.457)


def forecast(tmp_path, task="arc_easy", metric="acc", scores=SCORES, **columns):
    rows = [
        {"family": "f", "run": f"r{size:.0e}", "params": int(size), "tokens": int(200 * size), "task": task}
        | {"metric": metric, "value": score, "num_fewshot": 0}
        | columns
        for size, score in zip(SIZES, scores, strict=False)
    ]
    other = {"family": "f", "task": "other", "metric": "acc", "num_fewshot": 0, "n_items": 1000}
    rows += [
        {**other, "run": f"r{size:.0e}", "params": int(size), "tokens": int(200 * size), "value": 0.3 + 0.05 * place}
        for place, size in enumerate(SIZES)
    ]
    pd.DataFrame(rows).to_csv(tmp_path / "t.csv", index=False)
    answer = fit_forecaster(read_results(tmp_path / "t.csv"), resamples=5).predict(7e9, 1.4e11)
    return next(one for one in answer.forecasts if one.task == task), answer


def test_items_of_a_known_benchmark_come_from_the_catalogue(tmp_path):
    bare, answer = forecast(tmp_path)
    stated, _ = forecast(tmp_path, n_items=2376)
    assert bare.grade == stated.grade != "F"
    assert (bare.median, bare.intervals) == (stated.median, stated.intervals)
    assert any("number of items taken from the catalogue" in note for note in answer.record["notes"])


def test_assumed_noise_is_called_so(tmp_path):
    unknown, _ = forecast(tmp_path, task="my_exam")
    assert "noise assumed, n_items or stderr would tell" in unknown.why
    stated, _ = forecast(tmp_path, task="my_exam", stderr=0.01)
    assert "assumed" not in stated.why


def test_a_series_seen_on_one_run_is_called_that(tmp_path):
    single, _ = forecast(tmp_path, scores=SCORES[:1])
    assert (single.grade, single.why) == ("F", "not forecastable: only one run was scored on it")


@pytest.mark.parametrize(
    ("task", "metric", "scores"),
    [
        ("wmt14-en-fr", "bleu", (8.0, 15.0, 20.0, 24.0, 29.0)),
        ("asr", "wer", (0.62, 0.5, 0.42, 0.37, 0.31)),
        ("wikitext", "word_perplexity", (60.0, 38.0, 29.0, 24.0, 20.0)),
    ],
)
def test_other_metrics_are_forecast_in_their_unit_and_direction(tmp_path, task, metric, scores):
    found, _ = forecast(tmp_path, task=task, metric=metric, scores=scores)
    assert found.largest == pytest.approx(scores[-1])
    better = scores[-1] > scores[0]
    assert found.scale.direction == ("higher" if better else "lower")
    # Thirty-five times the compute of the largest run: the forecast continues the ladder, in its unit.
    step = scores[-1] - scores[-2]
    assert 0.5 * abs(step) < (found.median - scores[-1]) * np.sign(step) < 8 * abs(step)
    for level in ("80", "95"):
        low, high = found.intervals[level]
        assert low < found.median < high
    assert type(found).from_json(found.to_json()) == found


def test_differences_are_written_in_the_metrics_unit():
    from predictor.results.scales import Scale

    score, flops = np.full(5, 0.30), np.geomspace(1, 1e4, 5)
    reason = not_forecastable(score + 0.001 * np.arange(5), np.full(5, 0.02), flops, None, scale=Scale(0.0, 100.0))
    assert reason == "scores differ by 0.4 over the ladder, within their noise of 2"


def test_a_half_scored_newest_checkpoint_costs_no_test_of_the_backtest(draw_ladder, tmp_path):
    ladder = draw_ladder().assign(tokens_planned=np.nan)
    largest = ladder[(ladder["params"] == ladder["params"].max()) & (ladder["task"] == "easy")]
    half = pd.concat([ladder, largest.assign(tokens=largest["tokens"] + 10**9)], ignore_index=True)
    tested = []
    for number, table in enumerate((ladder, half)):
        table.to_csv(tmp_path / f"{number}.csv", index=False)
        forecaster = fit_forecaster(read_results(tmp_path / f"{number}.csv"), method="direct", resamples=2)
        history = forecaster.history
        tested.append(history.groupby("series").size().tolist())
    assert tested[1] == tested[0]


def test_one_method_alone_is_called_so(tmp_path):
    forecast(tmp_path)
    answer = fit_forecaster(read_results(tmp_path / "t.csv"), method="direct", resamples=2).predict(7e9, 1.4e11)
    assert all("one method alone" in found.why for found in answer.forecasts if found.grade != "F")
    assert not any("nan" in found.why for found in answer.forecasts)
