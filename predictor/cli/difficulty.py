"""`predictor difficulty`: a benchmark's items by how their difficulty scales, and which of them can be forecast."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.cli.options import QUANTITY, json_option, num_fewshot_option, results_option, write_json
from predictor.cli.signal_line import signal_line, signal_of
from predictor.errors import InputError

if TYPE_CHECKING:
    from predictor.difficulty import ClusterAnalysis
    from predictor.results import Results

# As many as a forecast report takes: the ends of a 95% interval then rest on ten draws.
_RESAMPLES = 400


@click.command()
@click.argument("task")
@results_option()
@click.option("--family", metavar="F", help="Family of runs (default: that with the most runs).")
@num_fewshot_option
@click.option(
    "--method",
    type=click.Choice(["mean_shift", "hdbscan", "quantiles"]),
    default="mean_shift",
    show_default=True,
    help="How to cluster.",
)
@click.option("--radius", type=click.FloatRange(min=0, min_open=True), help="Bound on a cluster's radius, in shares.")
@click.option("--least", type=click.IntRange(min=1), help="Least size of a cluster (default: a 25th of the items).")
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Seed of the clustering.")
@click.option("--items", "items_path", metavar="OUT", help="Write the item table, as .parquet or .csv.")
@click.option("--params", type=QUANTITY, metavar="N", help="With --tokens: forecast the score of a model of this size.")
@click.option("--tokens", type=QUANTITY, metavar="D", help="With --params: its training tokens.")
@click.option(
    "--anchors",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="With --params: results with models of other families, as much stronger ones, that answered the same items.",
)
@json_option("Write the clusters as JSON")
def command(
    task: str,
    results: Path,
    family: str | None,
    num_fewshot: int | None,
    method: str,
    radius: float | None,
    least: int | None,
    seed: int,
    items_path: str | None,
    params: float | None,
    tokens: float | None,
    anchors: Path | None,
    json_path: str | None,
) -> None:
    """Cluster the items of TASK by difficulty, and say which clusters a forecast may rest on and why not the others.

    \b
    Examples:
      predictor difficulty arc_easy --results store/
      predictor difficulty hellaswag --results store/ --method quantiles --items items.parquet
      predictor difficulty arc_easy --results store/ --params 7B --tokens 300B --anchors others/
    """
    from predictor.difficulty import analyse, item_table
    from predictor.results import read_results
    from predictor.results.destination import check_destination, check_keeps

    # Said before the work of clustering.
    if items_path is not None:
        check_keeps(check_destination(items_path, "--items"), results, "--items")
    if (params is None) != (tokens is None):
        raise InputError("a forecast needs --params and --tokens", "give both, or neither")
    if anchors is not None and params is None:
        raise InputError("--anchors pin a forecast", "give --params and --tokens, or leave --anchors out")
    loaded = read_results(results)
    table = item_table(loaded, task, family=family, num_fewshot=num_fewshot)
    found = analyse(table, method, radius=radius, least=least, seed=seed)
    judged = signal_of(loaded, task, table.num_fewshot)
    if items_path is not None:
        from predictor.difficulty.listing import write_items

        write_items(found, Path(items_path))
    forecast = None
    if params is not None and tokens is not None:
        forecast = _forecast(found, loaded, params, tokens, anchors, seed)
    if json_path is not None:
        signal = None if judged is None else {"verdict": judged.verdict, "metric": judged.metric}
        write_json({**_as_json(found), "signal": signal, "forecast": forecast}, json_path)
    if json_path != "-":
        _print(found)
        if judged is not None:
            click.echo(signal_line(judged))
        if forecast is not None:
            _print_forecast(forecast)


def _forecast(
    found: ClusterAnalysis, results: Results, params: float, tokens: float, anchors: Path | None, seed: int
) -> dict[str, Any]:
    """Forecast a model's score through the items; anchors pin the map from the predictable ones to the whole."""
    from numpy import quantile

    from predictor.difficulty import fit_through_subset
    from predictor.difficulty.anchors import read_anchors
    from predictor.results import read_results

    pins = None
    if anchors is not None:
        ladder = results.evals.loc[results.evals["run"].isin(found.table.runs), "family"].iloc[0]
        pins = read_anchors(read_results(anchors), found, str(ladder))
        for note in pins.notes:
            click.echo(f"note: {note}", err=True)
    fit = fit_through_subset(
        found.table, _RESAMPLES, seed, analysis=found, anchors=None if pins is None else pins.values
    )
    scores = fit.predict(params, tokens)
    ends = quantile(scores[1:], [0.025, 0.1, 0.9, 0.975]).tolist()
    return {
        "params": params,
        "tokens": tokens,
        "score": float(scores[0]),
        "interval_80": [ends[1], ends[2]],
        "interval_95": [ends[0], ends[3]],
        "predictable_items": int(found.predictable.sum()),
        "anchors": [] if pins is None else list(pins.runs),
    }


def _print_forecast(forecast: dict[str, Any]) -> None:
    from predictor.cli.tables import interval, percent
    from predictor.quantity import format_quantity

    count = forecast["predictable_items"]
    pinned = f", pinned by {len(forecast['anchors'])} anchors" if forecast["anchors"] else ""
    click.echo(
        f"at {format_quantity(forecast['params'])} parameters on {format_quantity(forecast['tokens'])} tokens: "
        f"{percent(forecast['score'])}%, 80% interval {interval(tuple(forecast['interval_80']))}, 95% "
        f"{interval(tuple(forecast['interval_95']))}; through {count} items that extrapolate{pinned}"
    )


def _as_json(found: ClusterAnalysis) -> dict[str, Any]:
    share = found.nuisance.share
    return {
        "task": found.table.task,
        "num_fewshot": found.table.num_fewshot,
        "measure": found.measure,
        "items": int(found.table.item.size),
        "checkpoints": int(found.table.run.size),
        "observations": int(found.observations.size),
        "verdict": found.verdict,
        "shape": {"name": found.whole.shape, "evidence": found.whole.evidence},
        "nuisance": {"pairs": found.nuisance.differences, "first_direction": float(share[0]) if share.size else None},
        "clustering": {"method": found.clustering.method, "least": found.clustering.least},
        "reference_flops": found.reference,
        "clusters": [
            {
                "cluster": one.number,
                "size": one.size,
                "difficulty": one.difficulty,
                "shape": one.shape.shape,
                "evidence": one.shape.evidence,
                "law": one.law,
                "extrapolates": one.kept,
                "verdict": one.verdict,
            }
            for one in found.clusters
        ],
    }


def _print(found: ClusterAnalysis) -> None:
    from rich.table import Table

    from predictor.cli.tables import console

    share = found.nuisance.share
    click.echo(
        f"{found.table.label}: {found.table.item.size} items at {found.table.run.size} checkpoints of "
        f"{len(found.table.runs)} runs, by {found.measure}"
    )
    if share.size:
        click.echo(
            f"one direction over the items explains {share[0]:.0%} of what moves between neighbouring checkpoints; "
            f"{share.size} directions are taken out"
        )
    else:
        click.echo("too few neighbouring checkpoints to tell what they share beside ability; nothing is taken out")
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("cluster", "items", "difficulty", "smallest", "largest"):
        table.add_column(name, justify="right", no_wrap=True)
    for name in ("shape", "law", "verdict"):
        table.add_column(name, overflow="fold")
    third = max(1, found.observations.size // 3)
    order = found.table.flops[found.observations].argsort(kind="stable")
    for one in found.clusters:
        law = "-" if one.law is None else "a {a:.3g}, b {b:.3g}, c {c:.2g}".format(**one.law)
        curve = one.curve[order]
        table.add_row(
            "outliers" if one.number < 0 else str(one.number),
            str(one.size),
            f"{one.difficulty:.2f}",
            f"{curve[:third].mean():.2f}",
            f"{curve[-third:].mean():.2f}",
            one.shape.shape,
            law,
            one.verdict,
        )
    console().print(table)
    click.echo(f"law: g + (1 - g)·exp(-a·x^-b - c), x = FLOPs / {found.reference:.3g}, g = {found.floor:.2f}")
    click.echo(f"the whole task is {found.whole.shape} ({found.whole.evidence})")
    click.echo(found.verdict)
