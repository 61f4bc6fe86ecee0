"""`predictor resolve`: compare registered forecasts with the scores of their targets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import deliver, json_option
from predictor.cli.register_options import find_store
from predictor.errors import InputError
from predictor.places import is_local
from predictor.project import DEFAULT_CONFIG, Project, load_project

if TYPE_CHECKING:
    from predictor.forecasting.register import Resolved
    from predictor.results import Results


@click.command()
@click.argument("name", required=False)
@click.option("--config", default=DEFAULT_CONFIG, show_default=True, help="The ladder: names the store and the target.")
@click.option("--store", help="The store with the registered forecasts: a folder, or a URL.")
@click.option(
    "--results",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Where the target's scores are, if not in the store: a results table, or a folder with one.",
)
@click.option("--run", metavar="RUN", help="With NAME: the run that is its target.")
@click.option(
    "--again", is_flag=True, help="With NAME: take scores that were corrected since; the earlier stay listed."
)
@json_option("Write what was resolved as JSON")
def command(
    name: str | None,
    config: str,
    store: str | None,
    results: Path | None,
    run: str | None,
    again: bool,
    json_path: str | None,
) -> None:
    """Compare registered forecasts with what their targets scored, benchmark by benchmark.

    Resolves all that wait, or the one that is named. The target is the run that was named at registration, with --run
    or in checkpoints.yaml, or the one run of the same family, size and length. What was resolved stays as it is, unless
    --again says that its scores were wrong.

    \b
    Examples:
      predictor resolve --store store/
      predictor resolve base-7b --store store/ --run base-7b-final
      predictor resolve --store store/ --results evals.parquet --json -
    """
    from predictor.cli.registered_tables import print_resolved
    from predictor.forecasting.register import resolve

    if run is not None and name is None:
        raise InputError(
            "--run says nothing without the name of a forecast", "name it: predictor resolve NAME --run RUN"
        )
    project = load_project(config) if store is None or Path(config).exists() else None
    home = find_store(config, store)
    scores = read_scores(home, results)
    deliver(resolve(home, scores, only=name, run=run, again=again, runs=runs_of(project)), json_path, print_resolved)


def read_scores(store: Path, results: Path | None = None) -> Results:
    """Read the scores of targets as well, from the store where no table is named."""
    from predictor.results import read_results
    from predictor.results.readers import read_store

    roles = ("ladder", "target")
    return read_store(store, roles) if results is None else read_results(results, roles)


def runs_of(project: Project | None) -> Mapping[tuple[str, float, float], str]:
    """Return which run a project states to be its target: (family, params, tokens) -> run."""
    target = project.target if project is not None else None
    if target is None or target.run is None:
        return {}
    return {(target.family, float(target.params), float(target.tokens)): target.run}


def resolve_in(project: Project, store: Path) -> Resolved | None:
    """Resolve what waits in a store; None where nothing does, which is seen without reading scores."""
    from predictor.cli.console import say
    from predictor.forecasting.register import Entries, read_entries, resolve

    # Before the first look the store itself may be missing.
    entries = read_entries(store) if not is_local(store) or store.is_dir() else Entries((), ())
    for file, what in entries.faults:
        say(f"forecasts/{file}: {what}; see 'predictor registered verify'")
    if not any(entries.is_open(entry) for entry in entries.registrations):
        return None
    return resolve(store, read_scores(store), runs=runs_of(project))
