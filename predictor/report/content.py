"""What a report says, in the order in which it says it: the forecasts sorted, with everything that belongs to each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from predictor.difficulty import ClusterAnalysis
from predictor.errors import ForecastError
from predictor.forecasting import METHODS, Curve, Forecast, Forecaster, TaskForecast, TrackRecord
from predictor.forecasting.changes import Changes, Move, compare_forecasts
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.forecasting.panel import Panel
from predictor.report.beside import SideBySide, put_side_by_side
from predictor.report.coverage import Held, list_coverage
from predictor.report.distance import compute_ratio
from predictor.report.evidence import (
    COMBINATION,
    Errors,
    HoldOut,
    Run,
    errors_by_method,
    errors_by_series,
    list_hold_outs,
    list_runs,
    rows_by_trust,
    with_combination,
)
from predictor.report.figures import (
    backtest_figure,
    benchmark_figure,
    clusters_figure,
    coverage_figure,
    interval_bar,
    sensitivity_figure,
)
from predictor.report.loss_laws import LossLaw
from predictor.report.sensitivity import FACTORS, forecast_grid
from predictor.report.team import Team
from predictor.report.verdict import Made, Verdict, reach_verdict
from predictor.report.wording import compute, grade_letters, interval, percent, plural, shots, times

# Beginnings of reasons that go on with numbers, and what they have in common.
_ALIKE = {
    "scores differ": "scores differ by no more than their noise",
    "scores follow compute": "scores follow compute no more clearly than their noise does",
}


@dataclass(frozen=True)
class MethodLine:
    """One method's part in a benchmark's forecast: its weight and median, or why it gave none."""

    name: str
    title: str
    weight: float | None
    median: float | None
    refusal: str | None
    backtest: Errors | None


@dataclass(frozen=True)
class Benchmark:
    """One benchmark of the report.

    Attributes:
        anchor: its id in the page.
        forecast: the numbers.
        row: number of its series in the panel.
        curve: the forecast along models from the smallest run to the target.
        firm: whether a forecast is given.
        setting: few-shot count and metric.
        caption: the figure in words.
        bar: its intervals, drawn.
        methods: what went into it.
        combined: the backtest of the combination, or None.
        figure: the plotly figure.
        clusters: a figure of its items' clusters, or None.
        clusters_caption: that figure in words.
    """

    anchor: str
    forecast: TaskForecast
    row: int
    curve: Curve
    firm: bool
    setting: str
    caption: str
    bar: Markup
    methods: tuple[MethodLine, ...]
    combined: Errors | None
    figure: dict[str, Any]
    clusters: dict[str, Any] | None = None
    clusters_caption: str = ""


@dataclass(frozen=True)
class Report:
    """Everything that a page shows.

    Attributes:
        forecast: the target and the record.
        verdict: the first screen.
        made: when and by whom, or None where that is not stated.
        ratio: the target's compute over that of the largest run.
        firm: benchmarks with a forecast, the surest first.
        unsure: those graded F, by name.
        grades: grade -> number of benchmarks.
        reasons: why benchmarks are graded F -> how many.
        runs: what was trained.
        hold_outs: the backtest's hold-outs.
        backtest: heading -> errors of the methods.
        common: what the reasons of all grades A to E begin with, said once instead of in every line.
        tested: forecast against truth of the held-out runs, drawn, or None where none could be held out.
        factors: factors of the target's parameters and tokens of the what-if.
        what_if: by factor of parameters, by factor of tokens, in the order of the page: median and 80% interval.
        sensitivity: the mean over size, length and cost, drawn, or None where there is no mean.
        laws: of the held-out losses; None where nobody asked for them.
        coverage: how often the intervals of whole forecasts held the truth, by distance, all of them last; None where
            that was not measured.
        covered: the same, drawn, or None.
        command: what makes the report again, or empty.
        panel: the observations.
        history: the backtest with the combination, as of `with_combination`.
        others: forecasts of benchmarks whose metrics are no shares, in their own unit.
        changes: what moved since an earlier forecast of the target, or None where none was given.
        beside: other targets beside this one, or None where none was named.
        team: what became of registered forecasts, or None where none was registered.
    """

    forecast: Forecast
    verdict: Verdict
    made: Made | None
    ratio: float
    firm: tuple[Benchmark, ...]
    unsure: tuple[Benchmark, ...]
    grades: dict[str, int]
    reasons: tuple[tuple[str, int], ...]
    runs: tuple[Run, ...]
    hold_outs: tuple[HoldOut, ...]
    backtest: tuple[tuple[str, list[Errors]], ...]
    common: str
    tested: dict[str, Any] | None
    factors: tuple[float, ...]
    what_if: list[list[list[list[float] | None]]]
    sensitivity: dict[str, Any] | None
    laws: tuple[LossLaw, ...] | None
    coverage: tuple[Held, ...] | None
    covered: dict[str, Any] | None
    command: str
    panel: Panel
    history: pd.DataFrame
    others: tuple[TaskForecast, ...] = ()
    changes: Changes | None = None
    beside: SideBySide | None = None
    team: Team | None = None

    def move_of(self, benchmark: Benchmark) -> Move | None:
        """What moved of a benchmark since the earlier forecast, or None where there is none."""
        return None if self.changes is None else self.changes.of(benchmark.forecast.series)

    @property
    def benchmarks(self) -> tuple[Benchmark, ...]:
        """All of them, in the order of the page."""
        return self.firm + self.unsure


def build_report(
    forecaster: Forecaster,
    params: float,
    tokens: float,
    command: str = "",
    clusters: Mapping[str, ClusterAnalysis] | None = None,
    laws: Sequence[LossLaw] | None = None,
    record: TrackRecord | None = None,
    refine: Callable[[Forecast], Forecast] | None = None,
    made: Made | None = None,
    against: Forecast | None = None,
    beside: Sequence[tuple[Forecaster, Forecast]] = (),
) -> Report:
    """Forecast a target and collect what a reader needs to judge it.

    Args:
        forecaster: from `predictor.forecasting.fit_forecaster`.
        params: the target's parameters N, counted as in the results table.
        tokens: its training tokens D.
        command: what a reader can run to make the report again; shown as it is.
        clusters: task -> the clusters of its items, whose curves are drawn beside its forecast.
        laws: of the held-out losses, from `fit_loss_laws`.
        record: whole forecasts of held-out runs, from `predictor.forecasting.track_record`: how often intervals held.
        refine: adds to the forecast, as the mean over a suite or the probability of what is required.
        made: when and by whom the report is made.
        against: an earlier forecast of the target; the report marks what changed since.
        beside: forecasts of other targets, each with what it was made with, shown beside this one.

    Raises:
        ForecastError: no benchmark is scored in percent.
        InputError: the earlier forecast is of another target.
    """
    forecast = forecaster.predict(params, tokens)
    forecast = forecast if refine is None else refine(forecast)
    changes = None if against is None else compare_forecasts(against, forecast)
    side_by_side = put_side_by_side([(forecaster, forecast), *beside]) if beside else None
    others = tuple(found for found in forecast.forecasts if not found.scale.is_share)
    forecaster, forecast = _in_points(forecaster, forecast)
    history = with_combination(forecaster)
    hold_outs = list_hold_outs(history)
    benchmarks, order = _benchmarks(forecaster, forecast, clusters or {}, errors_by_series(history, hold_outs))
    firm, unsure = rows_by_trust(forecaster, forecast)
    backtest = [
        (heading, errors_by_method(history[history["series"].isin(rows)], hold_outs))
        for heading, rows in (("benchmarks graded A to E", firm), ("benchmarks graded F", unsure))
    ]
    coverage = list_coverage(record) if record is not None else None
    grid = forecast_grid(forecaster, forecast)
    tally = Counter(one.grade for one in forecast.forecasts)
    return Report(
        forecast=forecast,
        verdict=reach_verdict(forecaster, forecast, coverage),
        made=made,
        ratio=compute_ratio(forecaster.panel, forecast.target),
        firm=tuple(one for one in benchmarks if one.firm),
        unsure=tuple(one for one in benchmarks if not one.firm),
        grades={letter: tally[letter] for letter in grade_letters()},
        reasons=_reasons(forecast),
        runs=tuple(list_runs(forecaster)),
        hold_outs=tuple(hold_outs),
        backtest=tuple((heading, errors) for heading, errors in backtest if errors),
        common=_common(forecast),
        tested=_tested(forecaster, history, set(firm)),
        factors=FACTORS,
        what_if=[[[cell.forecasts[index] for index in order] for cell in line] for line in grid],
        sensitivity=sensitivity_figure(grid, name_of_mean(forecast)),
        laws=None if laws is None else tuple(laws),
        coverage=coverage,
        # One band alone shows nothing that the table does not.
        covered=coverage_figure(coverage[:-1]) if coverage is not None and len(coverage) > 2 else None,
        command=command,
        panel=forecaster.panel,
        history=history,
        others=others,
        changes=changes,
        beside=side_by_side,
    )


def name_of_mean(forecast: Forecast) -> str:
    """Name what the sensitivity is of, as `mean of 12 benchmarks`."""
    mean = forecast.mean
    return "forecast score" if mean is None else f"{mean.name} of {plural(len(mean.series), 'benchmark')}"


def _in_points(forecaster: Forecaster, forecast: Forecast) -> tuple[Forecaster, Forecast]:
    """Keep the benchmarks whose scores are shares: the page's figures and errors are in points.

    Raises:
        ForecastError: there is none.
    """
    shares = tuple(row for row in forecaster.rows if forecaster.panel.series[row].scale.is_share)
    if shares == forecaster.rows:
        return forecaster, forecast
    if not shares:
        raise ForecastError("no benchmark here is scored in percent, which a report needs", "use 'predictor forecast'")
    kept = tuple(found for found in forecast.forecasts if found.scale.is_share)
    return replace(forecaster, rows=shares), replace(forecast, forecasts=kept)


def _benchmarks(
    forecaster: Forecaster,
    forecast: Forecast,
    items: Mapping[str, ClusterAnalysis],
    errors_of: Mapping[int, list[Errors]],
) -> tuple[list[Benchmark], list[int]]:
    """Collect what belongs to each benchmark.

    Args:
        forecaster: what the forecast was made with.
        forecast: the forecast.
        items: task -> the clusters of its items.
        errors_of: number of a series -> errors of each method on it.

    Returns:
        the benchmarks in the order of the page, and where each stands in the forecast.
    """
    curves = forecaster.curves(forecast.target.params, forecast.target.tokens)
    order = sorted(range(len(curves)), key=lambda i: _place(forecast.forecasts[i]))
    benchmarks = []
    for position, index in enumerate(order):
        one, row = forecast.forecasts[index], forecaster.rows[index]
        errors = errors_of.get(row, [])
        benchmarks.append(
            Benchmark(
                anchor=f"benchmark-{position + 1}",
                forecast=one,
                row=row,
                curve=curves[index],
                firm=one.grade != NOT_FORECASTABLE,
                setting=" · ".join(part for part in (shots(one.num_fewshot), one.metric) if part),
                caption=_caption(forecaster, row, one, forecast),
                bar=interval_bar(one),
                methods=_methods(one, {error.method: error for error in errors}),
                combined=next((error for error in errors if error.method == COMBINATION), None),
                figure=benchmark_figure(forecaster.panel, row, one, curves[index], forecast.target),
                clusters=clusters_figure(items[one.task]) if one.task in items else None,
                clusters_caption=_clusters_caption(items[one.task]) if one.task in items else "",
            )
        )
    return benchmarks, order


def _tested(forecaster: Forecaster, history: pd.DataFrame, firm: set[int]) -> dict[str, Any] | None:
    """Draw the combination's forecasts of held-out runs against the truth; one method alone is its own combination."""
    method = COMBINATION if (history["method"] == COMBINATION).any() else None
    rows = history[history["method"] == method] if method else history
    if rows.empty:
        return None
    labels = [
        f"{run}, {forecaster.panel.series[int(row)].label}"
        for run, row in zip(rows["run"], rows["series"], strict=True)
    ]
    points = rows.assign(label=labels, forecast=rows["truth"] + rows["error"], firm=rows["series"].isin(firm))
    return backtest_figure(points)


def _place(one: TaskForecast) -> tuple[bool, float, str, int, str]:
    """Sort the surest first, by the width of the 80% interval as it is shown; those that cannot be forecast last."""
    firm = one.grade != NOT_FORECASTABLE
    low, high = (round(100 * end, 1) for end in one.intervals["80"])
    width = round(high - low, 1) if firm else 0.0
    return not firm, width, one.task, -1 if one.num_fewshot is None else one.num_fewshot, one.metric


def _methods(one: TaskForecast, errors: dict[str, Errors]) -> tuple[MethodLine, ...]:
    lines = []
    for name, method in METHODS.items():
        if name in one.methods:
            weight, median = one.methods[name], one.by_method.get(name)
            lines.append(MethodLine(name, method.title, weight, median, None, errors.get(name)))
        elif name in one.refused:
            lines.append(MethodLine(name, method.title, None, None, one.refused[name], None))
    return tuple(lines)


def _caption(forecaster: Forecaster, row: int, one: TaskForecast, forecast: Forecast) -> str:
    """Tell a figure in numbers, for readers who cannot see it."""
    panel, target = forecaster.panel, forecast.target
    seen = np.flatnonzero(np.isfinite(panel.score[row]))
    least, most = seen[np.argmin(panel.flops[seen])], seen[np.argmax(panel.flops[seen])]
    eighty, ninety_five = (interval(one.intervals[level]) for level in ("80", "95"))
    if one.grade == NOT_FORECASTABLE:
        told = f"No forecast; the 95% interval would be {ninety_five}"
    else:
        told = f"Forecast {percent(one.median)}, 80% interval {eighty}, 95% interval {ninety_five}"
    runs = np.unique(panel.run[seen]).size
    count = f"{runs} runs" if seen.size == runs else f"{seen.size} checkpoints of {runs} runs"
    ratio = times(target.flops / float(panel.flops.max()))
    text = (
        f"{told}, at {compute(target.flops)} ({ratio} the compute of the largest run). "
        f"{count} go from {percent(panel.score[row, least])} ({panel.runs[panel.run[least]]}) to "
        f"{percent(panel.score[row, most])} ({panel.runs[panel.run[most]]})"
    )
    return f"{text}; chance is {percent(one.chance)}." if one.chance is not None else f"{text}."


def _clusters_caption(found: ClusterAnalysis) -> str:
    """Tell the figure of the clusters in words."""
    tally = Counter({one.verdict: 0 for one in found.clusters})
    for one in found.clusters:
        tally[one.verdict] += one.size
    told = ", ".join(f"{count} items: {verdict}" for verdict, count in tally.most_common())
    return f"Clusters of its items by difficulty, drawn solid where they extrapolate. {told}."


def _reasons(forecast: Forecast) -> tuple[tuple[str, int], ...]:
    """Count why benchmarks are graded F; numbers within a reason are left out so that like meets like."""
    found: Counter[str] = Counter()
    for one in forecast.forecasts:
        if one.grade == NOT_FORECASTABLE:
            reason = one.why.removeprefix("not forecastable: ").split(" (")[0]
            found[next((short for start, short in _ALIKE.items() if reason.startswith(start)), reason)] += 1
    return tuple(sorted(found.items(), key=lambda item: (-item[1], item[0])))


def _common(forecast: Forecast) -> str:
    """Give the clause that all reasons of graded forecasts begin with, or nothing."""
    reasons = [one.why for one in forecast.forecasts if one.grade != NOT_FORECASTABLE]
    clauses = {reason.partition("; ")[0] for reason in reasons if "; " in reason}
    alike = len(reasons) > 1 and len(clauses) == 1 and all("; " in reason for reason in reasons)
    return f"{clauses.pop()}; " if alike else ""
