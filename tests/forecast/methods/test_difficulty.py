"""The method that forecasts through items, behind the methods' protocol."""

import numpy as np
import pytest

from predictor.forecasting.backtest import backtest, run_order
from predictor.forecasting.methods import METHODS, Resampling
from predictor.forecasting.methods.difficulty import Difficulty
from predictor.forecasting.panel import build_panel
from predictor.results import read_results


@pytest.fixture(scope="module")
def published(testbed):
    results = read_results(testbed("gemstones"))
    panel = build_panel(results, "gemstones")
    rows = np.array([i for i, one in enumerate(panel.series) if one.task in ("commonsense_qa", "openbookqa")])
    return panel.select(rows), Difficulty.of(results, panel.select(rows))


def test_it_has_the_shape_of_a_method(published):
    panel, method = published
    assert method.refuse(panel) == {}
    assert method.fit(panel, Resampling(3, 0)).predict(2e9, 3.5e11).shape == (2, 4)


def test_in_a_backtest_it_beats_the_whole_task_fit_and_sees_no_held_out_run(published):
    panel, method = published
    record = backtest(panel, {"difficulty": method, "two_step": METHODS["two_step"]}, [run_order(panel)[-4:]])
    error = (record["forecast"] - record["truth"]).abs().groupby(record["method"]).mean()
    assert error["difficulty"] < error["two_step"]


def test_tasks_without_items_are_refused_with_the_reason(testbed):
    results = read_results(testbed("pythia"))
    panel = build_panel(results, "pythia-deduped")
    refused = Difficulty.of(results, panel).refuse(panel)
    assert len(refused) == len(panel.series)
    assert all("has no items of" in reason for reason in refused.values())
