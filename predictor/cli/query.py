"""`predictor query`: one benchmark, answered at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from predictor.cli.options import results_option, target_options, write_json
from predictor.errors import InputError


@click.command()
@click.argument("task")
@results_option(required=False)
@target_options
@click.option("--json", "as_json", is_flag=True, help="Print the forecast as JSON and nothing else.")
def command(
    task: str,
    results: Path | None,
    params: float,
    tokens: float,
    family: str | None,
    method: str,
    seed: int,
    as_json: bool,
) -> None:
    """Forecast one benchmark, TASK, of a model that has not been trained.

    Without --results the store of the checkpoints.yaml in this folder is asked. An answer is kept by the hash of its
    inputs, so asking again is quick.

    \b
    Examples:
      predictor query arc_easy --results store/ --params 7B --tokens 300B
      predictor query hellaswag --params 7B --tokens 1T --json
    """
    from predictor.forecast.cache import ForecastCache, cache_key
    from predictor.results.readers import hash_inputs

    path = results or _store_of_project()
    options: dict[str, Any] = {"family": family, "method": method, "seed": seed}
    cache = ForecastCache()
    # The path is part of the key only through its files: a copied table gives the same answer.
    key = cache_key(hash_inputs(path), task=task, params=params, tokens=tokens, **options)
    answer = cache.get(key)
    if answer is None:
        from predictor.forecast import forecast
        from predictor.results import read_results

        answer = forecast(read_results(path), params, tokens, tasks=[task], **options)
        cache.put(key, answer)
    if as_json:
        write_json(answer.to_json(), "-")
    else:
        from predictor.cli.tables import print_answer

        print_answer(answer)


def _store_of_project() -> Path:
    config = Path("checkpoints.yaml")
    if not config.exists():
        raise InputError(
            "no --results given and no checkpoints.yaml in this folder", "name a store or a table with --results"
        )
    from predictor.project import load_project

    return load_project(config).store_path
