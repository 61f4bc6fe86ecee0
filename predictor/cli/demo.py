"""`predictor demo`: the main job on the tiny ladder, start to end."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from predictor.cli.options import json_option, write_json
from predictor.errors import ConfigError, EvaluationError
from predictor.quantity import format_quantity

if TYPE_CHECKING:
    from predictor.evaluation import Outcome
    from predictor.forecasting import Forecast


@click.command()
@click.option(
    "--config",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Project with a target whose checkpoints exist (default: the tiny ladder's checkpoints.yaml).",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("demo"),
    show_default=True,
    metavar="DIR",
    help="Folder for the store and the report.",
)
@json_option("Write forecasts and truth as JSON")
def command(config: Path | None, out: Path, json_path: str | None) -> None:
    """Score a ladder of tiny models, forecast a larger one, then score that one and compare.

    Everything is real and offline: the checkpoints in benchmarks/ladder go through lm-evaluation-harness, the forecast
    and its report are made, and the forecast is registered, before the target is scored. A second call scores nothing
    again.

    \b
    Example:
      predictor demo
      predictor demo --out /tmp/demo --json demo.json
    """
    from predictor.cli.console import progress, say
    from predictor.cli.coverage import measure_coverage
    from predictor.cli.registered_tables import resolved_line
    from predictor.cli.resolve import resolve_in
    from predictor.evaluation import evaluate
    from predictor.forecasting import fit_forecaster
    from predictor.project import load_project
    from predictor.report import build_report, fit_loss_laws, write_html
    from predictor.results import read_results

    began = time.monotonic()
    path = config or _shipped_config()
    project = load_project(path)
    target = project.target
    if target is None or target.run is None:
        raise ConfigError(f"{path}: the demo needs a target with a run", "set target.run to the run that is the target")
    out.mkdir(parents=True, exist_ok=True)
    store = out / "store"

    runs = sum(run.role == "ladder" for run in project.runs.values())
    say(f"1. score the ladder: {runs} runs, suite {project.suite}")
    _stop_if_failed(evaluate(project, store=store, roles=("ladder",), progress=progress, tell=say))

    size = f"{format_quantity(target.params)} parameters, {format_quantity(target.tokens)} tokens"
    say(f"2. forecast the target: {size}")
    table = read_results(store)
    report = build_report(
        fit_forecaster(table, family=target.family),
        target.params,
        target.tokens,
        command="predictor demo",
        laws=fit_loss_laws(table, target.family, target.params, target.tokens),
        record=measure_coverage(table, target.family),
    )
    page, forecast = write_html(report, out / "report.html"), report.forecast
    _register(store, forecast, target.run)

    say("3. score the target, which the forecast has not seen")
    _stop_if_failed(evaluate(project, store=store, roles=("target",), progress=progress, tell=say))
    truth = _truth(store, target.run)
    found = resolve_in(project, store)

    seconds = time.monotonic() - began
    if json_path is not None:
        write_json({**forecast.to_json(), "truth": truth, "seconds": round(seconds, 1)}, json_path)
    if json_path == "-":
        return
    from predictor.cli.tables import print_comparison

    print_comparison(forecast, truth)
    for entry, resolution in found.resolutions if found is not None else ():
        click.echo(resolved_line(entry, resolution))
    click.echo(f"\nreport: {page}\nstore:  {store}\ntook {seconds:.0f} s")
    click.echo(_NEXT.format(config=path))


def _register(store: Path, forecast: Forecast, run: str) -> None:
    """Write the forecast down before the target is scored, where that was not done by an earlier call."""
    from predictor.cli.console import say
    from predictor.cli.resolve import read_scores
    from predictor.forecasting.register import read_entries, register

    if read_entries(store).latest_of(forecast) is None:
        entry = register(store, forecast, "demo", run=run, scores=read_scores(store), command="predictor demo")
        say(f"registered as {entry.label}, sha256 {entry.sha256}")


def _shipped_config() -> Path:
    """Find the tiny ladder's project: in this folder, else in the checkout that this package runs from."""
    for folder in (Path(), Path(__file__).parents[2]):
        if (folder / "checkpoints.yaml").exists() and (folder / "benchmarks" / "ladder").exists():
            return folder / "checkpoints.yaml"
    raise ConfigError(
        "the tiny ladder is not here: it lives in the repository, not in the installed package",
        "run the demo in a clone of the repository, or name a project with --config",
    )


def _stop_if_failed(outcome: Outcome) -> None:
    failed = outcome.failed
    if failed:
        key, reason = failed[0]
        raise EvaluationError(
            f"{len(failed)} pairs could not be scored, first {key.run} step {key.step} {key.task}: {reason}",
            "see 'predictor status'",
        )


def _truth(store: Path, run: str) -> dict[str, float]:
    """Read what the target scored at its last checkpoint: `task` -> headline score."""
    from predictor.results.store import Store
    from predictor.results.task_info import describe_tasks

    opened = Store(store)
    frame, _, _ = opened.read_scores(roles=("target",))
    last = frame[(frame["run"] == run) & (frame["tokens"] == frame.loc[frame["run"] == run, "tokens"].max())]
    tasks = describe_tasks(frame, opened.read_tasks(), str(store))
    headline = last[last["metric"] == last["task"].map({name: info.metric for name, info in tasks.items()})]
    return dict(zip(headline["task"].astype(str), headline["value"].astype(float), strict=True))


_NEXT = """
Next, with checkpoints of your own:
  1. copy {config} and describe your runs, their checkpoints and your target (docs/config.md)
  2. predictor evaluate --config checkpoints.yaml --once     score what is there; call it again whenever
  3. predictor forecast --results store/ --params 7B --tokens 300B
  4. predictor report --results store/ --params 7B --tokens 300B --out report.html
  5. predictor forecast ... --register NAME before the run, predictor resolve and record after it (docs/record.md)
Scores you already have: predictor import table scores.csv --run my-run --params 1B --tokens 20B --store store/"""
