"""Forecasts of published runs that were held out."""

import numpy as np
import pytest

from benchmarks.accuracy.holdout import holdout
from predictor.results import read_results


@pytest.mark.parametrize(
    ("name", "family"), [("gadre", "rpj"), ("olmo_ladder", "olmo_ladder"), ("pythia", "pythia-deduped")]
)
def test_the_largest_published_runs_are_forecast_better_than_by_no_change(testbed, name, family):
    rows = holdout(read_results(testbed(name)), family, 1)
    assert rows["auto"].mean() < rows["last_value"].mean()


def test_intervals_hold_the_published_scores(testbed):
    inside = [
        holdout(read_results(testbed("gadre")), family, 3)["in80"] for family in ("rpj", "rw_original", "c4_original")
    ]
    assert 0.7 <= np.concatenate(inside).mean() <= 0.97
