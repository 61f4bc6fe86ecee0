"""`predictor config`: checkpoints.yaml for editors and for checking."""

from __future__ import annotations

import json
from pathlib import Path

import click

from predictor.project import DEFAULT_CONFIG


@click.group()
def command() -> None:
    """Check a checkpoints.yaml, and write the JSON schema by which editors check it.

    \b
    Examples:
      predictor config check
      predictor config schema > checkpoints.schema.json
    """


@command.command()
@click.option("--config", default=DEFAULT_CONFIG, show_default=True, help="The ladder: runs, suite, store, executor.")
def check(config: str) -> None:
    """Check a checkpoints.yaml and its suite.

    \b
    Example:
      predictor config check --config cluster.yaml
    """
    from predictor.evaluation.suites import load_suite
    from predictor.project import load_project

    project = load_project(Path(config))
    suite = load_suite(project.suite, project.root)
    click.echo(f"{config}: {len(project.runs)} runs, suite {suite.name} of {len(suite.tasks)} tasks")


@command.command()
def schema() -> None:
    """Print the JSON schema of checkpoints.yaml; an editor reads it from a line `# yaml-language-server: $schema=FILE`.

    \b
    Example:
      predictor config schema > checkpoints.schema.json
    """
    click.echo(schema_text(), nl=False)


def schema_text() -> str:
    """Return the JSON schema of checkpoints.yaml."""
    from predictor.project import Project

    return json.dumps(Project.model_json_schema(), indent=2) + "\n"
