"""`predictor import`: bring results of others into a store."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.console import progress, say
from predictor.cli.options import COUNT, QUANTITY, json_option, write_json
from predictor.errors import InputError
from predictor.quantity import format_quantity

if TYPE_CHECKING:
    from predictor.results.formats.found import LeftOut
    from predictor.results.importing import Given, Imported, ImportPlan

_AUTO = "auto"
_SUPPLY = {
    "run": "--run, --pattern or --runs",
    "params": "--params or --runs",
    "tokens": "--tokens, --tokens-per-step or --runs",
}
# From this many files on, reading shows how far it is.
_MANY = 20
_NAMES_SHOWN = 6
_SMALLEST = 1000


class Formats(click.Group):
    """A group with one command for each format."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Name the formats."""
        from predictor.results.formats import FORMATS

        return [_AUTO, *FORMATS]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Build the command of one format."""
        return _command_of(cmd_name) if cmd_name in self.list_commands(ctx) else None


@click.group(cls=Formats)
def command() -> None:
    """Bring results of others into a store.

    A folder may hold many models and checkpoints. Without further options the models that were found are listed, with
    what is still missing; nothing is stored before every model has a run, params and tokens.

    \b
    Examples:
      predictor import lm-eval out/ --store store/
      predictor import lm-eval out/ --pattern '{run}/step_{step}' --tokens-per-step 4M --store store/
      predictor import lm-eval results_2026-01-31.json --run 160m --params 160M --tokens 300B --store store/
      predictor import table scores.csv --run 160m --params 160M --tokens 300B --store store/
    """


def _options_of(form: str) -> Iterator[Callable[[Any], Any]]:
    yield click.argument("path", type=click.Path(path_type=Path))
    yield click.option("--store", required=True, help="The store, a folder or a URL; made if it is missing.")
    yield click.option("--run", help="Name of the run.")
    yield click.option("--params", type=QUANTITY, help="Trainable parameters, as 160M.")
    yield click.option("--tokens", type=COUNT, help="Training tokens seen, as 300B; 0 for initial weights.")
    yield click.option("--step", type=COUNT, help="Optimizer step.")
    yield click.option("--tokens-per-step", type=QUANTITY, help="Tokens of one step; tokens then follow from the step.")
    yield click.option("--tokens-planned", type=QUANTITY, help="Tokens at which the learning-rate schedule ends.")
    yield click.option("--family", help="Family of the runs.")
    yield click.option("--pattern", metavar="TEXT", help="How models or their folders are named: '{run}/step_{step}'.")
    yield click.option(
        "--runs",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Table with columns run or model, and params, tokens, tokens_per_step, family, ...",
    )
    if form in ("table", _AUTO):
        yield click.option(
            "--map", "columns", multiple=True, metavar="COLUMN=NAME", help="What a column is; '-' leaves it out."
        )
        yield click.option("--percent", is_flag=True, help="Scores are in percent.")
        yield click.option("--metric", help="Metric of scores that name none.")
    yield click.option("--same-model", is_flag=True, help="Models of two names are one that was renamed.")
    yield click.option("--skip-incomplete", is_flag=True, help="Leave out models of which something is missing.")
    yield json_option("Write what was stored and left out")


def _command_of(form: str) -> click.Command:
    def run(path: Path, store: str, json_path: str | None, **options: Any) -> None:
        _import(form, path, store, json_path, options)

    what = f"results of {form}" if form not in (_AUTO, "table") else "tables of scores"
    first = (
        "Find out the format of results, and import them." if form == _AUTO else f"Import {what}, a file or a folder."
    )
    example = f"predictor import {form} {'scores.csv' if form == 'table' else 'out/'} --store store/"
    run.__doc__ = f"{first}\n\n\b\nExamples:\n  {example}\n"
    for option in reversed(list(_options_of(form))):
        run = option(run)
    return click.command(form)(run)


def _import(form: str, path: Path, store: str, json_path: str | None, options: dict[str, Any]) -> None:
    from predictor.project import place
    from predictor.results.formats import open_format
    from predictor.results.importing import detect_format, for_format, plan_import, write_import
    from predictor.results.store import Store

    columns, percent, metric = (options.pop(name, None) for name in ("columns", "percent", "metric"))
    given = _given(options)
    name = detect_format(path) if form == _AUTO else form
    of_table = {"columns": _mapping(columns or ()), "percent": bool(percent), "metric": metric}
    reader = open_format(name, **(of_table if name == "table" else {}))
    with _reading(len(reader.sources(path))) as report:
        plan = plan_import(reader, path, for_format(name, given), report)
    if json_path != "-" and (len(plan.checkpoints) > 1 or plan.missing):
        _show(plan)
    if plan.missing:
        for note in plan.notes:
            say(f"note: {note}")
        _tell_left_out(plan.left_out)
        raise _incomplete(plan)
    imported = write_import(plan, Store(place(store)), given.same_model)
    if json_path is not None:
        write_json(_as_json(plan, imported), json_path)
    if json_path != "-":
        _tell(imported, store)
    _tell_waiting(store)


def _tell_waiting(store: str) -> None:
    """Name the registered forecasts that the imported scores may resolve; scores are easily imported wrong."""
    from predictor.project import place
    from predictor.results.layout import FORECASTS

    home = place(store)
    if not (home / FORECASTS).is_dir():
        return
    from predictor.forecasting.register import read_entries

    entries = read_entries(home)
    waiting = [entry.label for entry in entries.registrations if entries.is_open(entry)]
    if waiting:
        say(f"registered forecasts that wait for scores: {', '.join(waiting)}; see 'predictor resolve --store {store}'")


def _given(options: dict[str, Any]) -> Given:
    from predictor.results.importing import Given, NamePattern, RunsTable

    for name in ("params", "tokens"):
        _refuse_forgotten_unit(name, options[name])
    pattern, runs = options.pop("pattern"), options.pop("runs")
    named = None if pattern is None else NamePattern(pattern)
    if named is not None:
        _ = named.expression
    return Given(**options, pattern=named, runs=None if runs is None else RunsTable.read(runs))


def _refuse_forgotten_unit(name: str, value: float | None) -> None:
    """Refuse `--params 7`: no model that is trained is that small."""
    if value is not None and 0 < value < _SMALLEST:
        raise InputError(f"--{name} {value:g} is far below every run", f"did you mean {value:g}B?")


def _mapping(columns: Iterable[str]) -> dict[str, str]:
    pairs = [column.rpartition("=") for column in columns]
    wrong = next((column for column, pair in zip(columns, pairs, strict=True) if not pair[0] or not pair[2]), None)
    if wrong is not None:
        raise InputError(f"--map {wrong} is not COLUMN=NAME", "write it as --map 'Model Size=params'")
    return {column: name for column, _, name in pairs}


@contextlib.contextmanager
def _reading(count: int) -> Iterator[Callable[[str], None]]:
    if count < _MANY:
        yield lambda line: None
        return
    with progress("Reading", count) as advance:
        yield advance


def _show(plan: ImportPlan) -> None:
    from rich.table import Table

    from predictor.cli.tables import console

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("model", overflow="fold")
    table.add_column("run", overflow="fold")
    for name in ("params", "tokens", "step", "scores"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("missing")
    for checkpoint in plan.checkpoints:
        place = checkpoint.place
        table.add_row(
            checkpoint.title,
            place.run or "-",
            *("-" if count is None else format_quantity(count) for count in (place.params, place.tokens)),
            "-" if place.step is None else str(place.step),
            str(len(checkpoint.rows)),
            ", ".join(place.missing),
        )
    console().print(table)


def _incomplete(plan: ImportPlan) -> InputError:
    lacking = plan.missing
    what = ", ".join(
        f"{name} of {len(models)} model{'s' if len(models) != 1 else ''}" for name, models in lacking.items()
    )
    supply = "; ".join(f"{name} by {_SUPPLY[name]}" for name in lacking)
    return InputError(f"nothing was stored, not known: {what}", f"supply {supply}")


def _tell(imported: Imported, store: str) -> None:
    for note in imported.notes:
        say(f"note: {note}")
    _tell_left_out(imported.left_out)
    for change in imported.corrected:
        say(f"corrected: {change}")
    tasks = len(imported.tasks)
    counts = [f"{imported.unchanged} there already"] if imported.unchanged else []
    counts += [f"{len(imported.corrected)} corrected"] if imported.corrected else []
    counts += [f"{imported.items} item{'s' if imported.items != 1 else ''}"] if imported.items else []
    counts += [f"{len(imported.left_out)} left out"] if imported.left_out else []
    more = f" ({', '.join(counts)})" if counts else ""
    scores = f"{imported.rows} score{'s' if imported.rows != 1 else ''}"
    click.echo(f"{scores} of {tasks} task{'s' if tasks != 1 else ''} imported into {store}{more}")


def _tell_left_out(left_out: Iterable[LeftOut]) -> None:
    """Print what was left out, the things with one reason on one line."""
    by_reason: dict[str, list[str]] = defaultdict(list)
    for entry in left_out:
        by_reason[entry.reason].append(entry.what)
    for reason, names in by_reason.items():
        shown = ", ".join(names[:_NAMES_SHOWN])
        more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
        say(f"left out: {shown}{more}: {reason}")


def _as_json(plan: ImportPlan, imported: Imported) -> dict[str, Any]:
    return {
        "format": plan.form,
        "checkpoints": [
            {
                "model": checkpoint.title,
                **vars(checkpoint.place),
                "scores": len(checkpoint.rows),
                "sources": [str(path) for model in checkpoint.models for path in model.sources],
            }
            for checkpoint in plan.checkpoints
        ],
        "scores": imported.rows,
        "new": imported.new,
        "unchanged": imported.unchanged,
        "corrected": [vars(change) for change in imported.corrected],
        "items": imported.items,
        "left_out": [vars(entry) for entry in imported.left_out],
        "notes": list(imported.notes),
    }
