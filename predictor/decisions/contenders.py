"""The families that can be held against each other, each with its own forecaster."""

from __future__ import annotations

from collections.abc import Iterable

from predictor.errors import ForecastError, UnknownNameError
from predictor.forecasting import AUTO, Forecaster, fit_forecaster
from predictor.forecasting.forecaster import RESAMPLES, SKILLS
from predictor.progress import Progress, opened
from predictor.results import Results

# Runs from which on a family's own laws are used.
FEWEST_FOR_A_LAW = 3


def fit_contenders(
    results: Results,
    families: Iterable[str] | None = None,
    *,
    tasks: Iterable[str] | None = None,
    method: str = AUTO,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> tuple[dict[str, Forecaster], dict[str, str]]:
    """Fit one forecaster to each family.

    Args:
        results: scores of the families' runs.
        families: whose; all where None.
        tasks: benchmarks to look at; all where None.
        method: as of `fit_forecaster`.
        seed: of the resampling.
        resamples: as of `fit_forecaster`.
        progress: opened with the number of families; gives what is called with a line after each.

    Returns:
        family -> its forecaster, and family -> why it has none.

    Raises:
        UnknownNameError: a family, task or method that is not there.
        ForecastError: fewer than two families carry a forecast.
    """
    runs = results.evals[results.evals["tokens"] > 0].groupby("family")["run"].nunique()
    known = sorted(results.evals["family"].unique())
    asked = known if families is None else list(dict.fromkeys(families))
    if unknown := [name for name in asked if name not in known]:
        raise UnknownNameError("family", unknown[0], known, str(results.path))
    if len(asked) < 2:
        raise ForecastError(
            f"{results.path} has one family to compare, {asked[0]}"
            if families is None
            else f"only one family is named, {asked[0]}",
            "name each recipe in the table's column family" if families is None else "name two or more",
        )
    wanted = None if tasks is None else [results.task(name).task for name in tasks]
    left_out = {name: "no run with training tokens" for name in asked if runs.get(name, 0) < 1}
    forecasters = {}
    contenders = [name for name in asked if name not in left_out]
    with opened(progress, len(contenders)) as done:
        for name in contenders:
            try:
                # Two runs give a straight line and nothing by which it could be doubted: other families speak then.
                own = SKILLS if method == AUTO and runs[name] < FEWEST_FOR_A_LAW else method
                forecasters[name] = fit_forecaster(
                    results, family=name, tasks=wanted, method=own, seed=seed, resamples=resamples
                )
            except ForecastError as error:
                left_out[name] = error.message
            done(f"{name}: {int(runs[name])} runs")
    if len(forecasters) < 2:
        reasons = "; ".join(f"{name}: {why}" for name, why in left_out.items())
        raise ForecastError(
            f"fewer than two families of {results.path} can be forecast ({reasons})", "score more runs of each"
        )
    return forecasters, left_out
