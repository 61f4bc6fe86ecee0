"""`predictor import`: bring scores of others into a store."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.console import say
from predictor.cli.options import QUANTITY

if TYPE_CHECKING:
    from predictor.results.importers import Imported, Origin


@click.group()
def command() -> None:
    """Bring scores of others into a store.

    \b
    Examples:
      predictor import table scores.csv --run 160m --params 160M --tokens 300B --store store/
      predictor import lm-eval results_2026-01-31.json --run 160m --params 160M --tokens 300B --store store/
      predictor import lighteval results_2026-01-31.json --run 160m --params 160M --tokens 300B --store store/
    """


def _options(required: bool) -> Callable[[Callable[..., None]], Callable[..., None]]:
    def add(function: Callable[..., None]) -> Callable[..., None]:
        for option in (
            click.option("--family", help="Family of the run."),
            click.option("--store", required=True, help="The store, a folder or a URL; made if it is missing."),
            click.option("--tokens", type=QUANTITY, required=required, help="Training tokens seen, as 300B."),
            click.option("--params", type=QUANTITY, required=required, help="Trainable parameters, as 160M."),
            click.option("--run", required=required, help="Name of the run."),
            click.argument("path"),
        ):
            function = option(function)
        return function

    return add


@command.command("table")
@_options(required=False)
def table(**options: Any) -> None:
    """Import a CSV or Parquet table with the columns task, metric, value.

    Further columns of the results schema are kept: run, params, tokens, family, step, stderr, num_fewshot and so on.
    The options fill in what the table does not say.

    \b
    Examples:
      predictor import table scores.csv --run 160m --params 160M --tokens 300B --store store/
      predictor import table all-runs.parquet --family pythia --store store/
    """
    from predictor.project import place
    from predictor.results.importers import import_table

    _report(import_table(options["path"], place(options["store"]), _origin(options)))


@command.command("lm-eval")
@_options(required=True)
def lm_eval(**options: Any) -> None:
    """Import a results file of lm-eval, or the folder that it wrote for one checkpoint.

    \b
    Examples:
      predictor import lm-eval results_2026-01-31.json --run 160m --params 160M --tokens 300B --store store/
    """
    from predictor.project import place
    from predictor.results.importers import import_lm_eval

    _report(import_lm_eval(options["path"], place(options["store"]), _origin(options)))


@command.command("lighteval")
@_options(required=True)
def lighteval(**options: Any) -> None:
    """Import a results file of lighteval, or its output folder for one checkpoint.

    Tasks are named as lm-eval names them where both have them: arc:challenge becomes arc_challenge.

    \b
    Examples:
      predictor import lighteval results_2026-01-31.json --run 160m --params 160M --tokens 300B --store store/
    """
    from predictor.project import place
    from predictor.results.importers import import_lighteval

    _report(import_lighteval(options["path"], place(options["store"]), _origin(options)))


def _origin(options: dict[str, Any]) -> Origin:
    from predictor.results.importers import Origin

    return Origin(**{name: options[name] for name in ("run", "params", "tokens", "family")})


def _report(imported: Imported) -> None:
    for note in imported.notes:
        say(note)
    tasks = len(imported.tasks)
    click.echo(f"{imported.rows} scores of {tasks} task{'s' if tasks != 1 else ''} imported into {imported.path}")
