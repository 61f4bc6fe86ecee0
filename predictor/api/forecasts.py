"""Forecasts of models that are not trained yet, backtests, and runs in training."""

from __future__ import annotations

from collections.abc import Mapping

from predictor import forecasting
from predictor.api.arguments import Names, Scores, Size, as_names, as_optional_size, as_results, as_size
from predictor.api.suites import check_names, with_suite
from predictor.errors import InputError
from predictor.forecasting import AUTO, Forecast, Forecaster, TrackRecord, track_record
from predictor.forecasting.axis import Axis, on_axis
from predictor.forecasting.forecaster import RESAMPLES
from predictor.forecasting.recipe import Recipe
from predictor.forecasting.recipe_forecast import forecast_with_recipe
from predictor.forecasting.trajectory import RunTrack
from predictor.forecasting.trajectory import track as track_run
from predictor.progress import Progress


def fit_forecaster(
    results: Scores,
    *,
    family: str | None = None,
    tasks: Names | None = None,
    method: str = AUTO,
    seed: int = 0,
    resamples: int = RESAMPLES,
    atlas: bool = True,
    progress: Progress | None = None,
) -> Forecaster:
    """Fit the methods to a family's runs once, for forecasts of many targets by `Forecaster.predict`.

    Args:
        results: scores of the ladder: a store, a folder, a table, a data frame, or what `read_results` returned.
        family: whose laws to use; the family with the most runs where None.
        tasks: benchmarks to forecast; all where None.
        method: `auto` for the combination, or the name of one method.
        seed: of the resampling.
        resamples: how many disturbed copies of the runs are fitted.
        atlas: whether the atlas of public models may stand in where the table has too few other families.
        progress: opened with the number of steps; gives what is called with a line after each.

    Raises:
        InputError: nothing readable is there, or the table is not in the schema.
        UnknownNameError: a task, family or method that is not there.
        ForecastError: the table carries no forecast.
    """
    return forecasting.fit_forecaster(
        as_results(results),
        family=family,
        tasks=as_names(tasks),
        method=method,
        seed=seed,
        resamples=resamples,
        atlas=atlas,
        progress=progress,
    )


def forecast(
    results: Scores,
    *,
    params: Size,
    tokens: Size,
    family: str | None = None,
    tasks: Names | None = None,
    suite: str | None = None,
    require: Mapping[str, float] | None = None,
    unique_tokens: Size | None = None,
    params_active: Size | None = None,
    flops: Size | None = None,
    bits: Size | None = None,
    vocabulary: Size | None = None,
    width: Size | None = None,
    learning_rate: Size | None = None,
    precision: str | None = None,
    axis: tuple[str, Size] | None = None,
    axis_alone: bool = False,
    method: str = AUTO,
    seed: int = 0,
    resamples: int = RESAMPLES,
    atlas: bool = True,
    progress: Progress | None = None,
) -> Forecast:
    """Forecast the scores of a model that has not been trained.

    Args:
        results: scores of the ladder: a store, a folder, a table, a data frame, or what `read_results` returned.
        params: the target's parameters, counted as in the table, as `"7B"`.
        tokens: its training tokens, as `"300B"`.
        family: whose laws to use; the family with the most runs where None.
        tasks: benchmarks to forecast; all where None.
        suite: a shipped suite or a file whose benchmarks the mean is taken over; all that are forecast where None.
        require: benchmark, `mean` or the suite's name -> score whose probability is wanted, shares in [0, 1].
        unique_tokens: distinct training tokens, where the target repeats its data.
        params_active: parameters active for each token, of a mixture of experts.
        flops: training compute, where the table states that of its runs in the column flops.
        bits: bits per weight of the model as it is served.
        vocabulary: size of the vocabulary; the ladder's is read from the column vocabulary.
        width: width of the model, needed with `vocabulary`.
        learning_rate: peak learning rate, compared with the step law.
        precision: number format of training: bf16, fp8, e5m2, fp6, fp4.
        axis: a column and the target's value on it, to run over instead of training tokens.
        axis_alone: with `axis`: leave sizes out.
        method: `auto` for the combination, or the name of one method.
        seed: of the resampling.
        resamples: how many disturbed copies of the runs are fitted.
        atlas: whether the atlas of public models may stand in where the table has too few other families.
        progress: opened with the number of steps; gives what is called with a line after each.

    Raises:
        InputError: nothing readable is there, no model has that size, or the recipe is impossible.
        UnknownNameError: a task, family, method or column that is not there.
        ForecastError: the table carries no forecast.
        ConfigError: there is no such suite.

    Example:
        >>> import predictor
        >>> forecast = predictor.forecast("evals.csv", params="7B", tokens="300B")  # doctest: +SKIP
        >>> forecast.to_frame()[["task", "median", "lo-80", "hi-80", "grade"]]  # doctest: +SKIP
    """
    scores, wanted = as_results(results), dict(require or {})
    check_names(scores, suite, wanted)
    stated = as_size(params, "params"), as_size(tokens, "tokens")
    size, length = stated
    if axis_alone and axis is None:
        raise InputError("--axis-alone says nothing without an axis", "name one with --axis COLUMN=VALUE")
    along = None if axis is None else Axis(axis[0], as_size(axis[1], axis[0]), axis_alone)
    if along is not None:
        scores, size, length = along.apply(scores, size)
    answer = forecast_with_recipe(
        scores,
        size,
        length,
        Recipe(
            unique_tokens=as_optional_size(unique_tokens, "unique_tokens"),
            params_active=as_optional_size(params_active, "params_active"),
            flops=as_optional_size(flops, "flops"),
            bits=as_optional_size(bits, "bits"),
            vocabulary=as_optional_size(vocabulary, "vocabulary"),
            width=as_optional_size(width, "width"),
            learning_rate=as_optional_size(learning_rate, "learning_rate"),
            precision=precision,
        ),
        family=family,
        tasks=as_names(tasks),
        method=method,
        seed=seed,
        resamples=resamples,
        atlas=atlas,
        progress=progress,
    )
    if along is not None:
        answer = on_axis(answer, along, *stated)
    return with_suite(answer, suite, wanted, seed)


def backtest(
    results: Scores,
    *,
    family: str | None = None,
    tasks: Names | None = None,
    hold_out: int | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> TrackRecord:
    """Forecast the largest runs from the others, and compare with what they scored.

    Args:
        results: scores of the ladder, as for `forecast`.
        family: whose runs; the family with the most where None.
        tasks: benchmarks to forecast; all where None.
        hold_out: hold out only this many runs; the largest, then about 10%, 25% and 50% of them where None.
        seed: of the resampling.
        resamples: how many disturbed copies of the runs are fitted.
        progress: opened with the number of hold-outs; gives what is called with a line after each.

    Raises:
        InputError: nothing readable is there, or the table is not in the schema.
        UnknownNameError: a family or task that is not there.
        ForecastError: too few runs remain, or no held-out run was scored on the benchmarks asked for.
    """
    return track_record(
        as_results(results),
        family=family,
        tasks=as_names(tasks),
        hold_out=hold_out,
        seed=seed,
        resamples=resamples,
        progress=progress,
    )


def track(
    results: Scores,
    run: str,
    *,
    tokens: Size | None = None,
    family: str | None = None,
    tasks: Names | None = None,
    events: Mapping[Size, str] | None = None,
) -> RunTrack:
    """Hold a run in training against its forecast.

    Args:
        results: scores of the run and of other runs, as for `forecast`.
        run: its name.
        tokens: where it ends; the end of its schedule where None.
        family: that of the run, where its name is in several.
        tasks: benchmarks to show; all where None.
        events: tokens -> what happened there, as a restart or a switch of data; forecasts from there on are wider.

    Raises:
        InputError: nothing readable is there, or the table is not in the schema.
        UnknownNameError: no such run, task or family.
        ForecastError: fewer than two other runs, or an end that is nowhere stated.
    """
    return track_run(
        as_results(results, roles=("ladder", "target")),
        run,
        tokens=as_optional_size(tokens, "tokens"),
        tasks=as_names(tasks),
        family=family,
        events={as_size(at, "events"): what for at, what in (events or {}).items()},
    )
