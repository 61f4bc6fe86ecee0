"""What the whole forecaster would have said of runs it has not seen: weights, intervals and grades included.

The backtest inside a forecaster (`backtest`) chooses weights and widths, so its own errors flatter it. Here runs are
taken out of the table before anything is fitted, that backtest too, and only then forecast.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from predictor import __version__
from predictor.errors import ForecastError
from predictor.forecasting.backtest import FEWEST_RUNS, run_order
from predictor.forecasting.forecaster import RESAMPLES, fit_forecaster
from predictor.forecasting.frames import TrackRecordFrame
from predictor.forecasting.mean import MeanForecast, SharedErrors, mean_over
from predictor.forecasting.methods import METHODS
from predictor.forecasting.panel import Panel, build_panel, choose_family
from predictor.forecasting.target import TaskForecast
from predictor.progress import Progress, opened
from predictor.results import Results

COMBINATION = "combination"
# Shares of the runs, those of most compute, that are held out in turn; beside them, the largest run alone.
HELD_OUT_SHARES = (0.1, 0.25, 0.5)
# Upper ends of the bands of distance: compute of the held-out run over that of the largest fitted one.
DISTANCES = (2.0, 5.0, 10.0, 30.0, 100.0)
LEVELS = ("80", "95")


@dataclass(frozen=True)
class HeldOutForecast:
    """One forecast beside what was measured.

    Attributes:
        hold_out: number of runs that were left out together.
        run: the run that was forecast.
        ratio: its compute over that of the largest fitted run.
        truth: its score, as the forecaster would read it from the table, in the metric's unit as the forecast.
        stderr: standard error of that score by its items and checkpoints.
        forecast: made without it.
        shared: how the errors of the forecasts of this run move together, as seen without it.
    """

    hold_out: int
    run: str
    ratio: float
    truth: float
    stderr: float
    forecast: TaskForecast
    shared: SharedErrors = field(default_factory=SharedErrors)

    @property
    def noise_floor(self) -> float:
        """Expected absolute error of a perfect forecast: the mean of a half-normal, sqrt(2/pi) standard errors."""
        return float(np.sqrt(2 / np.pi) * self.stderr)

    def as_share(self) -> HeldOutForecast:
        """Return the same in shares, so that errors on different benchmarks can be averaged."""
        scale = self.forecast.scale
        if scale.is_share:
            return self
        error = float(scale.error_to_share(self.stderr, self.truth))
        return replace(self, truth=float(scale.to_share(self.truth)), stderr=error, forecast=self.forecast.as_share())

    def inside(self, level: str) -> bool:
        """Return whether the interval of a level holds the truth."""
        low, high = self.forecast.intervals[level]
        return low <= self.truth <= high

    def to_json(self) -> dict[str, Any]:
        """Return one row of `backtest --json`."""
        one = self.forecast
        return {
            "hold_out": self.hold_out,
            "run": self.run,
            "task": one.task,
            "metric": one.metric,
            "num_fewshot": one.num_fewshot,
            "ratio": self.ratio,
            "forecast": one.median,
            "truth": self.truth,
            "noise_floor": self.noise_floor,
            "intervals": {level: list(one.intervals[level]) for level in LEVELS},
            "inside": {level: self.inside(level) for level in LEVELS},
            "grade": one.grade,
            "by_method": one.by_method,
        }


@dataclass(frozen=True)
class HeldOutMean:
    """The forecast of a held-out run's mean over benchmarks beside what was measured.

    Attributes:
        hold_out: number of runs that were left out together.
        run: the run that was forecast.
        ratio: its compute over that of the largest fitted run.
        truth: its mean score over the benchmarks that could be forecast and were measured.
        forecast: made without it.
    """

    hold_out: int
    run: str
    ratio: float
    truth: float
    forecast: MeanForecast

    def inside(self, level: str) -> bool:
        """Return whether the interval of a level holds the truth."""
        low, high = self.forecast.intervals[level]
        return low <= self.truth <= high

    def to_json(self) -> dict[str, Any]:
        """Return one row of `means` in `backtest --json`."""
        return {
            "hold_out": self.hold_out,
            "run": self.run,
            "benchmarks": len(self.forecast.series),
            "ratio": self.ratio,
            "forecast": self.forecast.median,
            "truth": self.truth,
            "unchanged": self.forecast.largest,
            "intervals": {level: list(ends) for level, ends in self.forecast.intervals.items()},
            "inside": {level: self.inside(level) for level in LEVELS},
            "correlation": self.forecast.shared.correlation,
        }


def means_of(forecasts: Iterable[HeldOutForecast]) -> list[HeldOutMean]:
    """Forecast the mean score of each held-out run of which at least two benchmarks were forecast and measured."""
    by_run: dict[tuple[int, str], list[HeldOutForecast]] = {}
    for held_out in forecasts:
        by_run.setdefault((held_out.hold_out, held_out.run), []).append(held_out)
    means = []
    for (count, run), own in by_run.items():
        mean = mean_over([held_out.forecast for held_out in own], own[0].shared)
        if mean is not None:
            measured = {held_out.forecast.series: held_out.truth for held_out in own}
            truth = float(np.mean([measured[series] for series in mean.series]))
            means.append(HeldOutMean(count, run, own[0].ratio, truth, mean))
    return means


@dataclass(frozen=True, repr=False)
class TrackRecord(TrackRecordFrame):
    """All held-out forecasts of one family.

    Attributes:
        family: its name.
        forecasts: one per (hold-out, run, task, number of few-shot examples).
        record: version, seed, hashes of the inputs, the runs of each hold-out, notes.
    """

    family: str
    forecasts: tuple[HeldOutForecast, ...]
    record: dict[str, Any]

    def frame(self) -> pd.DataFrame:
        """Return absolute errors in shares, one row per forecast, with a column for each method (NaN where it refused).

        Columns: hold_out, run, task, num_fewshot, grade, ratio, band, noise_floor, inside80, inside95, width80,
        width95, combination, and the methods that forecast anything.
        """
        rows = []
        for one in (held_out.as_share() for held_out in self.forecasts):
            ends = {level: one.forecast.intervals[level] for level in LEVELS}
            rows.append(
                {
                    "hold_out": one.hold_out,
                    "run": one.run,
                    "task": one.forecast.task,
                    "num_fewshot": one.forecast.num_fewshot,
                    "grade": one.forecast.grade,
                    "ratio": one.ratio,
                    "band": band(one.ratio),
                    "noise_floor": one.noise_floor,
                    **{f"inside{level}": one.inside(level) for level in LEVELS},
                    **{f"width{level}": ends[level][1] - ends[level][0] for level in LEVELS},
                    COMBINATION: abs(one.forecast.median - one.truth),
                    **{name: abs(value - one.truth) for name, value in one.forecast.by_method.items()},
                }
            )
        return pd.DataFrame(rows)

    def methods(self) -> list[str]:
        """Name the combination and the methods that forecast anything, in the order of the library."""
        used = {name for one in self.forecasts for name in one.forecast.by_method}
        return [COMBINATION, *(name for name in METHODS if name in used)]

    def by_distance(self) -> list[dict[str, Any]]:
        """Summarise by band of distance, nearest first, and over all of them (`band` is then `all`)."""
        frame = self.frame()
        bands = [(label, frame[frame["band"] == label]) for label in BANDS]
        return [self._summary({"band": label}, rows) for label, rows in [*bands, ("all", frame)] if len(rows)]

    def by_task(self) -> list[dict[str, Any]]:
        """Summarise by benchmark, with the number of forecasts of each grade."""
        frame = self.frame()
        measured = [held_out.forecast.series for held_out in self.forecasts]
        answers = []
        for series in dict.fromkeys(measured):
            rows = frame[[row_series == series for row_series in measured]]
            grades = {str(letter): int(n) for letter, n in rows["grade"].value_counts().sort_index().items()}
            named = {"task": series.task, "num_fewshot": series.num_fewshot}
            answers.append({**self._summary(named, rows), "grades": grades})
        return answers

    def of_means(self) -> dict[str, Any] | None:
        """Summarise the forecasts of held-out runs' means over benchmarks; None where there are none.

        Errors and widths are shares. `error_unchanged` is that of taking the largest fitted run's mean as it is.
        """
        means = means_of(self.forecasts)
        if not means:
            return None
        widths = {
            level: [mean.forecast.intervals[level][1] - mean.forecast.intervals[level][0] for mean in means]
            for level in LEVELS
        }
        unchanged = [abs(mean.forecast.largest - mean.truth) for mean in means if mean.forecast.largest is not None]
        return {
            "forecasts": len(means),
            "error": float(np.mean([abs(mean.forecast.median - mean.truth) for mean in means])),
            "error_unchanged": float(np.mean(unchanged)) if unchanged else None,
            "coverage": {level: float(np.mean([mean.inside(level) for mean in means])) for level in LEVELS},
            "width": {level: float(np.mean(widths[level])) for level in LEVELS},
        }

    def to_json(self) -> dict[str, Any]:
        """Return the object of `backtest --json`; errors, floors and widths are shares."""
        return {
            "family": self.family,
            "summary": {"by_distance": self.by_distance(), "by_task": self.by_task(), "mean": self.of_means()},
            "forecasts": [one.to_json() for one in self.forecasts],
            "means": [mean.to_json() for mean in means_of(self.forecasts)],
            "record": self.record,
        }

    def _summary(self, key: Mapping[str, Any], rows: pd.DataFrame) -> dict[str, Any]:
        return {
            **key,
            "forecasts": len(rows),
            "noise_floor": float(rows["noise_floor"].mean()),
            "coverage": {level: float(rows[f"inside{level}"].mean()) for level in LEVELS},
            "width": {level: float(rows[f"width{level}"].mean()) for level in LEVELS},
            "errors": {
                name: {"mean": float(rows[name].mean()), "forecasts": int(rows[name].notna().sum())}
                for name in self.methods()
                if rows[name].notna().any()
            },
        }


def band(ratio: float) -> str:
    """Name the band of distance that a ratio of compute lies in, as `up to 5x`."""
    return BANDS[int(np.searchsorted(DISTANCES, ratio))]


BANDS = (*(f"up to {limit:.0f}x" for limit in DISTANCES), f"over {DISTANCES[-1]:.0f}x")


def choose_hold_outs(panel: Panel, count: int | None = None) -> list[tuple[str, ...]]:
    """Name the runs that each hold-out leaves out, those of most compute, the fewest first.

    Args:
        panel: the family's observations.
        count: hold out this many; the largest one, about a tenth, a quarter and half of the runs where None.

    Raises:
        ForecastError: fewer than three runs would remain.
    """
    runs = len(panel.runs)
    counts = {1, *(round(share * runs) for share in HELD_OUT_SHARES)} - {0} if count is None else {count}
    possible = sorted(one for one in counts if one <= runs - FEWEST_RUNS)
    if not possible:
        most = runs - FEWEST_RUNS
        raise ForecastError(
            f"family {panel.family} has {runs} runs: holding out {min(counts)} leaves {max(runs - min(counts), 0)}, "
            f"and {FEWEST_RUNS} are needed to forecast from",
            f"hold out at most {most}" if most > 0 else "score more runs or name another --family",
        )
    return [tuple(panel.runs[number] for number in run_order(panel)[runs - one :]) for one in possible]


def without_held_out(results: Results, panel: Panel, held: Sequence[str]) -> Results:
    """Take runs of a family out of a table, as if its largest had not been trained yet.

    Other families are cut too, so that they reach no further beyond the family than they do in the whole table: what a
    sibling of the same sizes scored would give the answer away.
    """
    evals = results.evals
    own = (evals["family"] == panel.family).to_numpy()
    out = own & evals["run"].isin(held).to_numpy()
    if not own.all() and not out[own].all():
        size = evals["params"].to_numpy(float)
        for scale in (size, size * evals["tokens"].to_numpy(float)):
            out |= ~own & (scale > 1.01 * scale[own & ~out].max() * scale[~own].max() / scale[own].max())
    return replace(results, evals=evals[~out])


def forecast_held_out(
    results: Results,
    panel: Panel,
    held: Sequence[str],
    *,
    tasks: Iterable[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[HeldOutForecast]:
    """Forecast the last checkpoint of each held-out run from the other runs alone.

    Args:
        results: all scores.
        panel: the family's observations with the held-out runs, for the truth.
        held: names of the runs to leave out.
        tasks: benchmarks to forecast; all where None.
        seed: of the resampling.
        resamples: as of `fit_forecaster`.

    Raises:
        ForecastError: the remaining runs carry no forecast.
    """
    left = without_held_out(results, panel, held)
    forecaster = fit_forecaster(left, family=panel.family, tasks=tasks, seed=seed, resamples=resamples)
    position = {series.key: row for row, series in enumerate(panel.series)}
    answers = []
    for run in held:
        for last, ended in panel.last_scored(panel.runs.index(run)).items():
            answer = forecaster.predict(panel.params[last], panel.tokens[last])
            ratio = float(answer.record["compute_ratio"])
            shared = SharedErrors.in_record(answer.record)
            for forecast in answer.forecasts:
                if (row := position[forecast.series]) in ended:
                    truth, stderr = (float(values[last]) for values in panel.own_values(row))
                    answers.append(HeldOutForecast(len(held), run, ratio, truth, stderr, forecast, shared))
    return answers


def track_record(
    results: Results,
    *,
    family: str | None = None,
    tasks: Iterable[str] | None = None,
    hold_out: int | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> TrackRecord:
    """Hold out the largest runs, several numbers of them in turn, and forecast them from the others.

    Args:
        results: scores of the ladder.
        family: whose runs; the family with the most where None.
        tasks: benchmarks to forecast; all where None.
        hold_out: hold out only this many runs (see `choose_hold_outs`).
        seed: of the resampling.
        resamples: as of `fit_forecaster`.
        progress: opened with the number of hold-outs; gives what is called with a line after each.

    Raises:
        UnknownNameError: a family or task that is not there.
        ForecastError: too few runs remain, or no held-out run was scored on the benchmarks asked for.
    """
    wanted = None if tasks is None else [results.task(name).task for name in tasks]
    chosen, note = choose_family(results, family)
    panel = build_panel(results, chosen)
    hold_outs = choose_hold_outs(panel, hold_out)
    forecasts: list[HeldOutForecast] = []
    notes = [*results.notes, *([note] if note else [])]
    with opened(progress, len(hold_outs)) as done:
        for held in hold_outs:
            try:
                answers = forecast_held_out(results, panel, held, tasks=wanted, seed=seed, resamples=resamples)
            except ForecastError as error:
                if len(hold_outs) == 1:
                    raise
                notes.append(f"nothing could be forecast without the {len(held)} largest runs: {error.message}")
                answers = []
            forecasts += answers
            done(f"{len(held)} of {len(panel.runs)} runs held out, {len(answers)} scores forecast")
    if not forecasts:
        raise ForecastError(
            f"no held-out run of family {chosen} of {results.path} has a score that could be forecast",
            "name other --tasks or hold out more runs",
        )
    record = {
        "version": __version__,
        "seed": seed,
        "resamples": resamples,
        "inputs": results.inputs,
        "hold_outs": [sorted(held) for held in hold_outs],
        "notes": notes,
    }
    return TrackRecord(chosen, tuple(forecasts), record)
