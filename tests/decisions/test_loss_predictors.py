"""Two losses, of which one alone is what the scores follow."""

import numpy as np
import pandas as pd
import pytest

from predictor.decisions.loss_predictors import rank_losses
from predictor.forecasting.panel import build_panel
from predictor.results import read_results
from tests.decisions.planted import multiplied_ladders


def test_the_loss_that_scores_follow_is_named_first(tmp_path):
    frame = multiplied_ladders(2.0, noise=0.001)
    other = frame[frame["task"] == "loss:val"].assign(task="loss:code")
    # Another loss that the second recipe is better at by far, and the benchmarks know nothing of.
    other["value"] *= np.where(other["family"] == "b", 0.8, 1.0)
    pd.concat([frame, other]).to_csv(tmp_path / "evals.csv", index=False)
    results = read_results(tmp_path / "evals.csv")
    found = rank_losses({name: build_panel(results, name) for name in ("a", "b")})
    assert [one.series.task for one in found] == ["easy", "hard"]
    for one in found:
        assert list(one.errors) == ["loss:val", "loss:code"]
        assert one.errors["loss:val"] < 0.01 < one.without < one.errors["loss:code"]
        assert one.runs == 30
        assert one.to_json()["error_by_loss"] == pytest.approx(one.errors)
