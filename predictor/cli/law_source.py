"""Where the parameters of a law come from on the command line: named, published, or fitted to a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from predictor.cli.options import results_option
from predictor.errors import InputError, PredictorError, UnknownNameError
from predictor.laws import Constraints, Law
from predictor.quantity import parse_quantity

if TYPE_CHECKING:
    from predictor.fitting import LawFit

F = TypeVar("F", bound=Callable[..., Any])

# Resamples of a fitted law, of which the central 80% are shown.
_RESAMPLES = 400


class Assignments(click.ParamType):
    """Names and their numbers, as `E=1.8,A=482`; numbers may be written as 7B."""

    name = "a=1,b=2"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        """Split the names from their numbers."""
        if isinstance(value, dict):
            return value
        found: dict[str, float] = {}
        for name, number in split_pairs(str(value), partial(self.fail, param=param, ctx=ctx), "number"):
            try:
                # Parameters may be zero or negative, quantities with a suffix are neither.
                found[name] = float(number)
            except ValueError:
                try:
                    found[name] = parse_quantity(number, name)
                except PredictorError as error:
                    self.fail(str(error), param, ctx)
        return found


class Names(click.ParamType):
    """Names and the names they stand for, as `ratio=tokens_per_param`."""

    name = "a=b"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, str]:
        """Split the pairs."""
        if isinstance(value, dict):
            return value
        return dict(split_pairs(str(value), partial(self.fail, param=param, ctx=ctx), "name"))


def split_pairs(text: str, fail: Callable[[str], Any], what: str) -> list[tuple[str, str]]:
    """Split `a=1,b=2` into its pairs; `fail` is called with a message for anything else, or a name given twice."""
    pairs: list[tuple[str, str]] = []
    for part in filter(None, (piece.strip() for piece in text.split(","))):
        name, sign, value = (piece.strip() for piece in part.partition("="))
        if not sign or not name or not value:
            fail(f"'{part}' is not of the form name={what}")
        if name in dict(pairs):
            fail(f"'{name}' is given twice")
        pairs.append((name, value))
    return pairs


ASSIGNMENTS = Assignments()
NAMES = Names()


def _add(options: tuple[Callable[[F], F], ...]) -> Callable[[F], F]:
    def decorate(command: F) -> F:
        for option in reversed(options):
            command = option(command)
        return command

    return decorate


fit_options = _add(
    (
        results_option(required=False),
        click.option("--task", metavar="T", help="With --results: benchmark or held-out loss to fit the law to."),
        click.option("--metric", metavar="M", help="With --results: its metric (default: the headline metric)."),
        click.option("--family", metavar="F", help="With --results: family of runs (default: that with the most)."),
        click.option(
            "--table",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="Instead of --results: any Parquet or CSV table, one observation in each row.",
        ),
        click.option("--output", metavar="COLUMN", help="With --table: column of what the law gives."),
        click.option("--stderr", metavar="COLUMN", help="With --table: column of the output's standard errors."),
        click.option(
            "--inputs", type=NAMES, metavar="INPUT=COLUMN,…", help="Columns of the law's inputs, where named otherwise."
        ),
        click.option("--tie", type=NAMES, metavar="a=b", help="Parameters that take the value of another."),
        click.option("--fix", type=ASSIGNMENTS, metavar="a=1", help="Parameters that are held at a value."),
    )
)

named_parameters = _add(
    (
        click.option(
            "--parameters", type=ASSIGNMENTS, metavar="a=1,b=2", help="The law's parameters, as E=1.8,A=482,…"
        ),
        click.option(
            "--published", metavar="NAME", help="Use parameters that NAME published; 'predictor laws show' names them."
        ),
    )
)


def parameter_options(command: F) -> F:
    """Add the three ways to name a law's parameters: as they are, as published, fitted to a table."""
    loss = click.option("--loss-task", metavar="T", help="With --results: the loss that a law in loss reads.")
    return named_parameters(fit_options(loss(command)))


@dataclass(frozen=True)
class Chosen:
    """A law's parameters, and their resamples where they come from a fit that determines them.

    Attributes:
        parameters: name -> value, every parameter.
        source: where they come from, in words.
        fit: the fit, where they come from one.
        constraints: of the fit.
    """

    parameters: dict[str, float]
    source: str = ""
    fit: LawFit | None = None
    constraints: Constraints = field(default_factory=Constraints)

    @cached_property
    def draws(self) -> list[dict[str, float]] | None:
        """Resamples of the parameters, None where they are not fitted or the data leave some open."""
        if self.fit is None or self.fit.undetermined:
            return None
        from predictor.fitting import resample_fit

        return [self.constraints.complete(drawn) for drawn in resample_fit(self.fit, _RESAMPLES).parameters()]

    def intervals(self, answer: Callable[[dict[str, float]], float]) -> tuple[float | None, float | None] | None:
        """Return the 80% interval of an answer over the resamples; an end that is out of reach is None."""
        return None if self.draws is None else central_interval(answer, self.draws)

    @classmethod
    def of(cls, fit: LawFit, source: str = "", constraints: Constraints | None = None) -> Chosen:
        """Read the parameters of a fit, and note on standard error what the data leave open."""
        held = constraints or Constraints()
        if fit.freedom == 0:
            raise InputError(
                f"{fit.observations} observations do not determine {', '.join(fit.undetermined)} of {fit.law.name}",
                "score more runs or solve a simpler law",
            )
        if fit.undetermined:
            # Resamples of what is open spread by where their search stops, not by what the data allow.
            click.echo(f"note: the data leave {', '.join(fit.undetermined)} open, the answer leans on them", err=True)
        return cls(held.complete(fit.parameters), source, fit, held)


def central_interval(answer: Callable[[Any], float], draws: list[Any]) -> tuple[float | None, float | None]:
    """Return the 80% interval of an answer over resamples; an end that is out of reach is None."""
    found = []
    for drawn in draws:
        try:
            found.append(answer(drawn))
        except PredictorError:
            # What a resample never reaches lies beyond every number.
            found.append(float("inf"))
    ordered = sorted(found)
    ends = ordered[int(0.1 * len(ordered))], ordered[min(int(0.9 * len(ordered)), len(ordered) - 1)]
    low, high = (end if isfinite(end) else None for end in ends)
    return low, high


def chosen_parameters(law: Law, options: dict[str, Any]) -> Chosen:
    """Read a law's parameters from the one of `parameter_options` that was used.

    Raises:
        InputError: none or several were used, a parameter is missing or out of its bounds, or a table is too small to
            determine any.
        UnknownNameError: the law has no such parameter.
    """
    parameters, published = options["parameters"], options["published"]
    if sum(options[name] is not None for name in ("parameters", "published", "results", "table")) != 1:
        known = f"--published {' or '.join(law.published)}, " if law.published else ""
        raise InputError(
            f"the parameters of {law.name} must come from one place",
            f"give {known}--parameters {'=…,'.join(law.parameter_names)}=…, --results and --task, or --table and "
            "--output",
        )
    if published is not None:
        return Chosen(law.published_values(published), source=describe_published(law, published))
    if parameters is not None:
        _check_parameters(law, parameters)
        return Chosen(dict(parameters), source="parameters as given")
    constraints = chosen_constraints(options)
    fit = fit_to_options(law, options, constraints)
    return Chosen.of(fit, f"fitted to {options['table'] or options['results']}", constraints)


def describe_published(law: Law, name: str) -> str:
    """Describe published parameters in words: who, where, and whether they were checked."""
    found = law.published[name]
    checked = f"checked against {found.checked}" if found.checked else "not checked against the paper's data or code"
    return f"published by {name} ({found.source or law.source}; {checked})"


def chosen_constraints(options: dict[str, Any]) -> Constraints:
    """Return what --fix and --tie ask for."""
    return Constraints(options["fix"] or {}, options["tie"] or {})


def fit_to_options(law: Law, options: dict[str, Any], constraints: Constraints) -> LawFit:
    """Fit a law to what --results and --task, or --table and --output name.

    Raises:
        InputError: neither or both are named, or not in full.
    """
    results, table = options["results"], options["table"]
    if (results is None) == (table is None):
        raise InputError("a fit needs one table", "give --results and --task, or --table and --output")
    foreign = {"output", "stderr"} if results is not None else {"task", "metric", "family", "loss_task"}
    if used := sorted(name for name in foreign if options.get(name) is not None):
        there = "--table" if results is not None else "--results"
        raise InputError(f"--{used[0].replace('_', '-')} belongs to {there}", f"leave it out, or use {there}")
    if results is not None:
        return _fit_to_results(law, options, constraints)
    if options["output"] is None:
        raise InputError("--table alone does not say what to fit", "name the column of what the law gives: --output")
    from predictor.forecasting.law_columns import fit_law_to_table
    from predictor.results.tables import read_table

    return fit_law_to_table(
        law,
        read_table(table),
        options["output"],
        inputs=options["inputs"],
        constraints=constraints,
        stderr=options["stderr"],
        source=str(table),
    )


def _fit_to_results(law: Law, options: dict[str, Any], constraints: Constraints) -> LawFit:
    if options["task"] is None:
        raise InputError("--results alone does not say what to fit", "name a benchmark or a loss with --task")
    from predictor.forecasting.law_table import fit_law_to_results
    from predictor.results import read_results

    return fit_law_to_results(
        law,
        read_results(options["results"]),
        task=options["task"],
        metric=options["metric"],
        loss=options["loss_task"],
        family=options["family"],
        inputs=options["inputs"],
        constraints=constraints,
    )


def _check_parameters(law: Law, parameters: dict[str, float]) -> None:
    for name in parameters:
        if name not in law.parameter_names:
            raise UnknownNameError("parameter", name, law.parameter_names, f"law {law.name}")
    if missing := [name for name in law.parameter_names if name not in parameters]:
        raise InputError(f"law {law.name} needs parameter {', '.join(missing)}", "give all of them in --parameters")
    for parameter in law.parameters:
        value, low, high = parameters[parameter.name], parameter.lower, parameter.upper
        if not low <= value <= high:
            raise InputError(
                f"parameter {parameter.name} of {law.name} is {value:g}", f"it lies in [{low:g}, {high:g}]"
            )
