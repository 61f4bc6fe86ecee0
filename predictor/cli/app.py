"""The `predictor` command: its sub-commands, and how their errors reach the user."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Sequence
from typing import Any

import click

from predictor import __version__
from predictor.cli.console import degrade_output
from predictor.errors import PredictorError, UnknownNameError, one_line

# Name of the command -> module below predictor.cli that holds it, imported only when it is asked for.
COMMANDS = {
    "demo": "demo",
    "init": "init",
    "config": "config",
    "tasks": "tasks",
    "doctor": "doctor",
    "completion": "completion",
    "evaluate": "evaluate",
    "status": "status",
    "retry": "retry",
    "prefetch": "prefetch",
    "forecast": "forecast",
    "query": "query",
    "registered": "registered",
    "resolve": "resolve",
    "record": "record",
    "report": "report",
    "backtest": "backtest",
    "atlas": "atlas",
    "compare": "compare",
    "diff": "diff",
    "signal": "signal",
    "items": "items",
    "calibration": "calibration",
    "passes": "passes",
    "robustness": "robustness",
    "covariate": "covariate",
    "compression": "compression",
    "plan": "plan",
    "rank": "rank",
    "density": "density",
    "track": "track",
    "notify": "notify",
    "serve": "serve",
    "import": "import_",
    "store": "store",
    "backup": "backup",
    "restore": "restore",
    "laws": "laws",
    "difficulty": "difficulty",
    "subset": "subset",
}


class LazyGroup(click.Group):
    """A group that imports a command's module only when the command is used, so that `query` starts fast."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; where the reader of its output has gone, as `head` does, there is nothing more to do."""
        try:
            code = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # What is left in the buffer goes nowhere: Python must not complain at exit either.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0
        return code

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and what the project in this folder supplies to it."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS and not ctx.resilient_parsing:
            from predictor.cli.project_defaults import project_defaults

            ctx.default_map = {name: project_defaults(name, rest)}
        return name, command, rest

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the commands in the order of use."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return one command."""
        if cmd_name not in COMMANDS:
            if ctx.resilient_parsing:
                return None
            raise UnknownNameError("command", cmd_name, COMMANDS)
        module = importlib.import_module(f"predictor.cli.{COMMANDS[cmd_name]}")
        command: click.Command = module.command
        return command


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="predictor")
def app() -> None:
    """Know how good the next language model will be before you pay for it.

    \b
    Examples:
      predictor demo
      predictor evaluate --config checkpoints.yaml --once
      predictor query arc_easy --results store/ --params 7B --tokens 300B
    """


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; errors of the user's become one line on stderr and exit code 2."""
    degrade_output()
    try:
        code = app.main(args=arguments, prog_name="predictor", standalone_mode=False)
    except PredictorError as error:
        fail(str(error))
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.ctx.get_help() if error.ctx else error.format_message(), err=True)
        sys.exit(2)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        remedy = f"see '{context.command_path} --help'" if context else ""
        message = " ".join(error.format_message().rstrip(".").split())
        fail(f"{message}; {remedy}" if remedy else message)
    except (click.Abort, KeyboardInterrupt):
        click.echo("interrupted", err=True)
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def fail(message: str) -> None:
    """Print one line and exit with code 2."""
    click.echo(one_line(f"error: {message}"), err=True)
    sys.exit(2)
