"""The reference of the command line, generated from click: every command, argument, option, default and choice."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

import click

from predictor.cli.app import app


def command_reference() -> str:
    """Return the page: a section for each command, in the order of use."""
    intro = "# Commands\n\nGenerated from the program. `predictor COMMAND --help` prints the same.\n"
    return "\n".join([intro, *(_section(path, command) for path, command in walk(app, ("predictor",)))])


def walk(command: click.Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command below a group with the words that call it, groups before their commands."""
    if path[1:]:
        yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=path[-1])
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from walk(found, (*path, name))


def _section(path: tuple[str, ...], command: click.Command) -> str:
    context = click.Context(command, info_name=" ".join(path))
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    parts = [f"{'#' * len(path)} {' '.join(path)}", f"```\n{usage}\n```", _help_text(command)]
    parameters = [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]
    rows = [_row(parameter, context) for parameter in parameters]
    if rows:
        parts.append("\n".join(["| parameter | value | default | meaning |", "|---|---|---|---|", *rows]))
    return "\n\n".join(part for part in parts if part) + "\n"


def _help_text(command: click.Command) -> str:
    """Return a command's help as Markdown: paragraphs marked with \\b keep their lines, the others are joined."""
    parts = []
    for paragraph in (command.help or "").split("\n\n"):
        lines = paragraph.strip("\n").splitlines()
        if lines and lines[0].strip() == "\b":
            parts.append("```\n" + textwrap.dedent("\n".join(lines[1:])).strip() + "\n```")
        elif lines:
            parts.append(_escape(" ".join(line.strip() for line in lines)))
    return "\n\n".join(parts)


def _row(parameter: click.Parameter, context: click.Context) -> str:
    names = ", ".join(f"`{name}`" for name in (*parameter.opts, *parameter.secondary_opts))
    if isinstance(parameter, click.Argument):
        names = f"`{parameter.make_metavar(context)}`"
    meaning = getattr(parameter, "help", None) or ("required" if parameter.required else "")
    return f"| {names} | {_value(parameter, context)} | {_default(parameter)} | {_escape(meaning)} |"


def _value(parameter: click.Parameter, context: click.Context) -> str:
    if getattr(parameter, "is_flag", False):
        return ""
    if isinstance(parameter.type, click.Choice):
        return ", ".join(f"`{choice}`" for choice in parameter.type.choices)
    return _escape(parameter.make_metavar(context)).strip("[]") if isinstance(parameter, click.Option) else ""


def _default(parameter: click.Parameter) -> str:
    if parameter.required:
        return "required"
    default = parameter.to_info_dict().get("default")
    if default is None or default is False or default == () or callable(default):
        return ""
    return f"`{default}`"


def _escape(text: str) -> str:
    """Keep text from being read as a table's border or as HTML."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
