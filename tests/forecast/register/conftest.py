"""A drawn ladder, the forecast of its largest run from the others, and its table with that run."""

from dataclasses import replace

import pytest

from predictor.forecasting import fit_forecaster
from predictor.results import read_results


@pytest.fixture(scope="session")
def whole(tmp_path_factory, draw_ladder):
    """Scores of all runs, the target's too."""
    path = tmp_path_factory.mktemp("whole") / "evals.parquet"
    draw_ladder().to_parquet(path)
    return read_results(path)


@pytest.fixture(scope="session")
def cut(whole):
    """Scores without the largest run."""
    return replace(whole, evals=whole.evals[whole.evals["run"] != "run-3e+09"])


@pytest.fixture(scope="session")
def answer(cut):
    """The forecast of the largest run, made without it."""
    return fit_forecaster(cut, resamples=10).predict(3.2e9, 128e9)
