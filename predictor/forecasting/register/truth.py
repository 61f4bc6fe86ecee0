"""Find the run that became a forecast's target, and what it scored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from predictor.errors import InputError, PredictorError
from predictor.forecasting.axis import Axis
from predictor.forecasting.panel import build_panel
from predictor.forecasting.target import Forecast
from predictor.quantity import format_quantity
from predictor.results import Results
from predictor.results.ends import ANNEALED_FROM
from predictor.results.names import resolve
from predictor.results.series import Series

# A run is a target by itself when its parameters differ by no more than this factor, as those of a "7B" with 6.74B do,
# and when it was trained on as many tokens, to the share from which a run counts as finished.
SAME_PARAMS = 1.05
SAME_TOKENS = 1 / ANNEALED_FROM
# Of a run that was named the parameters may be further off: beyond this it is another model.
_NAMED_PARAMS = 1.15


@dataclass(frozen=True)
class Truth:
    """What a target scored.

    Attributes:
        run: its name.
        params: its parameters.
        tokens: that it was trained on.
        scores: benchmark -> (score, standard error), in the metric's own unit.
        scored_at: benchmark -> when it was scored first, ISO 8601, where the store says so.
        notes: how the run differs from what was forecast.
    """

    run: str
    params: float
    tokens: float
    scores: dict[Series, tuple[float, float]]
    scored_at: dict[Series, str]
    notes: tuple[str, ...]


def find_truth(results: Results, forecast: Forecast, run: str | None = None) -> Truth | str:
    """Find the scores of a forecast's target, read as a forecaster reads the end of a run.

    Args:
        results: scores, those of targets too.
        forecast: whose target.
        run: name of the run that it is; where None, the one run of its family, size and length.

    Returns:
        the scores, or why there are none yet.

    Raises:
        InputError: the run that was named is of another size, or several runs could be the target.
    """
    target = forecast.target
    params, tokens = target.params, target.tokens
    if axis := forecast.record.get("axis"):
        try:
            results, params, tokens = Axis(axis["column"], axis["value"], axis["alone"]).apply(results, params)
        except PredictorError as error:
            return error.message
    evals = results.evals
    own = evals[(evals["family"] == target.family) & (evals["tokens"] > 0)]
    if own.empty:
        return f"family {target.family} has no scores"
    named = run is not None
    if named and run not in set(own["run"]):
        return f"run {run} has no scores"
    if not named and forecast.record.get("recipe"):
        return "its recipe is its own: name the run with --run"
    runs = own.groupby("run").agg(params=("params", "max"), tokens=("tokens", "max"), planned=("tokens_planned", "max"))
    alike = _alike(runs, params, tokens) if run is None else runs.loc[[run]]
    if isinstance(alike, str):
        return alike
    chosen, facts = str(alike.index[0]), alike.iloc[0]
    if run is not None:
        _check_size(run, float(facts["params"]), params)
    if facts["tokens"] < tokens / SAME_TOKENS:
        return f"run {chosen} is at {format_quantity(float(facts['tokens']))} of {format_quantity(tokens)} tokens"
    found = _read(results, target.family, chosen, params, tokens)
    return found if isinstance(found, str) else _as_forecast(found, forecast)


def _as_forecast(truth: Truth, forecast: Forecast) -> Truth:
    """Bring scores under the names of the forecast: another spelling of a benchmark, or unknown numbers of examples."""
    scores, scored_at = {}, {}
    names = {series.task for series in truth.scores}
    for answer in forecast.forecasts:
        wanted = answer.series
        task = resolve(wanted.task, names)
        alike = [series for series in truth.scores if (series.task, series.metric) == (task, wanted.metric)]
        same = [series for series in alike if series.num_fewshot == wanted.num_fewshot]
        unknown = [series for series in alike if None in (series.num_fewshot, wanted.num_fewshot)]
        chosen = same or unknown
        if len(chosen) == 1:
            scores[wanted] = truth.scores[chosen[0]]
            if chosen[0] in truth.scored_at:
                scored_at[wanted] = truth.scored_at[chosen[0]]
    return replace(truth, scores=scores, scored_at=scored_at)


def _alike(runs: pd.DataFrame, params: float, tokens: float) -> pd.DataFrame | str:
    """Choose the run of a size that was trained on as many tokens, or say why there is none.

    Raises:
        InputError: there are several.
    """
    size = np.abs(np.log(runs["params"].astype(float) / params)) <= np.log(SAME_PARAMS)
    if not size.any():
        return f"no run has {format_quantity(params)} parameters"
    planned = runs["planned"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    # A checkpoint on the way to a later end of the schedule was not annealed: it is another model.
    further = np.isfinite(planned) & (planned > SAME_TOKENS * tokens)
    there = size & (runs["tokens"].astype(float) >= tokens / SAME_TOKENS)
    found = runs[there & ~further]
    if len(found) > 1:
        raise InputError(
            f"{len(found)} runs could be the target: {', '.join(map(str, found.index[:5]))}", "name one with --run"
        )
    if len(found):
        return found
    nearest = runs[size].sort_values("tokens").iloc[[-1]]
    if there.any():
        return f"run {runs.index[there][0]} is trained further than {format_quantity(tokens)} tokens"
    at = format_quantity(float(nearest["tokens"].iloc[0]))
    return f"run {nearest.index[0]} is at {at} of {format_quantity(tokens)} tokens"


def _check_size(run: str, params: float, wanted: float) -> None:
    if not 1 / _NAMED_PARAMS <= params / wanted <= _NAMED_PARAMS:
        raise InputError(
            f"run {run} has {format_quantity(params)} parameters, the forecast is of {format_quantity(wanted)}",
            "name the run that the forecast is of",
        )


def _read(results: Results, family: str, run: str, params: float, tokens: float) -> Truth | str:
    evals = results.evals
    of_run = (evals["family"] == family) & (evals["run"] == run)
    # What was trained beyond the target is not the target.
    kept = replace(results, evals=evals[~of_run | (evals["tokens"] <= SAME_TOKENS * tokens)])
    panel = build_panel(kept, family, fewest_computes=1)
    if run not in panel.runs:
        return f"run {run} has no benchmark scored at {format_quantity(tokens)} tokens"
    scores, last_tokens, last_params = {}, 0.0, 0.0
    for last, rows in panel.last_scored(panel.runs.index(run)).items():
        if panel.tokens[last] < tokens / SAME_TOKENS:
            # While a new checkpoint is half scored, benchmarks that it lacks end at an older one.
            continue
        last_tokens, last_params = float(panel.tokens[last]), float(panel.params[last])
        for row in rows:
            values, errors = panel.own_values(int(row))
            scores[panel.series[row].key] = (float(values[last]), float(errors[last]))
    if not scores:
        return f"run {run} has no benchmark scored at {format_quantity(tokens)} tokens"
    mine = kept.evals[of_run.reindex(kept.evals.index) & (kept.evals["tokens"] >= tokens / SAME_TOKENS)]
    notes = _differences(last_params, params, "parameters"), _differences(last_tokens, tokens, "tokens")
    return Truth(run, last_params, last_tokens, scores, _scored_at(mine, scores), tuple(filter(None, notes)))


def _differences(found: float, wanted: float, what: str) -> str:
    if abs(found / wanted - 1) < 0.005:
        return ""
    return f"the run has {format_quantity(found)} {what}, {100 * (found / wanted - 1):+.1f}% of what was forecast"


def _scored_at(rows: pd.DataFrame, scores: Iterable[Series]) -> dict[Series, str]:
    if "scored_at" not in rows.columns:
        return {}
    found = {}
    for series in scores:
        own = rows[(rows["task"] == series.task) & (rows["metric"] == series.metric)]["scored_at"].dropna()
        if len(own):
            found[series] = str(own.astype(str).min())
    return found
