"""Targets that are no model, or lost a suffix."""

import pytest

from predictor.errors import InputError
from predictor.forecasting import fit_forecaster, forecast
from predictor.forecasting.target import check_target
from predictor.results import read_results


@pytest.mark.parametrize(
    ("params", "tokens", "meant"),
    [(7, 3e11, "7B"), (7e9, 300, "300B"), (7, 300, "7B"), (70e3, 3e11, "70B"), (6.9, 3e11, "6.9B"), (1, 3e11, "1B")],
)
def test_a_target_far_below_every_run_is_asked_back(ladder_folder, params, tokens, meant):
    # Runs of 100M to 3.2B parameters on 4B to 128B tokens.
    with pytest.raises(InputError, match=rf"far below every run here .*; did you mean {meant}\?"):
        forecast(read_results(ladder_folder), params, tokens)


def test_the_library_refuses_it_after_the_fit_too(ladder_folder):
    forecaster = fit_forecaster(read_results(ladder_folder), method="last_value", resamples=1)
    with pytest.raises(InputError, match="did you mean 7B"):
        forecaster.predict(7, 3e11)


def test_smaller_targets_within_reach_are_forecast(ladder_folder):
    check_target(1e6, 2e9, read_results(ladder_folder).evals)
