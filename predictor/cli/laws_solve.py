"""`predictor laws solve`: laws read backwards."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar

import click

from predictor.cli.options import QUANTITY, json_option, results_option, write_json
from predictor.errors import InputError, PredictorError, UnknownNameError
from predictor.laws import Law, get_law
from predictor.quantity import format_quantity, parse_quantity

F = TypeVar("F", bound=Callable[..., Any])

# Resamples of a fitted law, of which the central 80 % are shown.
_RESAMPLES = 400
# The answer stands alone on the first line, for scripts that read it.
_LINE = "\n"


class Assignments(click.ParamType):
    """Names and their numbers, as `E=1.8,A=482`; numbers may be written as 7B."""

    name = "a=1,b=2"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dict[str, float]:
        """Split the names from their numbers."""
        if isinstance(value, dict):
            return value
        found: dict[str, float] = {}
        for part in filter(None, (one.strip() for one in str(value).split(","))):
            name, sign, number = part.partition("=")
            if not sign:
                self.fail(f"'{part}' is not of the form name=number", param, ctx)
            try:
                # Parameters may be zero or negative, quantities with a suffix are neither.
                found[name.strip()] = float(number)
            except ValueError:
                try:
                    found[name.strip()] = parse_quantity(number, name.strip())
                except PredictorError as error:
                    self.fail(str(error), param, ctx)
        return found


ASSIGNMENTS = Assignments()
_GIVEN = click.option(
    "--given", type=ASSIGNMENTS, default="", metavar="a=1,b=2", help="The other inputs, as params=7B,chance=0.25."
)
_JSON = json_option("Write JSON")


def parameter_options(command: F) -> F:
    """Add the three ways to say a law's parameters: as they are, as published, fitted to a table."""
    for option in reversed(
        (
            click.option(
                "--parameters", type=ASSIGNMENTS, metavar="a=1,b=2", help="The law's parameters, as E=1.8,A=482,…"
            ),
            click.option(
                "--published",
                metavar="NAME",
                help="Use parameters that NAME published; 'predictor laws show' names them.",
            ),
            results_option(required=False),
            click.option("--task", metavar="T", help="With --results: benchmark or held-out loss to fit the law to."),
            click.option("--metric", metavar="M", help="With --results: its metric."),
            click.option("--loss-task", metavar="T", help="With --results: the loss that a law in loss reads."),
            click.option("--family", metavar="F", help="With --results: family of runs."),
        )
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Chosen:
    """A law's parameters, and their resamples where they come from a fit that determines them."""

    parameters: dict[str, float]
    draws: list[dict[str, float]] | None = None

    def intervals(self, answer: Callable[[dict[str, float]], float]) -> tuple[float | None, float | None] | None:
        """Give the 80 % interval of an answer over the resamples; an end that is out of reach is None."""
        if self.draws is None:
            return None
        found = []
        for parameters in self.draws:
            try:
                found.append(answer(parameters))
            except PredictorError:
                # What a resample never reaches lies beyond every number.
                found.append(float("inf"))
        ordered = sorted(found)
        ends = ordered[int(0.1 * len(ordered))], ordered[min(int(0.9 * len(ordered)), len(ordered) - 1)]
        low, high = (one if isfinite(one) else None for one in ends)
        return low, high


def chosen_parameters(law: Law, options: dict[str, Any]) -> Chosen:
    """Take a law's parameters from the one of `parameter_options` that was used.

    Raises:
        InputError: none or several were used, a parameter is missing or out of its bounds, or a table is too small to
            determine any.
        UnknownNameError: the law has no such parameter.
    """
    parameters, published, results = options["parameters"], options["published"], options["results"]
    if sum(one is not None for one in (parameters, published, results)) != 1:
        known = f"--published {' or '.join(law.published)}, " if law.published else ""
        raise InputError(
            f"the parameters of {law.name} must come from one place",
            f"give {known}--parameters {'=…,'.join(law.parameter_names)}=…, or --results and --task",
        )
    if published is not None:
        return Chosen(law.published_values(published))
    if parameters is not None:
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
        return Chosen(dict(parameters))
    if options["task"] is None:
        raise InputError("--results alone does not say what to fit", "name a benchmark or a loss with --task")
    from predictor.forecast.law_table import fit_law_to_results
    from predictor.results import read_results

    fit = fit_law_to_results(
        law,
        read_results(results),
        task=options["task"],
        metric=options["metric"],
        loss=options["loss_task"],
        family=options["family"],
    )
    if fit.freedom == 0:
        raise InputError(
            f"{fit.observations} observations do not determine {', '.join(fit.undetermined)} of {law.name}",
            "score more runs or solve a simpler law",
        )
    if fit.undetermined:
        # Resamples of what is open spread by where their search stops, not by what the data allow.
        click.echo(f"note: the data leave {', '.join(fit.undetermined)} open, the answer leans on them", err=True)
        return Chosen(fit.parameters)
    from predictor.fitting import resample_fit

    return Chosen(fit.parameters, resample_fit(fit, _RESAMPLES).parameters())


@click.group()
def solve() -> None:
    """Read a law backwards: what is needed for a loss or a score, how to split a budget, where a curve ends.

    \b
    Examples:
      predictor laws solve optimum --published besiroglu --flops 5.76e23
      predictor laws solve need chinchilla --published besiroglu --find tokens --value 2.1 --given params=7B
    """


@solve.command()
@click.argument("law")
@click.option("--find", required=True, metavar="INPUT", help="The unknown input, as tokens, params, flops or loss.")
@click.option("--value", type=float, required=True, metavar="Y", help="What the law shall give, as a loss or a score.")
@_GIVEN
@parameter_options
@_JSON
def need(law: str, find: str, value: float, given: dict[str, float], json_path: str | None, **options: Any) -> None:
    """Find the input at which LAW gives a value: the tokens for a loss, the size for a score, the loss for a score.

    \b
    Examples:
      predictor laws solve need chinchilla --published besiroglu --find tokens --value 2.1 --given params=7B
      predictor laws solve need accuracy_from_loss --results evals.parquet --task hellaswag --find loss --value 0.7
    """
    from predictor.laws.solve import solve_for

    found = get_law(law)
    chosen = chosen_parameters(found, options)
    parameters = chosen.parameters
    answer = solve_for(found, parameters, find, value, given)
    ends = chosen.intervals(lambda drawn: solve_for(found, drawn, find, value, given))
    if json_path is not None:
        record = {"law": law, "parameters": parameters, "value": value, "given": given, "find": find, "answer": answer}
        write_json({**record, "interval_80": ends}, json_path)
    if json_path != "-":
        click.echo(f"{find} {_number(answer)}{_shown(ends, before=_LINE)}")


@solve.command()
@click.option("--flops", type=QUANTITY, metavar="C", help="Budget of training compute.")
@click.option("--loss", type=QUANTITY, metavar="L", help="Loss to reach with the least compute, instead of a budget.")
@parameter_options
@_JSON
def optimum(flops: float | None, loss: float | None, json_path: str | None, **options: Any) -> None:
    """Split a compute budget between size and data under the chinchilla law, or find the least budget for a loss.

    \b
    Examples:
      predictor laws solve optimum --published besiroglu --flops 5.76e23
      predictor laws solve optimum --results evals.parquet --task loss:c4_val --loss 2.5
    """
    from predictor.laws.solve import Optimum, cheapest_for_loss, compute_optimum

    if (flops is None) == (loss is None):
        raise InputError("a budget or a loss is needed, and not both", "give --flops or --loss")
    chosen = chosen_parameters(get_law("chinchilla"), options)

    def split(parameters: dict[str, float]) -> Optimum:
        return compute_optimum(parameters, flops) if flops is not None else cheapest_for_loss(parameters, loss or 0.0)

    best = split(chosen.parameters)
    names = ("flops", "params", "tokens", "loss")
    record: dict[str, Any] = {name: getattr(best, name) for name in names}
    ends = {name: chosen.intervals(lambda drawn, name=name: getattr(split(drawn), name)) for name in names}  # type: ignore[misc]
    if json_path is not None:
        write_json({"law": "chinchilla", "parameters": chosen.parameters, **record, "intervals_80": ends}, json_path)
    if json_path != "-":
        given = "flops" if flops is not None else "loss"
        shown = {name: "" if name == given else _shown(ends[name]) for name in names}
        click.echo(f"flops  {best.flops:.4g}{shown['flops']}")
        click.echo(f"params {_number(best.params)}{shown['params']}")
        click.echo(f"tokens {_number(best.tokens)}, {best.tokens / best.params:.3g} per parameter{shown['tokens']}")
        click.echo(f"loss   {best.loss:.4f}{shown['loss']}")


@solve.command("critical-batch")
@click.option("--loss", type=QUANTITY, required=True, metavar="L", help="Loss at which it is asked for.")
@parameter_options
@_JSON
def critical_batch(loss: float, json_path: str | None, **options: Any) -> None:
    """Give the batch size beyond which more of it hardly saves steps, at a loss.

    \b
    Example:
      predictor laws solve critical-batch --published kaplan --loss 2.5
    """
    law = get_law("kaplan_critical_batch")
    chosen = chosen_parameters(law, options)

    def batch(parameters: dict[str, float]) -> float:
        return float(law.evaluate(parameters, {"loss": loss}))

    answer, ends = batch(chosen.parameters), chosen.intervals(batch)
    if json_path is not None:
        record = {"law": law.name, "parameters": chosen.parameters, "loss": loss, "tokens": answer}
        write_json({**record, "interval_80": ends}, json_path)
    if json_path != "-":
        click.echo(f"critical batch {_number(answer)} tokens{_shown(ends, before=_LINE)}")


@solve.command()
@click.argument("law")
@_GIVEN
@parameter_options
@_JSON
def asymptote(law: str, given: dict[str, float], json_path: str | None, **options: Any) -> None:
    """Give what LAW tends to as all inputs but the given ones grow without end.

    \b
    Examples:
      predictor laws solve asymptote asymptote --results evals.parquet --task loss:c4_val
      predictor laws solve asymptote chinchilla --published besiroglu --given params=7B
    """
    from predictor.laws.solve import asymptote as limit_of

    found = get_law(law)
    chosen = chosen_parameters(found, options)
    answer = limit_of(found, chosen.parameters, given)
    ends = chosen.intervals(lambda drawn: limit_of(found, drawn, given))
    if json_path is not None:
        record = {"law": law, "parameters": chosen.parameters, "given": given, "asymptote": answer}
        write_json({**record, "interval_80": ends}, json_path)
    if json_path != "-":
        click.echo(f"{law} tends to {answer:.6g}{_shown(ends, before=_LINE)}")


@solve.command()
@click.option("--schedule", "name", required=True, metavar="NAME", help="constant, cosine or wsd.")
@click.option("--steps", type=QUANTITY, required=True, metavar="S", help="Optimizer steps, warmup included.")
@click.option("--peak", type=QUANTITY, required=True, metavar="ETA", help="Largest learning rate.")
@click.option("--final", type=float, default=0.1, show_default=True, help="Last rate as a share of the peak.")
@click.option("--warmup", type=int, default=0, show_default=True, help="Steps of linear warmup.")
@click.option("--decay-share", type=float, default=0.1, show_default=True, help="Share of steps in which wsd falls.")
@click.option("--decay", type=float, default=0.999, show_default=True, help="Decay of the annealing area per step.")
@click.option(
    "--points", type=click.IntRange(min=1), default=10, show_default=True, help="Points of the curve to give."
)
@parameter_options
@_JSON
def schedule(
    name: str,
    steps: float,
    peak: float,
    final: float,
    warmup: int,
    decay_share: float,
    decay: float,
    points: int,
    json_path: str | None,
    **options: Any,
) -> None:
    """Give the loss along a learning-rate schedule under the lr_annealing law.

    \b
    Example:
      predictor laws solve schedule --schedule wsd --steps 20k --peak 1e-3 --parameters L0=2.2,A=0.6,alpha=0.5,C=0.4
    """
    import numpy as np

    from predictor.laws.schedules import learning_rates
    from predictor.laws.solve import loss_curve

    parameters = chosen_parameters(get_law("lr_annealing"), options).parameters
    rates = learning_rates(name, int(steps), peak, final=final, warmup=warmup, decay_share=decay_share)
    losses = loss_curve(parameters, rates, decay)
    shown = np.unique(np.linspace(0, rates.size, points + 1)[1:].astype(int)) - 1
    rows = [{"step": int(i) + 1, "learning_rate": float(rates[i]), "loss": float(losses[i])} for i in shown]
    if json_path is not None:
        write_json({"law": "lr_annealing", "parameters": parameters, "schedule": name, "curve": rows}, json_path)
    if json_path != "-":
        click.echo("    step  learning rate    loss")
        for row in rows:
            click.echo(f"{row['step']:8d}  {row['learning_rate']:13.4g}  {row['loss']:6.4f}")


def _number(value: float) -> str:
    return f"{value:.6g} ({format_quantity(value)})" if value >= 1e3 else f"{value:.6g}"


def _shown(ends: tuple[float | None, float | None] | None, before: str = "   ") -> str:
    if ends is None:
        return ""
    low, high = ("out of reach" if one is None else _number(one) for one in ends)
    return f"{before}80 % interval [{low}, {high}]"
