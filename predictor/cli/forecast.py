"""`predictor forecast`: every benchmark of a target."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import click

from predictor.cli.options import (
    TaskList,
    deliver,
    json_option,
    require_option,
    results_option,
    suite_option,
    target_options,
)
from predictor.cli.recipe_options import recipe_options
from predictor.cli.register_options import Answer, Registering, register_options
from predictor.errors import PredictorError


@click.command()
@results_option()
@target_options
@recipe_options
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to forecast (default: all).")
@suite_option
@require_option
@register_options
@click.option("--why", is_flag=True, help="Print the reason of each grade on a narrow terminal, too.")
@json_option("Write the forecasts as JSON")
def command(
    results: Path,
    params: float,
    tokens: float,
    family: str | None,
    method: str,
    seed: int,
    atlas: bool,
    tasks: tuple[str, ...] | None,
    suite: str | None,
    require: tuple[tuple[str, float], ...],
    register: str | None,
    note: str,
    by: str | None,
    run: str | None,
    store: str | None,
    why: bool,
    json_path: str | None,
    **recipe_and_axis: Any,
) -> None:
    """Forecast the scores of a model that has not been trained.

    Prints, for each benchmark, the median, the 80 % interval and a grade from A (within two points) to F (not
    forecastable), then the same for the mean over the benchmarks. --require adds the probability of reaching a score.
    --register writes the forecast into the store before the run, where nobody can change it unseen; 'predictor resolve'
    compares it with the target's scores.

    \b
    Examples:
      predictor forecast --results store/ --params 7B --tokens 300B
      predictor forecast --results evals.csv --family base --params 7e9 --tokens 1.4T --json forecast.json
      predictor forecast --results evals.parquet --params 7B --tokens 300B --tasks arc_easy,piqa --json -
      predictor forecast --results store/ --params 7B --tokens 2T --suite core --require mmlu=0.6 --require core=65%
      predictor forecast --results evals.parquet --params 7B --tokens 1T --unique-tokens 20B --bits 4
      predictor forecast --results tuned.csv --params 7B --tokens 1T --axis finetuning_examples=10k
      predictor forecast --results store/ --params 7B --tokens 2T --register base-7b --note "data mix 3"
    """
    from predictor.api.forecasts import forecast
    from predictor.cli.console import progress
    from predictor.cli.registered_tables import print_answer

    show = partial(print_answer, why=why)
    registering = Registering(results, register, note, by, run, store)
    answer = forecast(
        results,
        params=params,
        tokens=tokens,
        family=family,
        tasks=tasks,
        suite=suite,
        require=dict(require),
        method=method,
        seed=seed,
        atlas=atlas,
        progress=lambda total: progress("Fitting", total),
        **recipe_and_axis,
    )
    try:
        judged = registering.carry_out(answer)
    except PredictorError:
        # Minutes of work are not lost because it cannot be registered.
        deliver(Answer(answer), json_path, show)
        raise
    deliver(judged, json_path, show)
