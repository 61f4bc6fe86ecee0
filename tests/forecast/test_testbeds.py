"""Forecasts of published runs that were held out."""

import numpy as np
import pytest

from predictor.forecasting import track_record
from predictor.results import read_results


@pytest.mark.parametrize(
    ("name", "family"), [("gadre", "rpj"), ("olmo_ladder", "olmo_ladder"), ("pythia", "pythia-deduped")]
)
def test_the_largest_published_runs_are_forecast_better_than_by_no_change(testbed, name, family):
    record = track_record(read_results(testbed(name)), family=family, hold_out=1, resamples=30)
    errors = record.by_distance()[-1]["errors"]
    assert errors["combination"]["mean"] < errors["last_value"]["mean"]


def test_intervals_hold_the_published_scores(testbed):
    results = read_results(testbed("gadre"))
    inside = [
        one.inside("80")
        for family in ("rpj", "rw_original", "c4_original")
        for one in track_record(results, family=family, hold_out=3, resamples=30).forecasts
    ]
    assert 0.7 <= np.mean(inside) <= 0.97
