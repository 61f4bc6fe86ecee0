"""`predictor completion`: completion of commands and options in the shell."""

from __future__ import annotations

import click

_SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(_SHELLS))
def command(shell: str) -> None:
    """Print the script by which SHELL completes commands and options.

    \b
    Examples:
      predictor completion bash >> ~/.bashrc
      predictor completion zsh >> ~/.zshrc
      predictor completion fish > ~/.config/fish/completions/predictor.fish
    """
    from click.shell_completion import get_completion_class

    from predictor.cli.app import app

    found = get_completion_class(shell)
    assert found is not None  # click knows the shells of the choice
    # The command itself answers the shell's questions while this variable is set.
    script = found(app, {}, "predictor", "_PREDICTOR_COMPLETE")
    click.echo(script.source_template % script.source_vars())
