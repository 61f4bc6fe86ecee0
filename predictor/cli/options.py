"""Options that several commands share, and how JSON is written."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeVar

import click

from predictor.errors import InputError, PredictorError
from predictor.quantity import parse_count, parse_quantity
from predictor.results.files import write_text_atomically

F = TypeVar("F", bound=Callable[..., Any])


class Quantity(click.ParamType):
    """A positive number as `7e9`, `7B` or `300M`."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Parse it, naming the option in errors."""
        try:
            return parse_quantity(value, f"--{param.name.replace('_', '-')}" if param and param.name else "number")
        except PredictorError as error:
            self.fail(str(error), param, ctx)


QUANTITY = Quantity()


class Count(click.ParamType):
    """A whole number as `300B`, or 0."""

    name = "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Read it, naming the option in errors."""
        if isinstance(value, int):
            return value
        try:
            return parse_count(value)
        except PredictorError as error:
            name = f"--{param.name.replace('_', '-')}: " if param and param.name else ""
            self.fail(f"{name}{error}", param, ctx)


COUNT = Count()


class Duration(click.ParamType):
    """A time as `90s`, `10m` or `2h`."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Read it as seconds."""
        from predictor.scheduling import parse_duration

        try:
            return parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


DURATION = Duration()


class TaskList(click.ParamType):
    """Names separated by commas."""

    name = "a,b"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, ...]:
        """Split the names."""
        if isinstance(value, tuple):
            return value
        names = tuple(name.strip() for name in str(value).split(",") if name.strip())
        if not names:
            self.fail("is empty", param, ctx)
        return names


class JsonFile(click.ParamType):
    """A file that JSON may be written to, or `-`; refused before the work if it cannot be or holds something else."""

    name = "file"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Check where it lies.

        Raises:
            InputError: a folder, in a folder that is missing or not writable, or another kind of file that is there.
        """
        if value != "-":
            from predictor.results.destination import check_destination

            path = check_destination(value, "--json")
            if path.exists() and path.suffix not in (".json", ".txt", ""):
                raise InputError(f"--json would replace {path}, which is no JSON", "name another file")
        return str(value)


def json_option(what: str) -> Callable[[F], F]:
    """Add `--json OUT.json`; `what` is written."""
    return click.option(
        "--json", "json_path", type=JsonFile(), metavar="OUT.json", help=f"{what}; '-' for standard output."
    )


def results_option(required: bool = True) -> Callable[[F], F]:
    """Add `--results PATH`."""
    return click.option(
        "--results",
        type=click.Path(path_type=Path),
        required=required,
        metavar="PATH",
        help="A store, a folder with evals.parquet, or a Parquet or CSV results table.",
    )


num_fewshot_option = click.option(
    "--num-fewshot",
    type=click.IntRange(min=0),
    metavar="K",
    help="Examples in the prompt, where a task was scored with several numbers (default: that of the most runs).",
)

seed_option = click.option(
    "--seed", type=click.IntRange(min=0), default=0, show_default=True, metavar="S", help="Seed of the resampling."
)


atlas_option = click.option(
    "--no-atlas",
    "atlas",
    is_flag=True,
    default=True,
    flag_value=False,
    help="Leave out the atlas of public models, which stands in where the table has too few other families.",
)


def target_options(command: F) -> F:
    """Add `--params`, `--tokens`, `--family`, `--seed`, `--no-atlas`."""
    for option in reversed(
        (
            click.option("--params", type=QUANTITY, required=True, metavar="N", help="The target's parameters, as 7B."),
            click.option("--tokens", type=QUANTITY, required=True, metavar="D", help="Its training tokens, as 300B."),
            click.option(
                "--family", metavar="F", help="Family of runs whose laws to use (default: that with the most runs)."
            ),
            click.option(
                "--method", default="auto", show_default=True, metavar="NAME", help="One method instead of all."
            ),
            seed_option,
            atlas_option,
        )
    ):
        command = option(command)
    return command


class Required(click.ParamType):
    """A benchmark and the score it has to reach, as `mmlu=0.60` or `mmlu=60%`."""

    name = "task=score"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, float]:
        """Split it at the last `=`."""
        if isinstance(value, tuple):
            return value
        name, equals, level = str(value).rpartition("=")
        number = level.strip()
        try:
            share = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
        except ValueError:
            share = -1.0
        if not equals or not name.strip():
            self.fail(f"{value!r} is not TASK=SCORE, as mmlu=0.60", param, ctx)
        if not 0 <= share <= 1:
            self.fail(f"{value!r} asks for no share in [0, 1]; write 0.6 or 60%", param, ctx)
        return name.strip(), share


require_option = click.option(
    "--require",
    type=Required(),
    multiple=True,
    metavar="TASK=SCORE",
    help="Print the probability that the target reaches this score, as mmlu=0.60 or mean=55%; repeatable.",
)

suite_option = click.option(
    "--suite",
    metavar="NAME",
    help="Take the mean over the benchmarks of this suite (a shipped one or a file; default: all that are forecast).",
)


def write_json(value: Any, where: str) -> None:
    """Write JSON to a file, or to standard output for `-`."""
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    if not _can_be_written(text, sys.stdout.encoding if where == "-" else "utf-8"):
        text = json.dumps(value, indent=2, ensure_ascii=True, allow_nan=False) + "\n"
    if where == "-":
        sys.stdout.write(text)
    else:
        write_text_atomically(Path(where), text)


def _can_be_written(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


class Answer(Protocol):
    """What a command prints, and writes as JSON."""

    def to_json(self) -> Any:
        """Give it as values of JSON."""
        ...


A = TypeVar("A", bound=Answer)


def deliver(answer: A, json_path: str | None, show: Callable[[A], None]) -> None:
    """Write an answer as JSON where that is asked for, and show it unless the JSON has standard output to itself."""
    try:
        # First: whoever reads only the table's head closes the pipe, and the file shall be there all the same.
        if json_path is not None:
            write_json(answer.to_json(), json_path)
    finally:
        # Also where the file cannot be written, so that minutes of work are not lost to a full disk.
        if json_path != "-":
            show(answer)
    if json_path not in (None, "-"):
        click.echo(f"written to {json_path}", err=True)
