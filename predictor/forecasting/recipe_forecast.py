"""Forecast a target whose recipe differs from the ladder's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InputError
from predictor.forecasting.forecaster import Forecaster, fit_forecaster
from predictor.forecasting.panel import Panel
from predictor.forecasting.recipe import (
    COLUMNS,
    Correction,
    Equivalence,
    LossLaw,
    Recipe,
    choose_equivalence,
    learning_rate_warning,
    loss_corrections,
)
from predictor.forecasting.target import Forecast, Target, TaskForecast, check_target
from predictor.results import Results
from predictor.results.series import Series

Array = NDArray[np.float64]

# Part of a correction that counts as its standard error: laws of others carry over to a family only roughly.
_DOUBT = 0.5
_CENTRAL = {"80": 1.2815515655, "95": 1.9599639845}


def forecast_with_recipe(
    results: Results, params: float, tokens: float, recipe: Recipe | None = None, **options: Any
) -> Forecast:
    """Forecast a target by the laws of its family, corrected for what its recipe does otherwise.

    Runs whose own recipe is in the table (columns `unique_tokens` and `params_active`) stand at the size and tokens of
    plain runs that are worth as much, unless held-out runs are forecast worse so. The target likewise; bits, precision
    and vocabulary change its loss, and it is forecast where a plain run has that loss. Without a recipe, and without
    such columns, this is `forecast`.

    Args:
        results: scores of the ladder.
        params: parameters of the target, all experts included.
        tokens: its training tokens, repeats included.
        recipe: what else is known of it.
        options: as of `fit_forecaster`.

    Raises:
        InputError: an impossible recipe, or one whose law misses an input.
        UnknownNameError: as of `fit_forecaster`.
        ForecastError: as of `fit_forecaster`.
    """
    check_target(params, tokens, results.evals)
    recipe = recipe or Recipe()
    _check(recipe, params, tokens)
    plain = fit_forecaster(results, **options)
    columns = recipe_columns(results, plain.panel)
    equivalence = choose_equivalence(plain.panel, columns, recipe)
    forecaster, notes = _by_backtest(results, plain, equivalence, columns, options)
    if not recipe and forecaster is plain:
        return replace_notes(plain.predict(params, tokens), notes)
    law = LossLaw.of(forecaster.panel)
    place = _place(equivalence, recipe, params, tokens)
    corrections = _equivalences(equivalence, recipe, law, params, tokens)
    for correction in loss_corrections(recipe, params, tokens, _ladder_values(results, plain.panel)):
        place = law.equivalent(*place, correction.loss)
        corrections.append(correction)
    rates = _column(results, plain.panel, "learning_rate")
    if warning := learning_rate_warning(recipe, params, tokens, plain.panel, rates):
        notes.append(warning)
    before, after = forecaster.predict(params, tokens), forecaster.predict(*place)
    return _combined(before, after, Target(params, tokens, plain.panel.family), corrections, notes)


def recipe_columns(results: Results, panel: Panel) -> dict[str, Array]:
    """Read what the runs of a panel did otherwise: column -> shape (observations,), NaN where it is not stated."""
    return {name: _column(results, panel, name) for name in COLUMNS}


def _column(results: Results, panel: Panel, name: str) -> Array:
    rows = results.evals
    if name not in rows.columns:
        return np.full(panel.params.size, np.nan)
    own = rows[(rows["family"] == panel.family) & rows[name].notna()]
    values = own.groupby(["run", "tokens"])[name].max()
    keys = zip(np.array(panel.runs)[panel.run], panel.tokens, strict=True)
    return np.array([float(values.get((run, int(tokens)), np.nan)) for run, tokens in keys])


def _ladder_values(results: Results, panel: Panel) -> dict[str, float]:
    """Return the vocabulary of the ladder's runs where they have one in common."""
    seen = _column(results, panel, "vocabulary")
    known = np.unique(seen[np.isfinite(seen)])
    return {"vocabulary": float(known[0])} if known.size == 1 else {}


def _by_backtest(
    results: Results,
    plain: Forecaster,
    equivalence: Equivalence,
    columns: Mapping[str, Array],
    options: Mapping[str, Any],
) -> tuple[Forecaster, list[str]]:
    """Choose between the runs as they are and at their equivalents, by which held-out runs are forecast better."""
    moved = equivalence.panel(plain.panel, columns)
    if np.allclose(moved.params, plain.panel.params) and np.allclose(moved.tokens, plain.panel.tokens):
        return plain, []
    other = fit_forecaster(
        results, **options, prepare=lambda panel: equivalence.panel(panel, recipe_columns(results, panel))
    )
    tested = [each.combination.backtest_error for each in (plain, other)]
    if not all(np.isfinite(error).any() for error in tested):
        return other, ["the runs count by what their recipe is worth; no run could be held out to test that"]
    errors = [float(np.nanmean(error)) for error in tested]
    stated = f"held-out runs are forecast within {100 * errors[1]:.2f} points by it, {100 * errors[0]:.2f} without"
    if errors[1] > errors[0]:
        return plain, [f"the recipe of the ladder's runs is not corrected for: {stated}"]
    return other, [f"the runs count by what their recipe is worth: {stated}"]


def _equivalences(
    equivalence: Equivalence, recipe: Recipe, law: LossLaw, params: float, tokens: float
) -> list[Correction]:
    """Return what each of the items changes alone that are worth another size or other tokens."""
    sources = {
        "unique_tokens": equivalence.repeats_source,
        "params_active": equivalence.kappa_source,
        "flops": "the stated compute instead of 6·N·D",
    }
    found = []
    for name, source in sources.items():
        value = getattr(recipe, name)
        if value is not None and not (name == "params_active" and equivalence.compute):
            alone = replace(equivalence, compute=name == "flops")
            place = _place(alone, Recipe(**{name: value}), params, tokens)
            found.append(Correction(name, law.at(*place) - law.at(params, tokens), source))
    return found


def _place(equivalence: Equivalence, recipe: Recipe, params: float, tokens: float) -> tuple[float, float]:
    """Return the size and tokens of the plain run that is worth as much as the target."""
    known = {name: getattr(recipe, name) for name in COLUMNS}
    given = {name: np.array(np.nan if value is None else value) for name, value in known.items()}
    size, length = equivalence.of(np.array(params), np.array(tokens), given)
    return float(size), float(length)


def _combined(
    before: Forecast, after: Forecast, target: Target, corrections: list[Correction], notes: list[str]
) -> Forecast:
    """Return the corrected forecast, its intervals widened by what the correction itself may be off."""
    forecasts, points = [], {}
    for plain, moved in zip(before.forecasts, after.forecasts, strict=True):
        change = moved.median - plain.median
        points[Series(plain.task, plain.metric, plain.num_fewshot).label] = change
        forecasts.append(_widened(moved, abs(change)))
    record = {
        **after.record,
        "recipe": {
            "corrections": [correction.to_json() for correction in corrections],
            "points": {name: 100 * change for name, change in points.items()},
            "equivalent": {"params": after.target.params, "tokens": after.target.tokens},
        },
    }
    if points:
        mean = 100 * float(np.mean(list(points.values())))
        stated = "; ".join(map(str, corrections)) or "none"
        notes = [*notes, f"recipe: {stated}. It moves the scores by {mean:+.1f} points on average"]
    return replace_notes(Forecast(target, tuple(forecasts), record), notes)


def _widened(forecast: TaskForecast, change: float) -> TaskForecast:
    intervals = {}
    for level, (low, high) in forecast.intervals.items():
        doubt = _CENTRAL.get(level, 1.0) * _DOUBT * change
        below, above = (float(np.hypot(side, doubt)) for side in (forecast.median - low, high - forecast.median))
        intervals[level] = (max(forecast.median - below, 0.0), min(forecast.median + above, 1.0))
    return replace(forecast, intervals=intervals)


def replace_notes(forecast: Forecast, notes: list[str]) -> Forecast:
    """Return a forecast with further notes in its record."""
    return replace(forecast, record={**forecast.record, "notes": [*forecast.record.get("notes", []), *notes]})


def _check(recipe: Recipe, params: float, tokens: float) -> None:
    if recipe.params_active is not None and recipe.params_active > params:
        raise InputError(
            f"{recipe.params_active:g} active parameters are more than all {params:g}",
            "give the total size as --params",
        )
    if recipe.unique_tokens is not None and recipe.unique_tokens > tokens:
        raise InputError(
            f"{recipe.unique_tokens:g} distinct tokens are more than the {tokens:g} trained on",
            "give all training tokens, repeats included, as --tokens",
        )
