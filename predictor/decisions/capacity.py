"""Capacity density: how large a reference model would have to be to score as a model does, over how large it is.

Source: Xiao et al. 2024, arXiv 2412.04315. The reference's score over size is its family's forecast (two steps through
a loss where there is one, among other methods) at one number of training tokens, read backwards.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor import __version__
from predictor.decisions.comparison import QUANTILES, spread_of
from predictor.decisions.ranking import benchmarks, last_scores
from predictor.errors import ForecastError
from predictor.forecasting import Forecaster, TaskForecast, fit_forecaster
from predictor.forecasting.forecaster import RESAMPLES
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.progress import Progress
from predictor.results import Results
from predictor.results.scales import Scale
from predictor.results.series import Series

Array = NDArray[np.float64]

SCHEMA = "predictor.density/1"
# Sizes at which the reference is forecast, evenly in logarithms over its own.
_POINTS = 40


@dataclass(frozen=True)
class TaskDensity:
    """One model on one benchmark.

    Attributes:
        task: the benchmark.
        num_fewshot: examples in the prompt, or None.
        score: what the model scored, in the metric's unit.
        effective_params: size of the reference model that scores so; None where it lies outside the reference's sizes.
        interval: of the effective size, 80 %; an end is None where it lies outside.
        refused: why there is no effective size, or None.
        side: `above` or `below` the reference's sizes where the score says so, else None.
    """

    task: str
    num_fewshot: int | None
    score: float
    effective_params: float | None
    interval: tuple[float | None, float | None]
    refused: str | None
    side: str | None


@dataclass(frozen=True)
class ModelDensity:
    """One model.

    Attributes:
        family: its family.
        run: its name.
        params: its parameters.
        tokens: its training tokens.
        density: median over benchmarks of effective over true parameters, scores beyond the reference's counted as
            beyond; None where the median itself lies there, or no benchmark tells.
        benchmarks: how many benchmarks tell, those beyond included.
        tasks: one per benchmark.
    """

    family: str
    run: str
    params: float
    tokens: float
    density: float | None
    benchmarks: int
    tasks: tuple[TaskDensity, ...]


@dataclass(frozen=True)
class Densities:
    """Densities of several models against one reference family.

    Attributes:
        reference: the family; its models have density one on average.
        reference_tokens: training tokens at which its sizes are taken.
        reference_params: its smallest and largest size: what can be said lies between.
        models: the densest first; after them those without a density, as a large model that scores above the reference
            need not be dense.
        record: version, seed, hashes of the inputs, notes.
    """

    reference: str
    reference_tokens: float
    reference_params: tuple[float, float]
    models: tuple[ModelDensity, ...]
    record: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the object of the `density --json` contract."""
        return {
            "schema": SCHEMA,
            "reference": {
                "family": self.reference,
                "tokens": self.reference_tokens,
                "params": list(self.reference_params),
            },
            "models": [asdict(model) for model in self.models],
            "record": self.record,
        }


@dataclass(frozen=True)
class _Reference:
    """One benchmark of the reference: medians and 80% bands in shares over its sizes, shape (points,), rising."""

    scale: Scale
    grade: str
    why: str
    params: Array
    median: Array
    low: Array
    high: Array

    @classmethod
    def of(cls, params: Array, answers: list[TaskForecast]) -> _Reference:
        forecasts = [forecast.as_share() for forecast in answers]
        median = np.array([forecast.median for forecast in forecasts])
        spread = QUANTILES["80"] * np.array([spread_of(forecast) for forecast in forecasts])
        # A score is read off at one size only: where a forecast falls, the level before it holds.
        median, low, high = (np.maximum.accumulate(curve) for curve in (median, median - spread, median + spread))
        last = forecasts[-1]
        return cls(answers[0].scale, last.grade, last.why, params, median, low, high)

    def read(self, series: Series, share: float) -> TaskDensity:
        """Find the size that scores so."""
        score = float(self.scale.from_share(share))

        def refuse(reason: str, side: str | None = None) -> TaskDensity:
            return TaskDensity(series.task, series.num_fewshot, score, None, (None, None), reason, side)

        if self.grade == NOT_FORECASTABLE:
            return refuse(f"the reference's sizes cannot be told apart: {self.why.removeprefix('not forecastable: ')}")
        if share > self.median[-1]:
            return refuse("above all sizes of the reference", "above")
        if share < self.median[0]:
            return refuse("below all sizes of the reference", "below")
        lower = self._cross(self.high, share) if share >= self.high[0] else None
        upper = self._cross(self.low, share) if share <= self.low[-1] else None
        size = self._cross(self.median, share)
        return TaskDensity(series.task, series.num_fewshot, score, size, (lower, upper), None, None)

    def _cross(self, curve: Array, score: float) -> float:
        """Return the smallest size at which a rising curve reaches a score."""
        right = int(np.searchsorted(curve, score))
        if right == 0:
            return float(self.params[0])
        left = right - 1
        share = (score - curve[left]) / (curve[right] - curve[left])
        size = np.log(self.params)
        return float(np.exp(size[left] + share * (size[right] - size[left])))


def density(
    results: Results,
    reference: str,
    *,
    reference_results: Results | None = None,
    families: Iterable[str] | None = None,
    tasks: Iterable[str] | None = None,
    tokens: float | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> Densities:
    """Measure the capacity density of each run at its end.

    Args:
        results: scores of the models.
        reference: family whose sizes are the measure.
        reference_results: where its scores are; `results` where None. Benchmarks are matched by task, metric and number
            of examples.
        families: whose runs; all but the reference where None.
        tasks: benchmarks to look at; all where None.
        tokens: training tokens of the reference's models; those of its largest run where None. Data beyond them make a
            model denser.
        seed: of the resampling.
        resamples: as of `fit_forecaster`.
        progress: as of `fit_forecaster`, whose fits take nearly all the time.

    Raises:
        UnknownNameError: a family or task that is not there.
        ForecastError: the reference carries no forecast or has one size only, or no model was scored on its benchmarks.
    """
    ladder = reference_results or results
    if families is None and reference_results is None and reference in set(results.evals["family"]):
        families = sorted(set(results.evals["family"].unique()) - {reference})
        if not families:
            raise ForecastError(
                f"{results.path} has no family beside {reference}", "add scores of the models to be measured"
            )
    forecaster = fit_forecaster(ladder, family=reference, seed=seed, resamples=resamples, progress=progress)
    smallest, largest = float(forecaster.panel.params.min()), float(forecaster.panel.params.max())
    if largest < 1.05 * smallest:
        raise ForecastError(
            f"all runs of family {reference} have one size: nothing says how its scores depend on size",
            "name another --reference",
        )
    length = tokens
    if length is None:
        length = float(forecaster.panel.tokens[forecaster.panel.params == largest].max())
    curves = _reference_curves(forecaster, np.geomspace(smallest, largest, _POINTS), length)
    scores, notes = last_scores(results, families, tasks)
    shared = [
        series
        for series in benchmarks(scores)
        if series in curves and curves[series].scale == results.tasks[series.task].scale
    ]
    if not shared:
        raise ForecastError(
            f"no model was scored on a benchmark of family {reference} with the same metric and number of examples",
            "score them on one suite, or name other --families or --tasks",
        )
    models = []
    index = scores.index.to_frame(index=False)
    values = scores[pd.MultiIndex.from_tuples([series.columns for series in shared])].to_numpy(float)
    for place, row in enumerate(values):
        found = tuple(
            curves[series].read(series, float(score))
            for series, score in zip(shared, row, strict=True)
            if np.isfinite(score)
        )
        if found:
            run = index.iloc[place]
            models.append(
                _summarise(str(run["family"]), str(run["run"]), float(run["params"]), float(run["tokens"]), found)
            )
    models.sort(key=lambda model: (model.density is None, -_order(model), model.run))
    inputs = {**results.inputs}
    if reference_results is not None:
        inputs |= {f"reference/{name}": value for name, value in reference_results.inputs.items()}
    record = {
        "version": __version__,
        "seed": seed,
        "resamples": resamples,
        "inputs": inputs,
        "reference_runs": forecaster.record["runs"],
        "notes": [*results.notes, *notes],
    }
    return Densities(reference, length, (smallest, largest), tuple(models), record)


def _reference_curves(forecaster: Forecaster, params: Array, tokens: float) -> dict[Series, _Reference]:
    answers = [forecaster.predict(size, tokens).forecasts for size in params]
    return {
        forecast.series: _Reference.of(params, [answer[place] for answer in answers])
        for place, forecast in enumerate(answers[0])
    }


def _summarise(family: str, run: str, params: float, tokens: float, tasks: tuple[TaskDensity, ...]) -> ModelDensity:
    ratios = [_ratio(task, params) for task in tasks if task.effective_params is not None or task.side]
    middle = None
    if ratios:
        # Where one of the two middle values lies beyond the reference, so does the median.
        inner = np.sort(ratios)[[(len(ratios) - 1) // 2, len(ratios) // 2]]
        if np.isfinite(inner).all() and (inner > 0).all():
            middle = float(np.sqrt(inner[0] * inner[1]))
    return ModelDensity(family, run, params, tokens, middle, len(ratios), tasks)


def _ratio(task: TaskDensity, params: float) -> float:
    if task.effective_params is not None:
        return task.effective_params / params
    return np.inf if task.side == "above" else 0.0


def _order(model: ModelDensity) -> float:
    """Return what models are sorted by; without a density, those above the reference's sizes before those below."""
    if model.density is not None:
        return model.density
    ratios = [_ratio(task, model.params) for task in model.tasks if task.effective_params is not None or task.side]
    return float(np.median(ratios)) if ratios else -1.0
