"""`predictor doctor`: what is here, and what is missing for what."""

from __future__ import annotations

import click

from predictor.cli.options import deliver, json_option
from predictor.project import DEFAULT_CONFIG


@click.command()
@click.option("--config", default=DEFAULT_CONFIG, show_default=True, help="The ladder: runs, suite, store, executor.")
@json_option("Write the checks as JSON")
def command(config: str, json_path: str | None) -> int:
    """Check versions, the GPU, the hub's cache, the store, its ledger and the disk.

    Exits with 1 where something is missing that a command of this project needs.

    \b
    Examples:
      predictor doctor
      predictor doctor --config cluster.yaml --json -
    """
    from predictor.api.doctor import Diagnosis, diagnose

    def show(found: Diagnosis) -> None:
        width = max(len(check.name) for check in found.checks)
        for check in found.checks:
            click.echo(f"{check.state:<7}  {check.name:<{width}}  {check.found}")
            if check.remedy:
                click.echo(f"{'':<7}  {'':<{width}}  {check.remedy}")

    found = diagnose(config)
    deliver(found, json_path, show)
    return 0 if found.is_well else 1
