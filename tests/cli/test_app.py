"""Every command is explained, shown by example and documented."""

import re
from pathlib import Path

import click
import pytest

from predictor.cli.app import COMMANDS, app

DOCS = Path(__file__).parent.parent.parent / "docs"


def every_command(group=app, path=("predictor",)):
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        yield (*path, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, (*path, name))


ALL = {" ".join(path): command for path, command in every_command()}


@pytest.mark.parametrize("name", ALL)
def test_the_help_explains_the_command_and_shows_an_example_of_it(name):
    text = ALL[name].help or ""
    assert len(text.split("\n\n")[0]) > 20
    assert re.search(rf"Examples?:\n\s+{re.escape(name)}\b", text), "no example in the help"


@pytest.mark.parametrize("name", ALL)
def test_every_option_says_what_it_does(name):
    for parameter in ALL[name].params:
        assert isinstance(parameter, click.Argument) or parameter.help, parameter.name


@pytest.mark.parametrize("name", ALL)
def test_the_docs_show_the_command(name):
    pages = "\n".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    assert name in pages


def test_the_commands_of_the_contract_that_exist_are_listed(predictor):
    shown = predictor("--help").stdout
    assert all(name in shown for name in COMMANDS)


def test_an_unknown_command_is_one_line(refused):
    assert "unknown command 'forcast'; did you mean forecast" in refused("forcast")


def test_no_arguments_show_the_help(predictor):
    assert "Usage: predictor" in predictor(expect=2).stderr
