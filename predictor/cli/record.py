"""`predictor record`: how right the registered forecasts were."""

from __future__ import annotations

import click

from predictor.cli.options import deliver, json_option
from predictor.cli.register_options import find_store, store_options


@click.command()
@store_options
@json_option("Write the track record as JSON")
def command(config: str, store: str | None, json_path: str | None) -> None:
    """Print the track record of all registered forecasts that were resolved.

    How often intervals of each level held, errors beside the stated width, and both by benchmark, distance and grade.
    Scores that were known when a forecast was registered do not count.

    \b
    Examples:
      predictor record --store store/
      predictor record --store store/ --json record.json
    """
    from predictor.cli.registered_tables import print_record
    from predictor.forecasting.register import read_entries, team_record

    deliver(team_record(read_entries(find_store(config, store))), json_path, print_record)
