"""A report's numbers as CSV tables: one row per fact, shares as they are, others in the unit of their metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from predictor.forecasting import TaskForecast
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.report.content import Benchmark, Report
from predictor.results.csv_text import csv_text
from predictor.results.destination import check_destination, check_folder
from predictor.results.files import write_text_atomically

Row = dict[str, Any]
_ENDS = ((0, "low"), (1, "high"))


def write_tables(report: Report, where: str | Path) -> list[Path]:
    """Write a report's tables: the forecasts alone where the name ends in `.csv`, else all of them into a folder.

    Args:
        report: from `build_report`.
        where: a file, or a folder, which is made where it is missing; the folder it lies in must exist.

    Returns:
        the files, one per table that has rows.

    Raises:
        InputError: nothing can be written there.
    """
    if names_file(where):
        path = check_destination(where, "--csv")
        write_text_atomically(path, _csv(list(_forecasts(report))))
        return [path]
    folder = check_folder(where, "--csv")
    folder.mkdir(exist_ok=True)
    written = []
    for name, rows in TABLES.items():
        path = folder / f"{name}.csv"
        found = list(rows(report))
        if found:
            write_text_atomically(path, _csv(found))
            written.append(path)
    return written


def names_file(where: str | Path) -> bool:
    """Say whether one table is asked for and not a folder of them."""
    return Path(where).suffix.lower() == ".csv" and not Path(where).is_dir()


def _csv(rows: list[Row]) -> str:
    return csv_text(pd.DataFrame(rows), float_format="%.6g")


def _key(one: Benchmark) -> Row:
    return _key_of(one.forecast)


def _key_of(forecast: TaskForecast) -> Row:
    return {"task": forecast.task, "metric": forecast.metric, "num_fewshot": forecast.num_fewshot}


def _forecasts(report: Report) -> Iterator[Row]:
    target = report.forecast.target
    for found in (*(benchmark.forecast for benchmark in report.benchmarks), *report.others):
        firm = found.grade != NOT_FORECASTABLE
        # What cannot be forecast gets no number; what is left open of it is its 95% range.
        low, high = found.intervals["80"] if firm else (None, None)
        yield {
            "family": target.family,
            "params": target.params,
            "tokens": target.tokens,
            **_key_of(found),
            "grade": found.grade,
            "better": found.scale.direction,
            "median": found.median if firm else None,
            "low80": low,
            "high80": high,
            "low95": found.intervals["95"][0],
            "high95": found.intervals["95"][1],
            "chance": found.chance,
            "largest": found.largest,
            "backtest_error": found.backtest_error,
            "why": found.why,
        }


def _mean(report: Report) -> Iterator[Row]:
    mean = report.forecast.mean
    if mean is not None:
        yield {
            "name": mean.name,
            "benchmarks": len(mean.series),
            "median": mean.median,
            **{f"{end}{level}": mean.intervals[level][place] for level in ("80", "95") for place, end in _ENDS},
            "largest": mean.largest,
            "correlation": mean.shared.correlation,
            "left_out": "; ".join(f"{name}: {why}" for name, why in mean.left_out.items()),
        }


def _methods(report: Report) -> Iterator[Row]:
    for one in report.benchmarks:
        for line in one.methods:
            error = line.backtest.overall if line.backtest else None
            numbers = {"weight": line.weight, "median": line.median, "backtest_error": error}
            yield {**_key(one), "method": line.name, **numbers, "refusal": line.refusal}


def _observations(report: Report) -> Iterator[Row]:
    panel = report.panel
    for one in report.benchmarks:
        seen = np.flatnonzero(np.isfinite(panel.score[one.row]))
        for i in seen[np.argsort(panel.flops[seen], kind="stable")]:
            yield {
                **_key(one),
                "run": panel.runs[panel.run[i]],
                "params": panel.params[i],
                "tokens": panel.tokens[i],
                "flops": panel.flops[i],
                "score": panel.score[one.row, i],
                "stderr": panel.stderr[one.row, i],
            }


def _curves(report: Report) -> Iterator[Row]:
    for one in report.benchmarks:
        curve = one.curve
        for flops, median, low, high in zip(curve.flops, curve.median, curve.lower, curve.upper, strict=True):
            yield {
                **_key(one),
                "flops": flops,
                "median": median,
                "low80": low,
                "high80": high,
                "grade": one.forecast.grade,
            }


def _backtest(report: Report) -> Iterator[Row]:
    keys = {one.row: _key(one) for one in report.benchmarks}
    history = report.history.assign(forecast=report.history["truth"] + report.history["error"])
    columns = ["held_out", "run", "ratio", "method", "forecast", "truth", "error"]
    for number, row in zip(history["series"], history[columns].to_dict("records"), strict=True):
        yield {**keys[int(number)], **{str(name): value for name, value in row.items()}}


def _coverage(report: Report) -> Iterator[Row]:
    for one in report.coverage or ():
        yield {
            "distance": one.band,
            "mean_ratio": one.ratio,
            "forecasts": one.forecasts,
            **{f"inside{level}": share for level, share in one.inside.items()},
            **{f"width{level}": width for level, width in one.width.items()},
            "error": one.error,
            "noise_floor": one.noise_floor,
        }


def _what_if(report: Report) -> Iterator[Row]:
    target = report.forecast.target
    for place, one in enumerate(report.benchmarks):
        for size, line in zip(report.factors, report.what_if, strict=True):
            for length, cells in zip(report.factors, line, strict=True):
                numbers = cells[place]
                median, low, high = (None,) * 3 if numbers is None else (round(value / 100, 4) for value in numbers)
                model = {"params": size * target.params, "tokens": length * target.tokens}
                yield {**_key(one), **model, "median": median, "low80": low, "high80": high}


def _changes(report: Report) -> Iterator[Row]:
    yield from report.changes.to_json()["moves"] if report.changes else ()


def _beside(report: Report) -> Iterator[Row]:
    beside = report.beside
    for column in beside.columns if beside else ():
        for answer in column.answers.values():
            firm = column.firm(answer.series)
            low, high = firm.intervals["80"] if firm else (None, None)
            numbers = {"median": firm.median if firm else None, "low80": low, "high80": high}
            yield {"target": column.label, **_key_of(answer), "grade": answer.grade, **numbers}


def _runs(report: Report) -> Iterator[Row]:
    for run in report.runs:
        yield {
            "run": run.name,
            "params": run.params,
            "tokens": run.tokens,
            "flops": run.flops,
            "observations": run.observations,
            "benchmarks": run.benchmarks,
        }


def _loss_laws(report: Report) -> Iterator[Row]:
    for law in report.laws or ():
        if law.intervals is None:
            yield {"task": law.task, "refusal": law.refusal}
            continue
        ends = {
            f"{end}{level}": law.intervals[level][i] for level in law.intervals for i, end in enumerate(("low", "high"))
        }
        fitted = {"law": law.law, "observations": law.observations, "residual_sd": law.residual}
        yield {"task": law.task, **fitted, "loss": law.value, **ends, "note": law.note, "refusal": law.refusal}


def _loss_coefficients(report: Report) -> Iterator[Row]:
    for law in report.laws or ():
        for one in law.coefficients:
            numbers = {"value": one.value, "low95": one.low, "high95": one.high}
            yield {"task": law.task, "law": law.law, "coefficient": one.name, **numbers}


# Name of the file -> its rows.
TABLES: dict[str, Callable[[Report], Iterator[Row]]] = {
    "forecasts": _forecasts,
    "mean": _mean,
    "methods": _methods,
    "observations": _observations,
    "curves": _curves,
    "backtest": _backtest,
    "coverage": _coverage,
    "what_if": _what_if,
    "changes": _changes,
    "beside": _beside,
    "runs": _runs,
    "loss_laws": _loss_laws,
    "loss_coefficients": _loss_coefficients,
}
