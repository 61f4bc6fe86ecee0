"""What the checkpoints.yaml in this folder supplies to commands: the store, the target and its family."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from predictor.quantity import format_quantity

_CONFIG = "checkpoints.yaml"
# Command -> options that it takes from the project where they are not given and no other results are named.
_TARGET = ("params", "tokens", "family")
_TAKES: dict[str, tuple[str, ...]] = {
    "forecast": ("results", *_TARGET),
    "query": ("results", *_TARGET),
    "report": ("results", *_TARGET),
    "plan": ("results", *_TARGET),
    "compare": ("results", "params", "tokens"),
    "backtest": ("results", "family"),
    "difficulty": ("results", "family"),
    "subset": ("results", "family"),
    "density": ("results",),
    "passes": ("results",),
    "rank": ("results",),
    "serve": ("results",),
    "track": ("results",),
}


def project_defaults(command: str, arguments: Sequence[str]) -> dict[str, Any]:
    """Return option -> value for what a command is not given and the project in this folder states.

    Results that are named are another project's: then nothing is taken from this one.

    Args:
        command: its name.
        arguments: what stands behind it.

    Raises:
        ConfigError: checkpoints.yaml says something that is not allowed.
    """
    given = {argument.partition("=")[0].removeprefix("--") for argument in arguments if argument.startswith("-")}
    if command not in _TAKES or given & {"results", "help", "-h"} or not Path(_CONFIG).is_file():
        return {}
    from predictor.project import load_project

    project = load_project(_CONFIG)
    target = project.target
    if command == "plan" and not project.store_path.exists():
        # Nothing is scored yet: it plans a first ladder, for the project's target.
        values: dict[str, Any] = {}
    else:
        values = {"results": str(project.store_path), "family": target and target.family}
    values |= {"params": target and float(target.params), "tokens": target and float(target.tokens)}
    taken = {name: values.get(name) for name in _TAKES[command] if name not in given}
    found = {name: value for name, value in taken.items() if value is not None}
    if found:
        click.echo(f"from {_CONFIG}: {_named(found)}", err=True)
    return found


def _named(values: dict[str, Any]) -> str:
    shown = {name: format_quantity(value) if isinstance(value, float) else value for name, value in values.items()}
    return ", ".join(f"--{name} {value}" for name, value in shown.items())
