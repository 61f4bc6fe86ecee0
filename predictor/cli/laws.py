"""`predictor laws`: the law library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.laws_solve import ASSIGNMENTS, solve
from predictor.cli.options import json_option, results_option, write_json
from predictor.errors import InputError
from predictor.laws import get_law, laws_by_theme

if TYPE_CHECKING:
    from predictor.fitting import LawFit


@click.group(invoke_without_command=True)
@click.pass_context
def command(context: click.Context) -> None:
    """List the law library, explain a law, fit one to a table, or read one backwards.

    \b
    Examples:
      predictor laws
      predictor laws show chinchilla
      predictor laws fit chinchilla --results evals.parquet --task loss:c4_val
      predictor laws solve optimum --published besiroglu --flops 5.76e23
    """
    if context.invoked_subcommand is None:
        from rich.markup import escape
        from rich.table import Table

        from predictor.cli.tables import console

        table = Table(box=None, pad_edge=False, header_style="bold")
        # A formula is folded, a name never: it is there to be copied.
        table.add_column("law", no_wrap=True)
        table.add_column("what it gives", overflow="fold")
        table.add_column("formula", overflow="fold")
        for theme, laws in laws_by_theme().items():
            table.add_row(f"[bold]{theme}[/bold]")
            for law in laws:
                table.add_row(f"  {law.name}", escape(law.title), escape(law.text))
        console().print(table)


@command.command()
@click.argument("law")
def show(law: str) -> None:
    """Explain LAW: formula, inputs, parameters, published values, source.

    \b
    Example:
      predictor laws show chinchilla
    """
    found = get_law(law)
    click.echo(f"{found.name}: {found.title}")
    click.echo(f"  {found.text}")
    click.echo(f"  gives {found.output}")
    click.echo("inputs")
    for one in found.inputs:
        click.echo(f"  {one.name} ({one.unit}): {one.meaning}")
    click.echo("parameters")
    for parameter in found.parameters:
        low, high = parameter.prior
        bounds = f"in [{parameter.lower:g}, {parameter.upper:g}], usually {low:g} to {high:g}"
        click.echo(f"  {parameter.name}: {parameter.meaning}; {bounds}")
    if found.published:
        click.echo("published")
    for name, values in found.published.items():
        click.echo(f"  {name}: {', '.join(f'{key}={value:.12g}' for key, value in values.items())}")
    click.echo(f"source: {found.source}")


@command.command()
@click.argument("law")
@results_option()
@click.option(
    "--task", required=True, metavar="T", help="Benchmark or held-out loss to fit, as arc_easy or loss:c4_val."
)
@click.option("--metric", metavar="M", help="Its metric (default: the headline metric, or the loss).")
@click.option("--loss", metavar="T", help="Loss that a law in loss reads (default: the task's own).")
@click.option("--family", metavar="F", help="Family of runs (default: that with the most runs).")
@click.option(
    "--intervals",
    "kind",
    type=click.Choice(["covariance", "profile", "wild", "runs", "pairs"]),
    default="covariance",
    show_default=True,
    help="Where the intervals come from: the covariance, the profile likelihood, or a bootstrap over runs.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of a bootstrap.")
@click.option("--at", type=ASSIGNMENTS, metavar="a=1,b=2", help="Also predict at these inputs, as params=7B,tokens=1T.")
@json_option("Write the fit as JSON")
def fit(
    law: str,
    results: Path,
    task: str,
    metric: str | None,
    loss: str | None,
    family: str | None,
    kind: str,
    seed: int,
    at: dict[str, float] | None,
    json_path: str | None,
) -> None:
    """Fit LAW to a results table and print its parameters with 95 % intervals, and what the data leave open.

    \b
    Examples:
      predictor laws fit chinchilla --results evals.parquet --task loss:c4_val
      predictor laws fit chinchilla --results evals.parquet --task loss:c4_val --intervals profile
      predictor laws fit chinchilla --results evals.parquet --task loss:c4_val --at params=7B,tokens=1T
      predictor laws fit accuracy_from_loss --results evals.parquet --task hellaswag --loss loss:c4_val
    """
    from predictor.forecast.law_table import fit_law_to_results
    from predictor.results import read_results

    found = fit_law_to_results(get_law(law), read_results(results), task=task, metric=metric, loss=loss, family=family)
    intervals = _intervals(found, kind, seed)
    prediction = None if at is None else _prediction(found, at)
    if json_path is not None:
        record = {**found.to_json(), "intervals": {name: list(ends) for name, ends in intervals.items()}}
        record["interval_source"] = kind
        if prediction is not None:
            record["prediction"] = prediction
        write_json(record, json_path)
    if json_path == "-":
        return
    click.echo(f"{found.law.name}: {found.law.text}")
    for name, value in found.parameters.items():
        low, high = intervals[name]
        open_ended = "  not determined by the data" if name in found.undetermined else ""
        click.echo(f"  {name:8s} {value:12.5g}   [{low:.5g}, {high:.5g}]{open_ended}")
    unit = "relative" if found.law.fit_scale == "log" else "absolute"
    click.echo(f"  {found.observations} observations, residuals {found.residual_sd:.3g} ({unit}, robust)")
    click.echo(
        f"  {found.status}; {100 * found.agreement:.0f} % of {found.starts} starts agree; "
        f"condition number {found.condition:.3g}"
    )
    for warning in found.warnings:
        click.echo(f"  warning: {warning}")
    if prediction is not None:
        low, high = prediction["interval_80"]
        click.echo(f"  there {prediction['value']:.5g}, 80 % interval [{low:.5g}, {high:.5g}]")
        click.echo(f"  {prediction['place']}")


def _intervals(fit: LawFit, kind: Any, seed: int) -> dict[str, tuple[float, float]]:
    from predictor.fitting import profile_intervals, resample_fit

    if kind == "covariance":
        return fit.intervals
    if kind == "profile":
        found = profile_intervals(fit).intervals
    else:
        found = resample_fit(fit, resamples=1000, seed=seed, by=kind).intervals()
    # What is open is free along others, which no search from one solution sees in full.
    for name in fit.undetermined:
        ends = (*found[name], *fit.intervals[name])
        found[name] = min(ends), max(ends)
    return found


def _prediction(fit: LawFit, at: dict[str, float]) -> dict[str, Any]:
    import numpy as np

    from predictor.laws import complete_inputs

    inputs = {name: float(value) for name, value in complete_inputs(at).items()}
    if missing := [name for name in fit.law.input_names if name not in inputs]:
        raise InputError(
            f"--at does not give {', '.join(missing)}", f"{fit.law.name} reads {', '.join(fit.law.input_names)}"
        )
    reads = {name: inputs[name] for name in fit.law.input_names}
    value = float(fit.predict({name: np.array([one]) for name, one in reads.items()})[0])
    ends, where = fit.predict_interval(reads), fit.reach(reads)
    if not np.isfinite([value, *ends]).all():
        raise InputError(
            f"the data leave open what {fit.law.name} gives there ({'; '.join(fit.warnings)})", "score more runs"
        )
    return {"inputs": reads, "value": value, "interval_80": list(ends), **where.to_json(), "place": str(where)}


command.add_command(solve)
