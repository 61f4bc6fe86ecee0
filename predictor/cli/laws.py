"""`predictor laws`: the law library."""

from __future__ import annotations

from pathlib import Path

import click

from predictor.cli.laws_solve import solve
from predictor.cli.options import results_option, write_json
from predictor.laws import get_law, laws_by_theme


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
@click.option("--json", "json_path", metavar="OUT.json", help="Write the fit as JSON; '-' for standard output.")
def fit(
    law: str, results: Path, task: str, metric: str | None, loss: str | None, family: str | None, json_path: str | None
) -> None:
    """Fit LAW to a results table and print its parameters with 95 % intervals.

    \b
    Examples:
      predictor laws fit chinchilla --results evals.parquet --task loss:c4_val
      predictor laws fit accuracy_from_loss --results evals.parquet --task hellaswag --loss loss:c4_val
    """
    from predictor.forecast.law_table import fit_law_to_results
    from predictor.results import read_results

    found = fit_law_to_results(get_law(law), read_results(results), task=task, metric=metric, loss=loss, family=family)
    if json_path is not None:
        write_json(found.to_json(), json_path)
    if json_path == "-":
        return
    click.echo(f"{found.law.name}: {found.law.text}")
    for name, value in found.parameters.items():
        low, high = found.intervals[name]
        open_ended = "  not determined by the data" if name in found.undetermined else ""
        click.echo(f"  {name:8s} {value:12.5g}   [{low:.5g}, {high:.5g}]{open_ended}")
    unit = "relative" if found.law.fit_scale == "log" else "absolute"
    click.echo(f"  {found.observations} observations, residuals {found.residual_sd:.3g} ({unit}, robust)")
    click.echo(
        f"  {100 * found.agreement:.0f} % of the starts agree" + ("" if found.converged else "; did not converge")
    )


command.add_command(solve)
