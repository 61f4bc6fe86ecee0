"""The pages: each takes the summary and what was asked, and returns a template's content."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import pandas as pd

from predictor.errors import ForecastError, UnknownNameError
from predictor.forecasting import Forecast
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.quantity import format_quantity, parse_quantity
from predictor.report.figures import benchmark_figure, runs_figure
from predictor.report.wording import ends_in_unit, in_unit
from predictor.results.ledger import FAILED
from predictor.results.scales import scale_of
from predictor.results.series import LOSS_PREFIX, main_shots, with_shots
from predictor.serve.compute import Question
from predictor.serve.source import Source
from predictor.serve.summary import Run, Summary

PAGE = 100
_MOST_TEXT = 200


def overview(source: Source) -> dict[str, Any]:
    """List the runs and how far they are."""
    progress = source.progress()
    runs = source.summary.runs()
    failed = {name: states[FAILED] for name, states in progress.by_run.items()}
    lines = [{**asdict(run), "share": _share(run), "failed": failed.get(run.run, 0)} for run in runs]
    return {"runs": lines, "progress": progress, "families": sorted({run.family for run in runs})}


def run_page(summary: Summary, name: str, page: int) -> dict[str, Any]:
    """Show a run's checkpoints, latest first, with every score.

    Raises:
        UnknownNameError: no such run.
    """
    run = run_of(summary, name)
    place = (run.run, run.family)
    pages = max(1, math.ceil(run.checkpoints / PAGE))
    page = min(max(page, 1), pages)
    checkpoints = summary.rows(
        "SELECT tokens, max(step) FROM scores WHERE run = ? AND family = ? GROUP BY tokens ORDER BY tokens DESC "
        "LIMIT ? OFFSET ?",
        *(*place, PAGE, (page - 1) * PAGE),
    )
    series = summary.rows(
        "SELECT DISTINCT task, shots FROM scores WHERE run = ? AND family = ? ORDER BY task LIKE 'loss:%', task, shots",
        *place,
    )
    columns = _labels(series)
    metrics = _metrics(summary)
    # The newest and the oldest of the page bound what has to be read.
    values = {
        (tokens, task, shots): value
        for tokens, task, shots, value in summary.rows(
            "SELECT tokens, task, shots, value FROM scores WHERE run = ? AND family = ? AND tokens BETWEEN ? AND ?",
            *(*place, checkpoints[-1][0], checkpoints[0][0]),
        )
    }
    lines = [
        {
            "tokens": tokens,
            "step": step,
            "scores": [_cell(task, metrics.get(task, ""), values.get((tokens, task, shots))) for task, shots in series],
        }
        for tokens, step in checkpoints
    ]
    shown = {"run": asdict(run), "share": _share(run), "columns": columns}
    return {**shown, "lines": lines, "page": page, "pages": pages}


def run_of(summary: Summary, name: str) -> Run:
    """Look up a run by its label.

    Raises:
        UnknownNameError: there is none.
    """
    runs = {run.label: run for run in summary.runs()}
    if name not in runs:
        raise UnknownNameError("run", name, runs, "these results")
    return runs[name]


def _labels(series: Sequence[tuple[str, int | None]]) -> list[str]:
    """Name the columns: the task, with the few-shot count where a task has several."""
    several = {task for task, count in Counter(task for task, _ in series).items() if count > 1}
    return [f"{task} {shots}-shot" if task in several and shots is not None else task for task, shots in series]


def task_page(summary: Summary, name: str, family: str | None) -> dict[str, Any]:
    """Draw one benchmark along training, a line per run.

    Raises:
        UnknownNameError: no such benchmark or family.
    """
    families = [
        found for (found,) in summary.rows("SELECT DISTINCT family FROM scores WHERE task = ? ORDER BY 1", name)
    ]
    if not families:
        raise UnknownNameError("benchmark", name, summary.tasks(), "these results")
    if family and family not in families:
        raise UnknownNameError("family", family, families, "these results")
    chosen = family or families[0]
    columns = ["run", "params", "tokens", "num_fewshot", "metric", "value"]
    found = summary.rows(
        "SELECT run, params, tokens, shots, metric, value FROM scores WHERE task = ? AND family = ?", name, chosen
    )
    rows = pd.DataFrame(found, columns=columns)
    labels = {run.run: run.label for run in summary.runs() if run.family == chosen}
    rows["run"] = rows["run"].map(labels)
    # One line per run, so one number of examples.
    shots = main_shots(rows)
    rows = with_shots(rows, shots)
    known = summary.rows("SELECT chance FROM tasks WHERE task = ?", name)
    chance = known[0][0] if known else None
    metric = str(rows["metric"].iloc[0])
    last = rows.sort_values("tokens").groupby("run").tail(1).sort_values(["params", "tokens"])
    lines = [
        {**row, "shown": _cell(name, metric, row["value"])}
        for row in last[["run", "params", "tokens", "value"]].to_dict("records")
    ]
    return {
        "task": name,
        "metric": metric,
        "shots": shots,
        "chance": chance,
        "family": chosen,
        "families": families,
        "lines": lines,
        "sizes": [format_quantity(size) for size in sorted(last["params"].unique())],
        "figures": {"curve": runs_figure(rows, chance, _unit(name, metric, rows["value"]))},
    }


def forecast_page(source: Source, asked: Mapping[str, str], client: str) -> dict[str, Any]:
    """Forecast the target that was typed into the form.

    Args:
        source: the results.
        asked: what was typed.
        client: who asks.

    Raises:
        BusyError: too much is asked for.
        PredictorError: what was typed is no target, or the family carries no forecast.
    """
    counts = Counter(run.family for run in source.summary.runs())
    if not counts:
        raise ForecastError("no scores have been read yet", "wait a moment")
    families = sorted(counts)
    content: dict[str, Any] = {
        "families": families,
        "tasks": source.summary.tasks(),
        "asked": {"params": "", "tokens": "", "task": "", **asked},
        "answer": None,
        "working": False,
    }
    family = asked.get("family") or max(families, key=lambda name: counts[name])
    if family not in families:
        raise UnknownNameError("family", family, families, "these results")
    content["family"] = family
    if not asked.get("params") and not asked.get("tokens"):
        source.prepare(family)
        return content
    params = parse_quantity(asked.get("params", "")[:_MOST_TEXT], "parameters")
    tokens = parse_quantity(asked.get("tokens", "")[:_MOST_TEXT], "tokens")
    found = source.answer(Question(family, params, tokens), client)
    if found is None:
        return {**content, "working": True}
    task = asked.get("task", "")
    names = [forecast.task for forecast in found.forecast.forecasts]
    if task and task not in names:
        raise UnknownNameError("benchmark", task, names, f"what can be forecast of {family}")
    drawn = source.answer(Question(family, params, tokens, curves=True), client) if task else None
    figures = {}
    if drawn is not None and drawn.curves is not None:
        found = drawn
        place = [forecast.task for forecast in found.forecast.forecasts].index(task)
        chosen, target = found.forecast.forecasts[place], found.forecast.target
        figures["forecast"] = benchmark_figure(found.panel, found.rows[place], chosen, drawn.curves[place], target)
    answer = {
        "lines": _forecast_lines(found.forecast, task),
        "target": found.forecast.target,
        "ratio": found.forecast.record["compute_ratio"],
    }
    working = bool(task) and drawn is None
    return {**content, "answer": answer, "figures": figures, "task": task, "working": working}


def _forecast_lines(forecast: Forecast, task: str) -> list[dict[str, Any]]:
    """Give a line of the table for each benchmark, the best grades first; of one task alone where it is named."""
    return [
        {
            "task": one.task,
            "shots": one.num_fewshot,
            "metric": one.metric,
            "grade": one.grade,
            "why": one.why,
            "firm": one.grade != NOT_FORECASTABLE,
            "median": in_unit(one, one.median),
            "eighty": ends_in_unit(one, "80"),
            "ninety_five": ends_in_unit(one, "95"),
            "largest": in_unit(one, one.largest) if one.largest is not None else "–",
        }
        for one in sorted(forecast.forecasts, key=lambda one: (one.grade, one.task))
        if not task or one.task == task
    ]


def _metrics(summary: Summary) -> dict[str, str]:
    """Read the headline metric of each benchmark."""
    return dict(summary.rows("SELECT task, metric FROM tasks"))


def _cell(task: str, metric: str, value: float | None) -> str:
    """Write a score: losses as they are, shares in percent, other metrics in their unit."""
    if value is None:
        return ""
    if task.startswith(LOSS_PREFIX):
        return f"{value:.3f}"
    scale, _ = scale_of(task, metric, value, value)
    return f"{value:.4g}" if scale is None else scale.write(value)


def _unit(task: str, metric: str, values: pd.Series) -> str:
    """Name the axis of a benchmark; empty for shares, which are drawn in percent."""
    if task.startswith(LOSS_PREFIX):
        return "loss"
    scale, _ = scale_of(task, metric, float(values.min()), float(values.max()))
    return "" if scale is not None and scale.is_share else metric


def _share(run: Run) -> float | None:
    return min(run.tokens / run.planned, 1.0) if run.planned else None
