"""`predictor query`: one benchmark, answered at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.options import require_option, results_option, suite_option, target_options, write_json
from predictor.cli.project_store import store_of_project

if TYPE_CHECKING:
    from predictor.forecasting import Forecast, TaskForecast

# Places at which the curve is computed: enough for a drawing of 60 columns.
_POINTS = 12
_MEAN = "mean"


@click.command()
@click.argument("task")
@results_option(required=False)
@target_options
@suite_option
@require_option
@click.option("--json", "as_json", is_flag=True, help="Print the forecast as JSON and nothing else.")
def command(
    task: str,
    results: Path | None,
    params: float,
    tokens: float,
    family: str | None,
    method: str,
    seed: int,
    suite: str | None,
    require: tuple[tuple[str, float], ...],
    atlas: bool,
    as_json: bool,
) -> None:
    """Forecast one benchmark, TASK, of a model that has not been trained; TASK mean is the mean over all of them.

    Without --results the store of the checkpoints.yaml in this folder is asked. An answer is kept by the hash of its
    inputs, so asking again is quick.

    \b
    Examples:
      predictor query arc_easy --results store/ --params 7B --tokens 300B
      predictor query hellaswag --params 7B --tokens 1T --json
      predictor query mean --params 7B --tokens 1T --suite core --require mean=0.6
    """
    from predictor.api.suites import with_suite
    from predictor.forecasting.cache import ForecastCache, cache_key
    from predictor.forecasting.target import check_target
    from predictor.results.readers import hash_inputs

    check_target(params, tokens)
    path = results or store_of_project()
    options: dict[str, Any] = {"family": family, "method": method, "seed": seed, "atlas": atlas}
    cache = ForecastCache()
    # The path is part of the key only through its files: a copied table gives the same answer.
    key = cache_key(hash_inputs(path), curve=_POINTS, task=task, params=params, tokens=tokens, **options)
    answer = cache.get(key)
    if answer is None:
        answer = _answer(path, task, params, tokens, options)
        cache.put(key, answer)
    answer = with_suite(answer, suite, dict(require), seed)
    if as_json:
        write_json(answer.to_json(), "-")
    else:
        from predictor.cli.tables import print_answer, print_mean
        from predictor.forecasting.grade import NOT_FORECASTABLE

        if task == _MEAN:
            print_mean(answer)
            return
        print_answer(answer)
        for one, drawn in zip(answer.forecasts, answer.record["curves"], strict=True):
            if one.grade == NOT_FORECASTABLE:
                continue
            for line in _draw(one, drawn, answer.target.flops):
                click.echo(line)


def _answer(path: Path, task: str, params: float, tokens: float, options: dict[str, Any]) -> Forecast:
    """Forecast the task; the record also carries a coarse curve with the runs, which is kept with the answer."""
    from predictor.forecasting import fit_forecaster
    from predictor.forecasting.target import check_target
    from predictor.results import read_results

    results = read_results(path)
    check_target(params, tokens, results.evals)
    forecaster = fit_forecaster(results, tasks=None if task == _MEAN else [task], **options)
    answer = forecaster.predict(params, tokens)
    if task == _MEAN:
        return answer
    panel = forecaster.panel
    curves = []
    for row, curve in zip(forecaster.rows, forecaster.curves(params, tokens, points=_POINTS), strict=True):
        runs = [
            [float(flops), float(score)]
            for flops, score in zip(panel.flops, panel.own_values(row)[0], strict=True)
            if score == score  # not NaN: scored there
        ]
        curves.append({"flops": curve.flops.tolist(), "median": curve.median.tolist(), "runs": runs})
    return replace(answer, record={**answer.record, "curves": curves})


def _draw(one: TaskForecast, drawn: dict[str, list[Any]], flops: float) -> list[str]:
    import numpy as np

    from predictor.cli.sparkline import draw_curve

    runs = np.array(drawn["runs"]).T
    target = (flops, one.median, *one.intervals["80"])
    lines = draw_curve(
        np.array(drawn["flops"]), np.array(drawn["median"]), (runs[0], runs[1]), target, write=one.scale.write
    )
    unit = "score in %" if one.scale.is_share else one.metric
    return [*lines, f"       {unit}, o runs, · fitted curve, X target with its 80 % interval, against log compute"]
