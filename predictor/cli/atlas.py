"""`predictor atlas`: what the shipped atlas knows of common benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.options import TaskList, deliver, json_option
from predictor.errors import UnknownNameError

if TYPE_CHECKING:
    from predictor.forecasting.atlas import Chart, ChartRow


@dataclass(frozen=True)
class AtlasAnswer:
    """The charts with their benchmarks.

    Attributes:
        date: when the atlas was fitted.
        charts: each with its rows.
    """

    date: str
    charts: tuple[tuple[Chart, list[ChartRow]], ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object of `atlas --json`."""
        return {
            "date": self.date,
            "charts": [
                {
                    "name": chart.name,
                    "sources": list(chart.sources),
                    "models": chart.models,
                    "families": list(chart.families),
                    "params": list(chart.params),
                    "tokens": list(chart.tokens),
                    "benchmarks": [row.to_json() for row in rows],
                }
                for chart, rows in self.charts
            ],
        }


@click.command()
@click.option("--tasks", type=TaskList(), metavar="a,b", help="Benchmarks to show (default: all).")
@json_option("Write the charts as JSON")
def command(tasks: tuple[str, ...] | None, json_path: str | None) -> None:
    """Show what public models say of common benchmarks, which forecasts lean on where a table has too few families.

    For each benchmark: the median score over families at several sizes on 1T tokens, and how much families, and models
    of one family, scatter around the trend.

    \b
    Examples:
      predictor atlas
      predictor atlas --tasks mmlu,gsm8k --json -
    """
    from predictor.forecasting.atlas import describe, load_atlas

    atlas = load_atlas()
    charts = []
    for chart in atlas.charts:
        rows = [row for row in describe(chart) if tasks is None or row.task in tasks]
        if rows:
            charts.append((chart, rows))
    known = sorted({one.task for chart in atlas.charts for one in chart.benchmarks})
    for name in tasks or ():
        if name not in known:
            raise UnknownNameError("benchmark", name, known, "the atlas")
    deliver(AtlasAnswer(atlas.date, tuple(charts)), json_path, print_atlas)


def print_atlas(answer: AtlasAnswer) -> None:
    """Print a table for each chart."""
    from rich.table import Table

    from predictor.cli.tables import console
    from predictor.forecasting.atlas.summary import SIZES
    from predictor.quantity import format_quantity

    for chart, rows in answer.charts:
        low, high = (format_quantity(end) for end in chart.params)
        table = Table(
            title=f"{chart.name}: {chart.models} models of {len(chart.families)} families, {low} to {high} parameters, "
            f"fitted {answer.date}",
            title_justify="left",
            box=None,
            pad_edge=False,
            header_style="bold",
        )
        table.add_column("benchmark", overflow="fold")
        table.add_column("metric")
        table.add_column("shots", justify="right")
        for name in (*(format_quantity(size) for size in SIZES), "families ±", "models ±"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in rows:
            scores = ["-" if score is None else f"{100 * score:.1f}" for score in row.scores.values()]
            shots = "" if row.num_fewshot is None else str(row.num_fewshot)
            table.add_row(row.task, row.metric, shots, *scores, f"{100 * row.families:.1f}", f"{100 * row.models:.1f}")
        console().print(table)
        click.echo()
    click.echo("median scores on 1T tokens and standard deviations, in percent; sources: " + _sources(answer))


def _sources(answer: AtlasAnswer) -> str:
    return ", ".join(dict.fromkeys(source for chart, _ in answer.charts for source in chart.sources))
