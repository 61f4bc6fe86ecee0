"""`predictor tasks`: what can be scored."""

from __future__ import annotations

import click


@click.group()
def command() -> None:
    """List and search tasks, and check a suite against the installed lm-eval.

    \b
    Examples:
      predictor tasks list
      predictor tasks search arc
      predictor tasks validate core
    """


@command.command("list")
@click.option("--suite", metavar="NAME", help="Only this suite: a shipped one or a file.")
def list_(suite: str | None) -> None:
    """List the tasks of the shipped suites, or of one suite.

    \b
    Examples:
      predictor tasks list
      predictor tasks list --suite core
    """
    from rich.markup import escape
    from rich.table import Table

    from predictor.cli.tables import console
    from predictor.evaluation.suites import load_suite, shipped_suites

    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("suite", "task", "metric"):
        table.add_column(name, overflow="fold")
    for name in ("shots", "chance"):
        table.add_column(name, justify="right", no_wrap=True)
    for place in [suite] if suite is not None else shipped_suites():
        loaded = load_suite(place)
        for entry in loaded.tasks.values():
            shots = "-" if entry.num_fewshot is None else str(entry.num_fewshot)
            chance = "-" if entry.chance is None else f"{entry.chance:.3g}"
            table.add_row(escape(loaded.name), escape(entry.name), entry.metric, shots, chance)
    console().print(table)


@command.command()
@click.argument("text")
def search(text: str) -> None:
    """Search the tasks of the installed lm-eval for TEXT.

    \b
    Examples:
      predictor tasks search arc
      predictor tasks search mmlu
    """
    from predictor.errors import UnknownNameError
    from predictor.evaluation.catalogue import installed_tasks

    names = installed_tasks()
    found = [name for name in names if text.lower() in name.lower()]
    if not found:
        raise UnknownNameError("task", text, names, "lm-eval")
    for name in found:
        click.echo(name)


@command.command()
@click.argument("suite")
def validate(suite: str) -> int:
    """Check that the installed lm-eval has every task of SUITE; no data are fetched.

    Exits with 1 where it lacks one.

    \b
    Examples:
      predictor tasks validate core
      predictor tasks validate suites/ours.yaml
    """
    from predictor.evaluation.catalogue import missing_tasks
    from predictor.evaluation.suites import load_suite

    loaded = load_suite(suite)
    missing = missing_tasks(loaded)
    for error in missing:
        click.echo(f"missing: {error}")
    click.echo(f"{loaded.name}: {len(loaded.tasks) - len(missing)} of {len(loaded.tasks)} tasks are in lm-eval")
    return 1 if missing else 0
