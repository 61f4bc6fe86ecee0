"""Compare registered forecasts with the scores of their targets, once those are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from predictor.errors import ForecastError, InputError
from predictor.forecasting.mean import SharedErrors, mean_over
from predictor.forecasting.register.distribution import (
    interval_score,
    joint_percentile,
    normal_score,
    percentile_of,
    quantiles_of,
)
from predictor.forecasting.register.entries import (
    RESOLUTION,
    Entries,
    Outcome,
    Registration,
    Resolution,
    chain_of,
    read_entries,
)
from predictor.forecasting.register.truth import Truth, find_truth
from predictor.forecasting.target import TaskForecast
from predictor.results import Results
from predictor.results.chain_records import Record
from predictor.results.series import Series

LEVELS = ("80", "95")


@dataclass(frozen=True)
class Resolved:
    """What a call of `resolve` did.

    Attributes:
        resolutions: those that were added, each with its forecast.
        waiting: forecasts that wait, each with the reason.
        refused: forecasts whose target is not clear, each with what is wrong and the remedy.
        done: number of forecasts that had been resolved as a whole before.
    """

    resolutions: tuple[tuple[Registration, Resolution], ...]
    waiting: tuple[tuple[Registration, str], ...]
    refused: tuple[tuple[Registration, str], ...]
    done: int

    def to_json(self) -> dict[str, Any]:
        """Return the object of `resolve --json`."""

        def named(entry: Registration, **more: Any) -> dict[str, Any]:
            return {"name": entry.name, "number": entry.number, **more}

        return {
            "resolved": [{"name": entry.name, **found.to_json()} for entry, found in self.resolutions],
            "waiting": [named(entry, reason=reason) for entry, reason in self.waiting],
            "refused": [named(entry, reason=reason) for entry, reason in self.refused],
            "done": self.done,
        }


def resolve(
    store: Path,
    results: Results,
    *,
    only: str | None = None,
    run: str | None = None,
    again: bool = False,
    runs: Mapping[tuple[str, float, float], str] | None = None,
) -> Resolved:
    """Add to the registered forecasts of a store what their targets scored.

    Benchmarks are resolved as they are scored, each once: what was written down first stays.

    Args:
        store: where the records are.
        results: the scores, those of targets too.
        only: name or number of the one forecast to resolve; all that wait where None.
        run: the run that is the target of that forecast.
        again: add outcomes of scores that were corrected since, which take the place of the earlier ones; those stay
            in the chain.
        runs: (family, params, tokens) of a target -> its run, as checkpoints.yaml states it.

    Raises:
        UnknownNameError: there is no such forecast.
        InputError: the run that was named is not the target of that forecast.
        StoreError: the store cannot be written, or its last record was changed.
    """
    entries = read_entries(store)
    asked = [entries.find(only)] if only is not None else list(entries.registrations)
    waiting, refused, resolutions = [], [], []
    for entry in [entry for entry in asked if again or entries.is_open(entry)]:
        target = entry.forecast.target
        stated = (runs or {}).get((target.family, target.params, target.tokens))
        try:
            truth = find_truth(results, entry.forecast, run or entry.run or stated)
        except ForecastError as error:
            waiting.append((entry, error.message))
            continue
        except InputError as error:
            if only is not None:
                raise
            refused.append((entry, str(error)))
            continue
        if isinstance(truth, str):
            waiting.append((entry, truth))
            continue
        found = _append(store, entry, truth, results, again)
        if found is not None:
            resolutions.append((entry, found))
        missing = _missing(entry, entries, truth)
        if missing:
            waiting.append((entry, f"not scored yet: {', '.join(missing)}"))
    done = sum(not entries.is_open(entry) for entry in asked)
    return Resolved(tuple(resolutions), tuple(waiting), tuple(refused), done)


def _missing(entry: Registration, entries: Entries, truth: Truth) -> list[str]:
    known = {*entries.outcomes_of(entry), *truth.scores}
    return [answer.series.label for answer in entry.forecast.forecasts if answer.series not in known]


def _append(store: Path, entry: Registration, truth: Truth, results: Results, again: bool) -> Resolution | None:
    """Add the benchmarks that nobody has resolved yet, `again` also those with another score; None without any."""

    def build(records: Sequence[Record]) -> dict[str, Any] | None:
        # Another coordinator may have resolved it since.
        before = Entries.of(records).outcomes_of(entry)
        new = [
            judge(answer, *truth.scores[answer.series], late=_is_late(entry, answer.series, truth))
            for answer in entry.forecast.forecasts
            if answer.series in truth.scores
            and (
                answer.series not in before or (again and before[answer.series].truth != truth.scores[answer.series][0])
            )
        ]
        if not new:
            return None
        known = {**before, **{outcome.series: outcome for outcome in new}}
        return {
            "registration": entry.number,
            "name": entry.name,
            "run": truth.run,
            "params": truth.params,
            "tokens": truth.tokens,
            "inputs": results.inputs,
            "again": again,
            "benchmarks": [outcome.to_json() for outcome in new],
            "mean": judge_mean(entry, known),
            "joint": judge_joint(entry, known),
            "notes": list(truth.notes),
        }

    record = chain_of(store).append(RESOLUTION, build)
    return None if record is None else Resolution.of(record)


def _is_late(entry: Registration, series: Series, truth: Truth) -> bool:
    scored = truth.scored_at.get(series)
    before = scored is not None and datetime.fromisoformat(scored) < datetime.fromisoformat(entry.time)
    return before or series in entry.late


def judge(answer: TaskForecast, truth: float, stderr: float, *, late: bool = False) -> Outcome:
    """Compare the forecast of one benchmark with what was measured.

    Args:
        answer: the forecast.
        truth: the score, in the metric's own unit.
        stderr: its standard error.
        late: whether it was known when the forecast was registered.
    """
    ends = {level: answer.intervals[level] for level in LEVELS}
    return Outcome(
        series=answer.series,
        truth=truth,
        stderr=stderr,
        median=answer.median,
        inside={level: low <= truth <= high for level, (low, high) in ends.items()},
        interval_score={level: interval_score(truth, *pair, level) for level, pair in ends.items()},
        percentile=percentile_of(truth, quantiles_of(answer.median, answer.intervals)),
        grade=answer.grade,
        late=late,
    )


def judge_mean(entry: Registration, outcomes: Mapping[Series, Outcome]) -> dict[str, Any] | None:
    """Compare the mean over the benchmarks that were scored with its forecast; None for fewer than two.

    Where benchmarks of the registered mean are missing, its forecast is that of the others, by the registered joint
    distribution.
    """
    registered = entry.forecast.mean
    if registered is None:
        return None
    members = [
        answer
        for answer in entry.forecast.forecasts
        if answer.series in registered.series and answer.series in outcomes
    ]
    mean = mean_over(members, SharedErrors.in_record(entry.forecast.record), registered.name)
    if mean is None:
        return None
    truth = sum(outcomes[series].truth for series in mean.series) / len(mean.series)
    return {
        "name": registered.name,
        "benchmarks": len(mean.series),
        "of": len(registered.series),
        "truth": truth,
        "median": mean.median,
        "error": mean.median - truth,
        "intervals": {level: list(mean.intervals[level]) for level in LEVELS},
        "inside": {level: mean.intervals[level][0] <= truth <= mean.intervals[level][1] for level in LEVELS},
        "interval_score": {level: interval_score(truth, *mean.intervals[level], level) for level in LEVELS},
        "percentile": percentile_of(truth, quantiles_of(mean.median, mean.intervals)),
    }


def judge_joint(entry: Registration, outcomes: Mapping[Series, Outcome]) -> float | None:
    """Return how far out the errors lie together; None for fewer than two benchmarks that could be forecast."""
    scores = []
    for answer in entry.forecast.forecasts:
        if answer.series in outcomes and answer.grade != "F":
            score = normal_score(outcomes[answer.series].percentile)
            # Errors are correlated as shares, where higher is better.
            scores.append(score if answer.scale.higher_is_better else -score)
    correlation = SharedErrors.in_record(entry.forecast.record).correlation
    return joint_percentile(scores, correlation) if len(scores) > 1 else None
