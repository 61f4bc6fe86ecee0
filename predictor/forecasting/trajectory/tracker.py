"""Hold a run against its forecast: the path expected, what came, what is expected now, and whether to worry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import __version__
from predictor.errors import ForecastError, UnknownNameError
from predictor.forecasting.target import check_target
from predictor.forecasting.trajectory.alarm import (
    BENCHMARKS,
    LOSSES,
    Alarm,
    Departures,
    Signal,
    find_alarms,
    make_signal,
)
from predictor.forecasting.trajectory.belief import Followed
from predictor.forecasting.trajectory.departures import Line, answered_by_class, line_up
from predictor.forecasting.trajectory.frames import RunTrackFrame
from predictor.forecasting.trajectory.observations import TrackedSeries, Trajectories, read_trajectories
from predictor.forecasting.trajectory.paths import LEVELS, Paths, fit_paths
from predictor.forecasting.trajectory.prior import EndForecast, forecast_ends
from predictor.results import Results

Array = NDArray[np.float64]

# Places at which the expected path is given.
_PLACES = 40
# Checkpoints of another family's run without which it says nothing of paths.
_FEWEST_OF_RELATIVES = 5
# The end is measured by a checkpoint from this share of its tokens on.
_AT_END = 0.999


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
        end_median: the end as of now on the scale of the series.
        end_error: its standard deviation there.
        by_class: whether models answer the benchmark with one class for long and then jump; it raises no alarm.
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
    end_median: float
    end_error: float
    by_class: bool = False

    @property
    def worse(self) -> Array:
        """Standard deviations on the bad side, shape (K,)."""
        return self.deviation if self.series.is_loss else -self.deviation


@dataclass(frozen=True, repr=False)
class RunTrack(RunTrackFrame):
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
        schedule: how its learning rate falls, as stated or as other runs of the family say.
        events: what happened to the run, tokens -> words.
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
    schedule: str = ""
    events: Mapping[float, str] = field(default_factory=dict)
    record: dict[str, Any] = field(default_factory=dict)


def track(
    results: Results,
    run: str,
    *,
    tokens: float | None = None,
    tasks: Iterable[str] | None = None,
    family: str | None = None,
    events: Mapping[float, str] | None = None,
    cache: bool = False,
) -> RunTrack:
    """Hold a run's checkpoints against the other runs of its family and of others that were scored alike.

    Args:
        results: scores of the run and of other runs.
        run: its name.
        tokens: where it ends; the end of its schedule where None.
        tasks: benchmarks to give; all where None. What the others say of the run does not depend on it.
        family: that of the run, where runs of several families share its name.
        events: tokens -> what happened there, as a restart or a switch of data; forecasts from there on are wider.
        cache: whether to keep the forecast made before the run on disk, by the rows that go into it.

    Raises:
        UnknownNameError: no such run, task or family.
        ForecastError: fewer than two other runs, or an end that is nowhere stated.
    """
    own = _family_of(results, run, family)
    trajectories = read_trajectories(results, own, _relatives(results, own))
    number = trajectories.find(run)
    if number is None:
        raise ForecastError(f"run {run} of {results.path} has no trained checkpoint", "score one with tokens above 0")
    wanted = None if tasks is None else {results.task(name).task for name in tasks}
    end, note = _end(trajectories, number, tokens)
    others = _others(trajectories, number)
    ends, no_forecast = forecast_ends(results, trajectories, number, others, end, cache=cache)
    paths = fit_paths(trajectories, number, others, {row: (one.median, one.variance) for row, one in ends.items()})
    record = {
        "version": __version__,
        "inputs": results.inputs,
        "runs": sorted(trajectories.name(other) for other in others),
        "notes": [*results.notes, *(text for text in (note, no_forecast) if text)],
    }
    return hold(paths, end, wanted, record, ends=ends, events={**_restarts(trajectories, number), **(events or {})})


def hold(
    paths: Paths,
    end: float,
    tasks: set[str] | None = None,
    record: dict[str, Any] | None = None,
    *,
    ends: Mapping[int, EndForecast] | None = None,
    events: Mapping[float, str] | None = None,
) -> RunTrack:
    """Follow a run through all its checkpoints and look for alarms.

    Args:
        paths: from `fit_paths`.
        end: tokens at which the run ends.
        tasks: benchmarks to give; all where None.
        record: what the run was held against.
        ends: number of a series -> its forecast before the run.
        events: tokens -> what happened there.
    """
    trajectories, run = paths.trajectories, paths.run
    index = trajectories.checkpoints(run)
    seen = {row: paths.measured(row) for row in paths.processes}
    grid = np.geomspace(min(trajectories.tokens[index[0]], end), end, _PLACES)
    followed = paths.follow(seen, np.append(grid, end), end, tuple(events or ()))
    order = sorted(followed, key=lambda row: (trajectories.series[row].is_loss, row))
    by_class = answered_by_class(trajectories, paths.others)
    signals = tuple(_signals(paths, {row: (seen[row], followed[row]) for row in order}, end, by_class))
    kept = [row for row in order if tasks is None or trajectories.series[row].task in tasks]
    series = tuple(
        _series(paths, row, seen[row], followed[row], grid, (ends or {}).get(row), row in by_class) for row in kept
    )
    alarms = sorted((alarm for signal in signals for alarm in find_alarms(signal)), key=lambda alarm: alarm.raised)
    schedule = paths.places.schedules[run]
    return RunTrack(
        run=trajectories.runs[run],
        family=trajectories.families[0],
        params=float(trajectories.params[index[0]]),
        tokens=float(trajectories.tokens[index[-1]]),
        end=end,
        series=series,
        signals=signals,
        alarms=tuple(alarms),
        schedule=schedule.describe() if schedule else "",
        events=dict(sorted((events or {}).items())),
        record=record or {},
    )


def _signals(
    paths: Paths, followed: dict[int, tuple[NDArray[np.intp], Followed]], end: float, by_class: frozenset[int]
) -> Iterable[Signal]:
    trajectories = paths.trajectories
    tokens = trajectories.tokens[trajectories.checkpoints(paths.run)]
    for name, is_loss in ((BENCHMARKS, False), (LOSSES, True)):
        rows = [row for row in followed if trajectories.series[row].is_loss == is_loss]
        if not rows:
            continue
        lines = []
        for row in rows:
            index, path = followed[row]
            lines.append(Line(row, index, (trajectories.value[row, index] - path.expected) / path.error, path))
        own = line_up(paths, paths.run, lines, end, by_class)
        # Noise of benchmarks hides a small step to another size, that of losses does not.
        untried = is_loss and _size_is_untried(paths)
        yield make_signal(name, tokens, own, _rehearsed(paths, is_loss, by_class), untried=untried)


def _rehearsed(paths: Paths, is_loss: bool, by_class: frozenset[int]) -> list[Departures]:
    trajectories = paths.trajectories
    runs: dict[int, list[Line]] = {}
    for part in paths.rehearsals:
        if trajectories.series[part.row].is_loss == is_loss:
            runs.setdefault(part.run, []).append(Line(part.row, part.index, part.departure, part.followed))
    found = []
    for run, lines in runs.items():
        index = trajectories.checkpoints(run)
        end = np.nanmax([trajectories.tokens[index[-1]], trajectories.planned[index[0]]])
        found.append(line_up(paths, run, lines, float(end), by_class))
    return found


def _size_is_untried(paths: Paths) -> bool:
    """Whether the others are all of one size and the run of another: nothing says how scores move with size."""
    params = paths.trajectories.params
    sizes = np.unique(params[np.isin(paths.trajectories.run, paths.others)])
    return bool(sizes.size == 1 and sizes[0] != params[paths.trajectories.checkpoints(paths.run)[0]])


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


def _relatives(results: Results, family: str) -> list[str]:
    """List other families with a run whose path is known."""
    evals = results.evals
    rows = evals[(evals["tokens"] > 0) & (evals["family"] != family)]
    count = rows.groupby(["family", "run"])["tokens"].nunique()
    return sorted(set(count[count >= _FEWEST_OF_RELATIVES].index.get_level_values("family").astype(str)))


def _others(trajectories: Trajectories, run: int) -> tuple[int, ...]:
    """Number the runs that a run is held against: those of its family, and others with enough checkpoints."""
    count = np.bincount(trajectories.run, minlength=len(trajectories.runs))
    enough = (trajectories.family == 0) | (count >= _FEWEST_OF_RELATIVES)
    return tuple(int(other) for other in np.flatnonzero(enough) if other != run)


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
    own = trajectories.family[trajectories.run] == 0
    longest = float(trajectories.tokens[own].max())
    note = f"the run's end is not stated; taken as {longest:.4g} tokens, the longest of its family (--tokens)"
    return max(longest, reached), note


def _restarts(trajectories: Trajectories, run: int) -> dict[float, str]:
    """Find where a run's steps begin anew though its tokens go on."""
    index = trajectories.checkpoints(run)
    back = np.flatnonzero(np.diff(trajectories.step[index]) < 0) + 1
    return {float(trajectories.tokens[index[at]]): "steps begin anew" for at in back}


def _series(
    paths: Paths,
    row: int,
    seen: NDArray[np.intp],
    followed: Followed,
    grid: Array,
    before: EndForecast | None,
    by_class: bool,
) -> SeriesTrack:
    trajectories = paths.trajectories
    series, value = trajectories.series[row], trajectories.value[row, seen]
    tokens = trajectories.tokens[seen]
    median, spread = followed.median[:, -1].copy(), followed.spread[:, -1].copy()
    # A checkpoint at the end measures it; what is left is its own error.
    at_end = np.flatnonzero(tokens >= _AT_END * grid[-1]) + 1
    median[at_end], spread[at_end] = value[at_end - 1], np.sqrt(followed.noise)
    final = _band(series, median, spread)
    return SeriesTrack(
        series=series,
        tokens=tokens,
        step=trajectories.step[seen],
        observed=series.unscale(value),
        before=_band(series, followed.before, followed.error_before),
        expected=series.unscale(followed.expected),
        deviation=(value - followed.expected) / followed.error,
        deviation_before=(value - followed.before) / followed.error_before,
        final=final if before is None else _begun(final, before),
        path_tokens=grid,
        path_before=_band(series, followed.median[0, :-1], followed.spread[0, :-1]),
        path_now=_band(series, followed.median[-1, :-1], followed.spread[-1, :-1]),
        end_median=float(median[-1]),
        end_error=float(spread[-1]),
        by_class=by_class,
    )


def _band(series: TrackedSeries, median: Array, spread: Array) -> Band:
    lower, upper = {}, {}
    for level, width in LEVELS.items():
        ends = series.unscale(median - width * spread), series.unscale(median + width * spread)
        lower[level], upper[level] = np.minimum(*ends), np.maximum(*ends)
    return Band(series.unscale(median), lower, upper)


def _begun(final: Band, before: EndForecast) -> Band:
    """Return the forecasts of the end with the first replaced by the one made before the run."""
    made = before.forecast
    median = np.concatenate([[made.median], final.median[1:]])
    lower, upper = (
        {level: np.concatenate([[made.intervals[level][side]], ends[level][1:]]) for level in LEVELS}
        for side, ends in ((0, final.lower), (1, final.upper))
    )
    return Band(median, lower, upper)
