"""The mean over a suite's benchmarks, and the scores that are required of a forecast."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from predictor.errors import InputError
from predictor.evaluation.suites import load_suite
from predictor.forecasting import Forecast
from predictor.forecasting.mean import MEAN, check_requirements, forecast_mean
from predictor.results import Results


def check_names(results: Results, suite: str | None, require: Mapping[str, float]) -> None:
    """Refuse what a suite or a requirement names in vain, before the work of fitting.

    Args:
        results: scores of the ladder.
        suite: a shipped suite or a file, or None.
        require: benchmark, `mean` or the suite's name -> required score.

    Raises:
        ConfigError: there is no such suite.
        UnknownNameError: no scores of a required benchmark are in the table.
    """
    means = {MEAN} if suite is None else {MEAN, load_suite(suite).name}
    for name in require:
        if name not in means:
            results.task(re.sub(r" \(\d+-shot\)$", "", name))


def with_suite(answer: Forecast, suite: str | None, require: Mapping[str, float], seed: int = 0) -> Forecast:
    """Return a forecast with the mean over a suite and the probability of what is required.

    Args:
        answer: the forecast.
        suite: a shipped suite or a file; the mean stays that over all benchmarks where None.
        require: benchmark, `mean` or the suite's name -> required score.
        seed: of the draws behind the joint probability.

    Raises:
        ConfigError: there is no such suite.
        InputError: fewer than two of its benchmarks can be forecast.
        UnknownNameError: a required benchmark was not forecast.
    """
    if suite is not None:
        loaded = load_suite(suite)
        # Variants of a task ask the same items again.
        own = [task for task in loaded.tasks.values() if task.kind != "loss" and task.variant_of is None]
        members = [(task.name, task.num_fewshot) for task in own]
        mean = forecast_mean(answer, loaded.name, members)
        if mean is None:
            raise InputError(
                f"fewer than two benchmarks of suite {loaded.name} can be forecast",
                "score them, or name another --suite",
            )
        answer = replace(answer, mean=mean)
    if require:
        answer = replace(answer, require=check_requirements(answer, dict(require), answer.mean, seed))
    return answer
