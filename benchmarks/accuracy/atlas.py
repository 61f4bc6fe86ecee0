"""Fit the benchmark atlas that the package ships, or measure how right it is.

    python benchmarks/accuracy/atlas.py [--testbeds ../shared/testbeds]           # measure, by leaving families out
    python benchmarks/accuracy/atlas.py --write --date 2026-11-28                 # fit anew

Each chart is fitted to the final scores of published runs whose benchmarks were scored in the same way. Measured is
what a user with one model and no other data gets: a chart is fitted without one family at a time, and that family's
larger models are forecast from its smallest one, beside the forecast that nothing changes.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, replace
from pathlib import Path

import click
import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

sys.path.insert(0, str(Path(__file__).parents[2]))
from predictor.forecasting.atlas.charts import FILE, Atlas, Chart, marks_of, save_atlas
from predictor.forecasting.panel import Benchmark, build_panel
from predictor.forecasting.skills import Trend, World, condition, learn, other_families, read_kinship
from predictor.forecasting.skills.process import to_score
from predictor.forecasting.skills.trend import grid_models
from predictor.forecasting.skills.world import PARAMS_ORIGIN, TOKENS_ORIGIN
from predictor.results import Results, read_results

# Points of a chart's grid in size and in data, which reaches beyond its models by so many decades.
_SIZES, _DATA, _MARGIN = 5, 4, 0.3
_FEWEST_MODELS = 12


@dataclass(frozen=True)
class Source:
    """A testbed, its public repository, and which of its benchmarks a chart takes."""

    folder: str
    repository: str
    tasks: tuple[str, ...]
    shots: int | None = None


LEADERBOARDS = (
    *("arc_challenge", "gsm8k", "hellaswag", "mmlu", "truthfulqa_mc2", "winogrande", "humaneval", "xwinograd"),
    *(f"leaderboard_{name}" for name in ("bbh", "gpqa", "ifeval", "math_hard", "mmlu_pro", "musr")),
)
COMMON = (
    *("arc_challenge", "arc_easy", "boolq", "commonsense_qa", "copa", "hellaswag", "lambada_openai", "logiqa", "mmlu"),
    *("openbookqa", "piqa", "sciq", "social_iqa", "winogrande"),
)
EMERGENCE = (
    *("abstract_narrative_understanding", "analogical_similarity", "arc", "arithmetic", "conceptual_combinations"),
    *("hellaswag", "hindu_knowledge", "mmlu", "parsinlu_qa_mc"),
)
CHARTS: dict[str, tuple[Source, ...]] = {
    "open-llm-leaderboard": (Source("reference_families", "github.com/felipemaiapolo/sloth", LEADERBOARDS),),
    "small-models": (
        Source("pythia", "github.com/EleutherAI/pythia", COMMON, 0),
        Source("gemstones", "github.com/mcleish7/gemstone-scaling-laws", COMMON, 0),
        Source("bigscience_1b3", "github.com/bigscience-workshop/bigscience", COMMON, 0),
        Source("open_sci_ref", "github.com/OpenEuroLLM/notebooks", COMMON),
    ),
    "few-shot-emergence": (Source("exp_emergence", "github.com/tony10101105/ExpEmergence", EMERGENCE),),
}


def read_source(source: Source, testbeds: Path) -> Results:
    """Read a source's benchmarks by their headline metrics."""
    results = read_results(testbeds / source.folder)
    evals = results.evals[results.evals["task"].isin(source.tasks)]
    evals = evals[evals["metric"] == evals["task"].map({name: info.metric for name, info in results.tasks.items()})]
    if source.shots is not None:
        evals = evals[evals["num_fewshot"] == source.shots]
    return replace(results, evals=evals, tasks={name: results.tasks[name] for name in evals["task"].unique()})


def collect(sources: tuple[Source, ...], testbeds: Path) -> tuple[tuple[Benchmark, ...], World]:
    """Return the benchmarks that enough models of a chart were scored on, and the models' final scores."""
    read = [read_source(source, testbeds) for source in sources]
    panels = []
    for results in read:
        everyone = results.evals.assign(run=results.evals["family"] + "/" + results.evals["run"], family="all")
        panels.append(build_panel(replace(results, evals=everyone), "all", fewest_computes=1))
    found = {benchmark.key: benchmark for panel in panels for benchmark in panel.series}
    benchmarks = tuple(found[key] for key in sorted(found, key=lambda key: key.columns))
    world = None
    for results in read:
        kinship = read_kinship(results.path, results.families())
        part = other_families(results, "", benchmarks, kinship)
        world = part if world is None else world.join(part)
    assert world is not None
    enough = np.flatnonzero(np.isfinite(world.score).sum(axis=0) >= _FEWEST_MODELS)
    world = world.benchmarks(enough)
    scored = np.flatnonzero(np.isfinite(world.score).any(axis=1))
    return tuple(benchmarks[place] for place in enough), world.take(scored)


def fit_chart(name: str, sources: tuple[Source, ...], benchmarks: tuple[Benchmark, ...], world: World) -> Chart:
    """Fit a chart to a world of models."""
    covariance = learn(world)
    known = world.models.take(np.flatnonzero(world.models.unknown == 0))
    axes = [
        np.linspace(values.min() - _MARGIN, values.max() + _MARGIN, count)
        for values, count in ((known.size, _SIZES), (known.data, _DATA))
    ]
    size, data = (grid.ravel() for grid in np.meshgrid(*axes, indexing="ij"))
    mean, error = condition(covariance, world).population(grid_models(size, data))
    return Chart(
        name=name,
        sources=tuple(source.repository for source in sources),
        models=len(world.models),
        families=tuple(sorted(set(map(str, world.models.family)))),
        params=_range(PARAMS_ORIGIN * 10.0**known.size),
        tokens=_range(TOKENS_ORIGIN * 10.0**known.data),
        benchmarks=benchmarks,
        covariance=covariance,
        trend=Trend(size, data, mean, error),
        known=marks_of(benchmarks, world),
    )


def _range(values: np.ndarray) -> tuple[float, float]:
    return float(values.min()), float(values.max())


def leave_families_out(name: str, sources: tuple[Source, ...], testbeds: Path) -> pd.DataFrame:
    """Forecast the larger models of each family from its smallest one and a chart that has not seen its base."""
    benchmarks, world = collect(sources, testbeds)
    rows = []
    for base in sorted(set(map(str, world.models.base))):
        out = world.models.base == base
        chart = None
        for family in sorted(set(map(str, world.models.family[out]))):
            own = np.flatnonzero((world.models.family == family) & (world.models.unknown == 0))
            own = own[np.lexsort((world.models.data[own], world.models.size[own]))]
            targets = own[world.models.size[own] > world.models.size[own[0]] + 0.05] if own.size else own
            if not targets.size:
                continue
            chart = chart or fit_chart(name, sources, benchmarks, world.take(np.flatnonzero(~out)))
            kept = world.take(own[:1])
            mean, error = condition(chart.covariance, kept, chart.trend).predict(world.models.take(targets))
            spread = np.sqrt(np.diag(error)).reshape(mean.shape)
            for place, target in enumerate(targets):
                for row, one in enumerate(benchmarks):
                    truth, before = world.score[target, row], kept.score[0, row]
                    if not np.isfinite(truth) or not np.isfinite(before):
                        continue
                    chance = world.chance[row]
                    low, middle, high = (
                        float(to_score(mean[place, row] + step * spread[place, row], chance))
                        for step in (-1.2816, 0.0, 1.2816)
                    )
                    noise = 1.2816 * world.stderr[target, row]
                    low, high = middle - np.hypot(middle - low, noise), middle + np.hypot(high - middle, noise)
                    rows.append((family, one.label, truth, middle, before, low, high))
    return pd.DataFrame(rows, columns=["family", "benchmark", "truth", "atlas", "last_value", "low", "high"])


def show(measured: dict[str, pd.DataFrame]) -> None:
    """Print one row per chart, means over families."""
    table = Table(title="one model and the atlas, by leaving families out", title_justify="left", box=None)
    for column in ("chart", "families", "scores", "atlas", "last_value", "in 80%", "width 80%"):
        table.add_column(column, justify="left" if column == "chart" else "right")
    for name, rows in measured.items():
        miss = {
            way: 100 * (rows[way] - rows["truth"]).abs().groupby(rows["family"]).mean().mean()
            for way in ("atlas", "last_value")
        }
        inside = rows["truth"].between(rows["low"], rows["high"]).groupby(rows["family"]).mean().mean()
        width = 100 * (rows["high"] - rows["low"]).groupby(rows["family"]).mean().mean()
        families = rows["family"].nunique()
        numbers = [f"{miss['atlas']:.2f}", f"{miss['last_value']:.2f}", f"{100 * inside:.0f}%", f"{width:.1f}"]
        table.add_row(name, str(families), str(len(rows)), *numbers)
    Console(width=100).print(table)


@click.command()
@click.option("--testbeds", type=click.Path(path_type=Path, exists=True), default=Path("../shared/testbeds"))
@click.option("--chart", "names", multiple=True, type=click.Choice(list(CHARTS)), help="Repeatable (default: all).")
@click.option("--write", is_flag=True, help="Fit all charts and write them into the package.")
@click.option("--date", help="Date of the fit, which is stored with it.")
def main(testbeds: Path, names: tuple[str, ...], write: bool, date: str | None) -> None:
    """Fit the benchmark atlas, or measure it."""
    began = time.process_time()
    if write:
        if not date:
            raise click.UsageError("--write needs --date")
        charts = [fit_chart(name, sources, *collect(sources, testbeds)) for name, sources in CHARTS.items()]
        save_atlas(Atlas(date, tuple(charts)))
        Console(stderr=True).print(f"{FILE.name}: {FILE.stat().st_size / 1e3:.0f} kB, {len(charts)} charts")
        return
    show({name: leave_families_out(name, CHARTS[name], testbeds) for name in names or CHARTS})
    Console(stderr=True).print(f"{time.process_time() - began:.0f} s of processor time")


if __name__ == "__main__":
    main()
