"""How far a run's series came from what was expected, lined up for the alarms; which series may raise one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.trajectory.alarm import WARM_UP, Departures
from predictor.forecasting.trajectory.belief import Followed
from predictor.forecasting.trajectory.observations import TrackedSeries, Trajectories
from predictor.forecasting.trajectory.paths import Paths

Array = NDArray[np.float64]

# What neighbours differ by, in standard errors of the items, at the 50th and 90th percentile over those of a normal
# distribution: 0.5 to 1.1 where single items are gained and lost, over all runs of benchmarks/accuracy/track_runs.py.
# Above the first number whole classes of answers change; above the second one, times the middle, a benchmark stands
# still for long and then moves.
_SCATTERS, _STANDS = 1.3, 2.2
_FEWEST = 8


@dataclass(frozen=True)
class Line:
    """One series of one run as it was followed.

    Attributes:
        row: number of the series.
        index: numbers of the checkpoints, shape (K,).
        departure: in standard deviations, shape (K,).
        followed: what was expected.
    """

    row: int
    index: NDArray[np.intp]
    departure: Array
    followed: Followed


def line_up(paths: Paths, run: int, lines: list[Line], end: float, silent: frozenset[int]) -> Departures:
    """Line departures up by checkpoint; series stand in rows, NaN where one was not measured.

    Args:
        paths: of the run that is followed.
        run: number of the run in hand, that one or another.
        lines: its series.
        end: tokens at which it ends.
        silent: numbers of series that raise no alarm.
    """
    trajectories = paths.trajectories
    index = trajectories.checkpoints(run)
    place = {int(checkpoint): column for column, checkpoint in enumerate(index)}
    worse, certain, weight = np.full((3, len(lines), index.size), np.nan)
    for number, line in enumerate(lines):
        columns = [place[int(checkpoint)] for checkpoint in line.index]
        series = trajectories.series[line.row]
        worse[number, columns] = line.departure if series.is_loss else -line.departure
        certain[number, columns] = line.followed.certain
        process, own = paths.processes[line.row]
        muted = line.row in silent or process.still[own]
        weight[number, columns] = 0.0 if muted else _weight(series, line.followed)
    judged = trajectories.tokens[index] >= WARM_UP * end
    return Departures(worse, np.nan_to_num(certain), np.nan_to_num(weight), judged)


def _weight(series: TrackedSeries, followed: Followed) -> Array:
    """Count how many standard deviations a benchmark can fall until it is at chance; losses count alike."""
    if series.is_loss:
        return np.ones_like(followed.expected)
    expected, chance = 1 / (1 + np.exp(-followed.expected)), 0.0
    if series.chance is not None:
        chance = float(series.share.to_share(series.chance))
    error = followed.error * expected * (1 - expected)
    return np.asarray(np.maximum(expected - chance, 1e-3) / error)


def answered_by_class(trajectories: Trajectories, runs: tuple[int, ...]) -> frozenset[int]:
    """Number the benchmarks that models answer with one class for long and then jump, by their scores in other runs.

    Neighbouring checkpoints then differ by nothing, or by far more than single items explain. Only benchmarks with a
    level of guessing have classes to answer.
    """
    found = set()
    for row, series in enumerate(trajectories.series):
        if series.is_loss or not series.n_items or not series.chance:
            continue
        step = np.concatenate([_steps(trajectories, row, run) for run in runs] or [np.empty(0)])
        if step.size < _FEWEST:
            continue
        middle, outer = np.quantile(step, [0.5, 0.9]) / [0.6745, 1.645]
        if outer > _SCATTERS or outer > _STANDS * middle > 0 or (middle == 0 and outer > 0):
            found.add(row)
    return frozenset(found)


def _steps(trajectories: Trajectories, row: int, run: int) -> Array:
    """Return what neighbouring checkpoints past the warm-up differ by, in standard errors of their items."""
    index = trajectories.checkpoints(run)
    index = index[trajectories.tokens[index] >= WARM_UP * trajectories.tokens[index[-1]]]
    value = trajectories.value[row, index]
    value = value[np.isfinite(value)]
    if value.size < 3:
        return np.empty(0)
    error = trajectories.series[row].item_error(value)
    # A steady rise is no scatter.
    step = np.diff(value)
    return np.asarray(np.abs(step - np.median(step)) / error[1:])
