"""Fit every method to a family once, then forecast any target from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor import __version__
from predictor.errors import ForecastError, UnknownNameError
from predictor.forecasting.backtest import FEWEST_RUNS, accepted_series, backtest, hold_outs
from predictor.forecasting.combination import Combination
from predictor.forecasting.grade import count_computes, grade, not_forecastable
from predictor.forecasting.intervals import Ends, by_method, distribution
from predictor.forecasting.mean import SharedErrors, forecast_mean
from predictor.forecasting.methods import METHODS, Fitted, NeedsResults, Resampling
from predictor.forecasting.methods.families import FamilyShift, FittedFamilies
from predictor.forecasting.methods.skills import FittedSkills, Skills
from predictor.forecasting.panel import (
    Panel,
    build_panel,
    choose_family,
    full_noise,
    scores_by_run,
)
from predictor.forecasting.target import Curve, Forecast, Target, TaskForecast, check_reach, check_target
from predictor.progress import Progress, opened
from predictor.results import Results
from predictor.results.task_info import listed

Array = NDArray[np.float64]

AUTO = "auto"
SKILLS = Skills().name
RESAMPLES = 100
# Weight from which a method counts when the methods' disagreement is stated.
_HEAVY = 0.05


@dataclass(frozen=True)
class Forecaster:
    """The methods fitted to one family's scores; made by `fit_forecaster`.

    Attributes:
        panel: the observations.
        rows: numbers of the series that are forecast.
        fitted: method -> the numbers of its series and its fit.
        refusals: method -> number of a series -> why it refuses it.
        history: the backtest: forecasts of held-out runs beside the truth.
        combination: what the backtest says of the methods.
        record: version, seed, hashes of the inputs, runs used, notes.
    """

    panel: Panel
    rows: tuple[int, ...]
    fitted: dict[str, tuple[NDArray[np.intp], Fitted]]
    refusals: dict[str, dict[int, str]]
    history: pd.DataFrame
    combination: Combination
    record: dict[str, Any] = field(default_factory=dict)

    def predict(self, params: float, tokens: float) -> Forecast:
        """Forecast one target: parameters N counted as in the table, and training tokens D.

        Raises:
            InputError: no model has so few or so many of either, or it lies far below every run.
        """
        target = Target(float(params), float(tokens), self.panel.family)
        check_reach(params, tokens, float(self.panel.params.min()), float(self.panel.tokens.min()))
        ratio = self._ratio(target)
        draws = self._draws(target)
        median, ends = self._distribution(target, draws)
        methods = by_method(self.combination, draws, self.rows)
        weights = self.combination.weights(ratio)
        forecasts = tuple(
            self._one(
                row,
                float(ratio[row]),
                float(median[place]),
                {level: (float(low[place]), float(high[place])) for level, (low, high) in ends.items()},
                weights[row],
                methods[place],
            )
            for place, row in enumerate(self.rows)
        )
        record = {**self.record, "compute_ratio": target.flops / float(self.panel.flops.max())}
        record["notes"] = [*record.get("notes", []), *self._warnings(target)]
        if SKILLS in draws and not self.combination.tests.any():
            # Nothing was held out: how benchmarks move together is what their joint draws say.
            record["shared_errors"] = SharedErrors.of_draws(draws[SKILLS][list(self.rows), 1:]).to_json()
        answer = Forecast(target, forecasts, record)
        return replace(answer, mean=forecast_mean(answer))

    def curves(self, params: float, tokens: float, points: int = 40) -> list[Curve]:
        """Forecast a path of models from the smallest run to the target, or to the largest run if that lies further.

        Size and tokens grow along it as straight lines in their logarithms.

        Returns:
            one curve per forecast, in the order of `predict`.
        """
        panel = self.panel
        first, last = int(panel.flops.argmin()), int(panel.flops.argmax())
        end = (float(params), float(tokens))
        if 6 * end[0] * end[1] < panel.flops[last]:
            end = (float(panel.params[last]), float(panel.tokens[last]))
        sizes = np.geomspace(panel.params[first], end[0], points)
        lengths = np.geomspace(panel.tokens[first], end[1], points)
        medians, low, high = np.empty((3, len(self.rows), points))
        for place, (size, length) in enumerate(zip(sizes, lengths, strict=True)):
            target = Target(float(size), float(length), panel.family)
            medians[:, place], ends = self._distribution(target, self._draws(target))
            low[:, place], high[:, place] = ends["80"]
        scales = [panel.series[row].scale for row in self.rows]
        return [Curve.on(scale, 6 * sizes * lengths, medians[i], low[i], high[i]) for i, scale in enumerate(scales)]

    @cached_property
    def _ends(self) -> dict[int, tuple[int, float, str | None]]:
        """Judge each series once for all targets, as none enters.

        Number of a series -> scored runs of different compute, score of the one of most, why it cannot be forecast.
        """
        found = {}
        for row in self.rows:
            score, stderr, compute = scores_by_run(self.panel, row)
            series = self.panel.series[row]
            obstacle = not_forecastable(
                score,
                stderr,
                compute,
                series.chance,
                noise=full_noise(self.panel, row),
                scale=series.scale,
                noise_assumed=series.noise_assumed,
            )
            if obstacle and self._leans_on_others(row):
                # Other families show how the benchmark moves, whatever the own runs leave open.
                obstacle = None
            found[row] = count_computes(compute), float(score[np.argmax(compute)]), obstacle
        return found

    def _ratio(self, target: Target) -> Array:
        """Compute of the target over that of the largest run scored on each series, shape (series,)."""
        scored = np.where(np.isfinite(self.panel.score), self.panel.flops, 0.0).max(axis=1)
        return np.asarray(target.flops / np.where(scored > 0, scored, self.panel.flops.max()))

    def _draws(self, target: Target) -> dict[str, Array]:
        """Let each method predict; method -> shape (series, 1 + R), NaN for series it refuses."""
        answers = {}
        for name, (rows, fitted) in self.fitted.items():
            predicted = fitted.predict(target.params, target.tokens)
            answers[name] = np.full((len(self.panel.series), predicted.shape[1]), np.nan)
            answers[name][rows] = predicted
        return answers

    def _warnings(self, target: Target) -> list[str]:
        """Return what a reader should know of a target whose forecast leans on other families."""
        fitted = self.fitted.get(SKILLS)
        if fitted is None or not isinstance(fitted[1], FittedSkills) or not any(map(self._leans_on_others, self.rows)):
            return []
        return fitted[1].warnings(target.params, target.tokens)

    def _leans_on_others(self, row: int) -> bool:
        """Return whether a series' forecast is that of the shared skills alone."""
        accepted = self.combination.accepted[row]
        return (
            SKILLS in self.combination.names
            and int(accepted.sum()) == 1
            and bool(accepted[self.combination.names.index(SKILLS)])
        )

    def _distribution(self, target: Target, draws: dict[str, Array]) -> tuple[Array, Ends]:
        """Return the median of the measured score, shape (rows,), and the ends of the interval of each level."""
        alone = np.array([self._leans_on_others(row) for row in self.rows], dtype=bool)
        return distribution(
            self.panel, list(self.rows), self.combination, self._ratio(target), draws, alone, posterior=SKILLS
        )

    def _one(
        self,
        row: int,
        ratio: float,
        median: float,
        intervals: dict[str, tuple[float, float]],
        weights: Array,
        values: Array,
    ) -> TaskForecast:
        series = self.panel.series[row]
        used = [place for place in range(len(weights)) if weights[place] > 0]
        names = self.combination.names
        medians = {names[place]: float(values[place]) for place in used}
        heavy = [float(values[place]) for place in used if weights[place] >= _HEAVY]
        runs, largest, obstacle = self._ends[row]
        tests, error = int(self.combination.tests[row]), float(self.combination.backtest_error[row])
        letter, why = grade(
            half_width=(intervals["80"][1] - intervals["80"][0]) / 2,
            obstacle=obstacle,
            runs=runs,
            ratio=ratio,
            disagreement=max(heavy) - min(heavy) if len(heavy) > 1 else np.nan,
            error=error,
            tests=tests,
            median=median,
            scale=series.scale,
            noise_assumed=series.noise_assumed,
        )
        return TaskForecast(
            task=series.task,
            metric=series.metric,
            num_fewshot=series.num_fewshot,
            median=float(median),
            intervals=intervals,
            grade=letter,
            why=why,
            chance=series.chance,
            methods={names[place]: float(weights[place]) for place in used},
            by_method=medians,
            refused={name: reasons[row] for name, reasons in self.refusals.items() if row in reasons},
            largest=largest,
            backtest_error=error if tests else None,
        ).on(series.scale)


def fit_forecaster(
    results: Results,
    *,
    family: str | None = None,
    tasks: Iterable[str] | None = None,
    method: str = AUTO,
    seed: int = 0,
    resamples: int = RESAMPLES,
    atlas: bool = True,
    progress: Progress | None = None,
    prepare: Callable[[Panel], Panel] | None = None,
) -> Forecaster:
    """Fit the methods to a family's runs and to `resamples` disturbed copies of them.

    The copies weigh the runs by a Bayesian bootstrap and move the scores by their standard errors. How well the methods
    forecast the largest runs from the others decides their weights and how narrow the intervals may be.

    Args:
        results: scores of the ladder.
        family: whose laws to use; the family with the most runs where None.
        tasks: benchmarks to forecast; all where None. The numbers do not depend on which are asked for.
        method: `auto` for the combination, or the name of one method.
        seed: of the resampling.
        resamples: how many copies.
        atlas: whether the atlas of public models may stand in where the table has too few other families.
        progress: opened with the number of methods and hold-outs; gives what is called with a line after each.
        prepare: changes the observations before anything is fitted, as the sizes at which runs stand.

    Raises:
        UnknownNameError: a task, family or method that is not there.
        ForecastError: the table carries no forecast, as with one run only, or the method refuses every task.
    """
    if method != AUTO and method not in METHODS:
        raise UnknownNameError("method", method, [AUTO, *METHODS])
    wanted = None if tasks is None else {results.task(name).task for name in tasks}
    chosen, note = choose_family(results, family)
    obstacles = {name: info.obstacle for name, info in results.tasks.items() if info.scale is None}
    if wanted is not None and wanted <= set(obstacles):
        raise ForecastError(
            f"{', '.join(sorted(wanted))} cannot be forecast: {obstacles[min(wanted)]}",
            "name another metric or its range in tasks.parquet, or fit it with 'predictor laws fit'",
        )
    panel = build_panel(results, chosen, fewest_computes=1)
    if prepare is not None:
        panel = prepare(panel)
    alike = bool(panel.flops.max() < 1.01 * panel.flops.min())
    methods = {
        name: one.bound_to(results, panel) if isinstance(one, NeedsResults) else one
        for name, one in {**METHODS, SKILLS: Skills(atlas=atlas)}.items()
        # Runs of one compute show no trend: only what other families say of it can help.
        if method in (AUTO, name) and (name == SKILLS or not alike)
    }
    refusals = {name: accepted_series(panel, one)[1] for name, one in methods.items()}
    asked = [i for i, one in enumerate(panel.series) if wanted is None or one.task in wanted]
    rows = [i for i in asked if any(i not in reasons for reasons in refusals.values())]
    if not rows and alike:
        # The error states what is missing: more computes, or other families.
        build_panel(results, chosen)
    if not rows:
        raise _nothing_to_forecast(method, chosen, wanted, [reasons[i] for reasons in refusals.values() for i in asked])
    fitted, held = {}, hold_outs(panel)
    with opened(progress, len(methods) + len(held)) as done:
        for name, one in methods.items():
            # All series are fitted whichever are asked for: they lend each other strength.
            own = np.array([i for i in range(len(panel.series)) if i not in refusals[name]], dtype=np.intp)
            if own.size:
                fitted[name] = (own, one.fit(panel.select(own), Resampling(resamples, seed)))
            done(f"{name}: {own.size} benchmarks")
        history = backtest(panel, methods, held, done)
    accepted = np.array([[i not in refusals[name] for name in methods] for i in range(len(panel.series))])
    if SKILLS in methods and len(panel.runs) < FEWEST_RUNS:
        # One or two runs show no law of their own: what many families share counts alone.
        accepted[accepted[:, list(methods).index(SKILLS)]] = np.array([name == SKILLS for name in methods])
    combination = Combination.of(history, tuple(methods), accepted)
    asked_for = {"seed": seed, "resamples": resamples, "method": method}
    skills = methods.get(SKILLS)
    of_skills = skills.notes if isinstance(skills, Skills) else ()
    # What every method refuses is not among the forecasts; it must not vanish without a word.
    first = next(iter(refusals.values()))
    refused = {panel.series[i].label: refusals.get(SKILLS, first).get(i, first[i]) for i in asked if i not in rows}
    notes = [*results.notes, *([note] if note else []), *_left_out({**obstacles, **refused}), *of_skills]
    record = _record(results, panel, fitted, asked_for, notes)
    record["shared_errors"] = SharedErrors.of(history, combination).to_json()
    return Forecaster(panel, tuple(rows), fitted, refusals, history, combination, record)


def _record(
    results: Results,
    panel: Panel,
    fitted: Mapping[str, tuple[NDArray[np.intp], Fitted]],
    asked_for: Mapping[str, Any],
    notes: list[str],
) -> dict[str, Any]:
    """Say how a forecaster was made."""
    shifts = [one for _, fit in fitted.values() if isinstance(fit, FittedFamilies) for one in fit.shifts]
    return {
        "version": __version__,
        **asked_for,
        "inputs": results.inputs,
        "runs": sorted(panel.runs),
        "observations": int(panel.params.size),
        "largest_run_flops": float(panel.flops.max()),
        "families": [one.to_json() for one in shifts],
        "notes": [*notes, *_shifted(shifts, panel.family)],
    }


def forecast(results: Results, params: float, tokens: float, **options: Any) -> Forecast:
    """Forecast a model of `params` parameters trained on `tokens` tokens; options are those of `fit_forecaster`."""
    check_target(params, tokens, results.evals)
    return fit_forecaster(results, **options).predict(params, tokens)


def _left_out(obstacles: dict[str, str]) -> list[str]:
    """Report the tasks that are not forecast, with the reason of each kind."""
    by_reason: dict[str, list[str]] = {}
    for task, reason in sorted(obstacles.items()):
        by_reason.setdefault(reason, []).append(task)
    return [
        f"{len(tasks)} task{'' if len(tasks) == 1 else 's'} left out ({listed(tasks[:3], len(tasks))}): {reason}"
        for reason, tasks in by_reason.items()
    ]


def _shifted(shifts: list[FamilyShift], family: str) -> list[str]:
    return [
        f"family {one.family} scores like {family} with {one.compute:.2g} times its compute "
        f"({one.low:.2g} to {one.high:.2g} by the benchmarks they share)"
        for one in shifts
        if one.differs
    ]


def _nothing_to_forecast(method: str, family: str, wanted: set[str] | None, reasons: list[str]) -> ForecastError:
    who = "every method" if method == AUTO else f"method {method}"
    what = ", ".join(sorted(wanted)) if wanted else "every task"
    why = "; ".join(sorted(set(reasons))) or "it was never scored"
    return ForecastError(
        f"{who} refuses {what} of family {family}: {why}", "score more runs or choose another --method"
    )
