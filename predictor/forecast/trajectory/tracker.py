"""Hold a run against its forecast: the path expected, what came, what is expected now, and whether to worry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import __version__
from predictor.errors import ForecastError, UnknownNameError
from predictor.forecast.target import check_target
from predictor.forecast.trajectory.alarm import (
    BENCHMARKS,
    LOSSES,
    WARM_UP,
    Alarm,
    Departures,
    Signal,
    find_alarms,
    make_signal,
)
from predictor.forecast.trajectory.observations import TrackedSeries, Trajectories, read_trajectories
from predictor.forecast.trajectory.paths import LEVELS, Paths, Rehearsal, fit_paths
from predictor.forecast.trajectory.process import Sequence
from predictor.results import Results

Array = NDArray[np.float64]

# Places at which the expected path is given.
_PLACES = 40


@dataclass(frozen=True)
class Band:
    """A forecast at several places, each of shape (places,), in the unit of the series."""

    median: Array
    lower: dict[str, Array]
    upper: dict[str, Array]


@dataclass(frozen=True)
class SeriesTrack:
    """One benchmark or loss of a run. K checkpoints.

    Attributes:
        series: what was measured.
        tokens: of the checkpoints, shape (K,).
        step: optimizer step, shape (K,), NaN where unknown.
        observed: what came, shape (K,).
        before: forecast of each checkpoint made before the run.
        expected: forecast of each checkpoint made from those before it, shape (K,).
        deviation: what came less what was expected, in standard deviations, shape (K,).
        deviation_before: the same from the forecast made before the run, shape (K,).
        final: forecast of the run's end before the run and after each checkpoint, K + 1 places.
        path_tokens: places of the two paths, shape (P,).
        path_before: the path expected before the run.
        path_now: the path expected now.
    """

    series: TrackedSeries
    tokens: Array
    step: Array
    observed: Array
    before: Band
    expected: Array
    deviation: Array
    deviation_before: Array
    final: Band
    path_tokens: Array
    path_before: Band
    path_now: Band

    @property
    def worse(self) -> Array:
        """Standard deviations on the bad side, shape (K,)."""
        return self.deviation if self.series.is_loss else -self.deviation


@dataclass(frozen=True)
class RunTrack:
    """A run held against its forecast.

    Attributes:
        run: its name.
        family: of the runs it is held against.
        params: its parameters.
        tokens: where it is.
        end: tokens at which it ends.
        series: its benchmarks, then its losses.
        signals: all benchmarks pooled, and all losses.
        alarms: when it left its path, the earliest first.
        record: version, inputs, runs it was held against, notes.
    """

    run: str
    family: str
    params: float
    tokens: float
    end: float
    series: tuple[SeriesTrack, ...]
    signals: tuple[Signal, ...]
    alarms: tuple[Alarm, ...]
    record: dict[str, Any] = field(default_factory=dict)


def track(
    results: Results,
    run: str,
    *,
    tokens: float | None = None,
    tasks: Iterable[str] | None = None,
    family: str | None = None,
) -> RunTrack:
    """Hold a run's checkpoints against the other runs of its family.

    Args:
        results: scores of the run and of others of its family.
        run: its name.
        tokens: where it ends; the end of its schedule where None.
        tasks: benchmarks to give; all where None. What the others say of the run does not depend on it.
        family: that of the run, where runs of several families share its name.

    Raises:
        UnknownNameError: no such run, task or family.
        ForecastError: fewer than two other runs, or an end that is nowhere stated.
    """
    trajectories = read_trajectories(results, _family_of(results, run, family))
    if run not in trajectories.runs:
        raise ForecastError(f"run {run} of {results.path} has no trained checkpoint", "score one with tokens above 0")
    wanted = None if tasks is None else {results.task(name).task for name in tasks}
    number = trajectories.runs.index(run)
    end, note = _end(trajectories, number, tokens)
    others = tuple(other for other in range(len(trajectories.runs)) if other != number)
    paths = fit_paths(trajectories, number, others)
    record = {
        "version": __version__,
        "inputs": results.inputs,
        "runs": sorted(trajectories.runs[other] for other in others),
        "notes": [*results.notes, *([note] if note else [])],
    }
    return hold(paths, end, wanted, record)


def hold(paths: Paths, end: float, tasks: set[str] | None = None, record: dict[str, Any] | None = None) -> RunTrack:
    """Follow a run through all its checkpoints and look for alarms.

    Args:
        paths: from `fit_paths`.
        end: tokens at which the run ends.
        tasks: benchmarks to give; all where None.
        record: what the run was held against.
    """
    trajectories, run = paths.trajectories, paths.run
    index = trajectories.checkpoints(run)
    seen = {row: paths.measured(row) for row in paths.processes}
    first = min(trajectories.tokens[index[0]], end)
    grid = np.geomspace(first, end, _PLACES)
    # Every checkpoint, the end, and a grid for drawing: all are forecast before the run and after each checkpoint.
    places = np.concatenate([trajectories.tokens[index], [end], grid])
    followed = paths.follow(seen, paths.place(places))
    order = sorted(followed, key=lambda row: (trajectories.series[row].is_loss, row))
    signals = []
    for name, is_loss in ((BENCHMARKS, False), (LOSSES, True)):
        rows = [row for row in order if trajectories.series[row].is_loss == is_loss]
        if rows:
            series = [(row, seen[row], _of(followed[row], trajectories.value[row, seen[row]])) for row in rows]
            own = _departures(paths, run, series, end)
            # Noise of benchmarks hides a small step to another size, that of losses does not.
            untried = is_loss and _size_is_untried(paths)
            rehearsed = _rehearsed(paths, is_loss)
            signals.append(make_signal(name, trajectories.tokens[index], own, rehearsed, untried=untried))
    kept = [row for row in order if tasks is None or trajectories.series[row].task in tasks]
    alarms = sorted((alarm for signal in signals for alarm in find_alarms(signal)), key=lambda alarm: alarm.raised)
    return RunTrack(
        run=trajectories.runs[run],
        family=trajectories.family,
        params=float(trajectories.params[index[0]]),
        tokens=float(trajectories.tokens[index[-1]]),
        end=end,
        series=tuple(_series(paths, row, seen[row], followed[row], grid) for row in kept),
        signals=tuple(signals),
        alarms=tuple(alarms),
        record=record or {},
    )


def _family_of(results: Results, run: str, family: str | None) -> str:
    table = results.evals[["family", "run"]].drop_duplicates()
    if family is not None:
        if family not in set(table["family"]):
            raise UnknownNameError("family", family, table["family"].unique(), str(results.path))
        table = table[table["family"] == family]
    found = table.loc[table["run"] == run, "family"]
    if found.empty:
        raise UnknownNameError("run", run, table["run"].unique(), str(results.path))
    if len(found) > 1:
        raise ForecastError(
            f"run {run} of {results.path} is in the families {', '.join(sorted(found))}", "name one with --family"
        )
    return str(found.iloc[0])


def _end(trajectories: Trajectories, run: int, tokens: float | None) -> tuple[float, str | None]:
    """Find where a run ends, with a note where that is a guess."""
    index = trajectories.checkpoints(run)
    reached = float(trajectories.tokens[index[-1]])
    if tokens is not None:
        check_target(float(trajectories.params[index[0]]), tokens)
        if tokens < reached:
            raise ForecastError(
                f"run {trajectories.runs[run]} is at {reached:.4g} tokens, beyond the end given ({tokens:.4g})",
                "give the tokens at which it will end with --tokens",
            )
        return float(tokens), None
    planned = float(trajectories.planned[index[0]])
    if np.isfinite(planned):
        return max(planned, reached), None
    longest = float(trajectories.tokens.max())
    note = f"the run's end is not stated; taken as {longest:.4g} tokens, the longest of its family (--tokens)"
    return max(longest, reached), note


@dataclass(frozen=True)
class _Followed:
    """Departures of one series, whether followed or rehearsed."""

    departure: Array
    error: Array
    certain: Array
    expected: Array


def _of(one: Sequence, value: Array) -> _Followed:
    return _Followed((value - one.expected) / one.error, one.error, one.certain, one.expected)


def _rehearsed(paths: Paths, is_loss: bool) -> list[Departures]:
    runs: dict[int, list[Rehearsal]] = {}
    for one in paths.rehearsals:
        if paths.trajectories.series[one.row].is_loss == is_loss:
            runs.setdefault(one.run, []).append(one)
    found = []
    for run, parts in runs.items():
        series = []
        for part in parts:
            expected = paths.trajectories.value[part.row, part.index] - part.departure * part.error
            series.append((part.row, part.index, _Followed(part.departure, part.error, part.certain, expected)))
        index = paths.trajectories.checkpoints(run)
        end = np.nanmax([paths.trajectories.tokens[index[-1]], paths.trajectories.planned[index[0]]])
        found.append(_departures(paths, run, series, float(end)))
    return found


def _size_is_untried(paths: Paths) -> bool:
    """Whether the others are all of one size and the run of another: nothing says how scores move with size."""
    params = paths.trajectories.params
    sizes = np.unique(params[np.isin(paths.trajectories.run, paths.others)])
    return bool(sizes.size == 1 and sizes[0] != params[paths.trajectories.checkpoints(paths.run)[0]])


def _departures(
    paths: Paths, run: int, series: list[tuple[int, NDArray[np.intp], _Followed]], end: float
) -> Departures:
    """Line departures up by checkpoint; series stand in rows, NaN where one was not measured."""
    trajectories = paths.trajectories
    index = trajectories.checkpoints(run)
    place = {int(checkpoint): column for column, checkpoint in enumerate(index)}
    worse, certain, weight = np.full((3, len(series), index.size), np.nan)
    for line, (row, own, one) in enumerate(series):
        columns = [place[int(checkpoint)] for checkpoint in own]
        kind = trajectories.series[row]
        worse[line, columns] = one.departure if kind.is_loss else -one.departure
        certain[line, columns] = one.certain
        # How many standard deviations a benchmark can fall until it is at chance; losses count alike. One that stood
        # still in all other runs shows no scatter to measure by.
        above = np.maximum(one.expected - (kind.chance or 0.0), 1e-3) / one.error
        process, own_row = paths.processes[row]
        weight[line, columns] = 1.0 if kind.is_loss else 0.0 if process.still[own_row] else above
    judged = trajectories.tokens[index] >= WARM_UP * end
    return Departures(worse, np.nan_to_num(certain), np.nan_to_num(weight), judged)


def _series(paths: Paths, row: int, seen: NDArray[np.intp], one: Sequence, grid: Array) -> SeriesTrack:
    trajectories = paths.trajectories
    series, value = trajectories.series[row], trajectories.value[row, seen]
    index = trajectories.checkpoints(paths.run)
    own = np.searchsorted(trajectories.tokens[index], trajectories.tokens[seen])
    end, first = index.size, index.size + 1
    stretch = paths.stretch[series.is_loss]
    before = (value - one.median[0, own]) / one.spread[0, own]
    return SeriesTrack(
        series=series,
        tokens=trajectories.tokens[seen],
        step=trajectories.step[seen],
        observed=series.unscale(value),
        before=_band(series, one.median[0, own], one.spread[0, own]),
        expected=series.unscale(one.expected),
        deviation=(value - one.expected) / (stretch * one.error),
        deviation_before=before,
        final=_band(series, one.median[:, end], one.spread[:, end]),
        path_tokens=grid,
        path_before=_band(series, one.median[0, first:], one.spread[0, first:]),
        path_now=_band(series, one.median[-1, first:], one.spread[-1, first:]),
    )


def _band(series: TrackedSeries, median: Array, spread: Array) -> Band:
    ends = {
        sign: {level: series.unscale(median + sign * width * spread) for level, width in LEVELS.items()}
        for sign in (-1, 1)
    }
    return Band(series.unscale(median), ends[-1], ends[1])
