"""`predictor registered`: the forecasts that were registered, and whether they are as they were written."""

from __future__ import annotations

import click

from predictor.cli.options import json_option, write_json
from predictor.cli.register_options import find_store, store_options


@click.group()
def command() -> None:
    """Look at registered forecasts, and check that none was changed.

    \b
    Examples:
      predictor registered list --store store/
      predictor registered show base-7b --store store/
      predictor registered verify --store store/
    """


@command.command("list")
@store_options
@json_option("Write the list as JSON")
def list_(config: str, store: str | None, json_path: str | None) -> None:
    """List the registered forecasts with what they forecast and how much of it is resolved.

    \b
    Examples:
      predictor registered list
      predictor registered list --store s3://bucket/store --json -
    """
    from predictor.cli.registered_tables import print_list, warn_of_faults
    from predictor.forecasting.register import read_entries

    entries = read_entries(find_store(config, store))
    if json_path is None:
        print_list(entries)
        return
    warn_of_faults(entries)
    rows = [{**entry.to_json(), "resolved": len(entries.outcomes_of(entry))} for entry in entries.registrations]
    write_json({"forecasts": rows, "faults": _faults(entries.faults)}, json_path)


@command.command("show")
@click.argument("name")
@store_options
@json_option("Write the forecast and what became of it as JSON")
def show(name: str, config: str, store: str | None, json_path: str | None) -> None:
    """Show a registered forecast, by its name (the newest of that name) or number, with what became of it.

    \b
    Examples:
      predictor registered show base-7b --store store/
      predictor registered show 3 --store store/ --json -
    """
    from predictor.cli.registered_tables import print_entry, warn_of_faults
    from predictor.forecasting.register import read_entries

    entries = read_entries(find_store(config, store))
    entry = entries.find(name)
    if json_path is None:
        print_entry(entry, entries)
        return
    warn_of_faults(entries)
    resolutions = [found.to_json() for found in entries.resolutions_of(entry)]
    value = {**entry.to_json(), "forecast": entry.forecast.to_json(), "quantiles": entry.quantiles}
    write_json({**value, "resolutions": resolutions, "faults": _faults(entries.faults)}, json_path)


@command.command("verify")
@store_options
@click.option("--published", metavar="SHA256", help="A hash that was published: its record must be there, unchanged.")
@json_option("Write what was found as JSON")
def verify(config: str, store: str | None, published: str | None, json_path: str | None) -> int:
    """Check every byte of the registered forecasts and their resolutions.

    Exits with 1 where a record was changed or removed.

    \b
    Examples:
      predictor registered verify --store store/
      predictor registered verify --store store/ --published 3f1c...e9
    """
    from predictor.forecasting.register.entries import chain_of

    state = chain_of(find_store(config, store)).verify(published)
    tail = state.records[-1].sha256 if state.records else None
    if json_path is not None:
        write_json(
            {"records": state.last, "sha256": tail, "behind": state.behind, "faults": _faults(state.faults)}, json_path
        )
    else:
        for file, what in state.faults:
            click.echo(f"{file}: {what}")
        if state.last == 0:
            click.echo("no forecast is registered")
        else:
            good = len(state.records) if state.faults else state.last
            click.echo(f"{good} of {state.last} records are as they were written, the last with sha256 {tail}")
    return 1 if state.faults else 0


def _faults(faults: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"file": file, "what": what} for file, what in faults]
