"""One run's series, followed by processes that were fitted to other runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor.errors import ForecastError
from predictor.forecasting.trajectory.belief import Followed, anchor, follow, widen
from predictor.forecasting.trajectory.kernel import Points, first_tokens, standardise
from predictor.forecasting.trajectory.observations import Trajectories
from predictor.forecasting.trajectory.process import Process, Training, bin_checkpoints, fit_process
from predictor.forecasting.trajectory.rehearsal import Rehearsal, Trust, rehearse
from predictor.forecasting.trajectory.scatter import Scatter, measure_scatter
from predictor.forecasting.trajectory.schedule import CANDIDATES, CONSTANT, Schedule

Array = NDArray[np.float64]

# Other runs without which nothing says how a score moves with size.
FEWEST_RUNS = 2
# Averages over neighbouring checkpoints: this many for each run, fewer where many runs share the memory.
_BINS, _MOST_POINTS = 10, 480
# Hyperparameters are found for so many groups of series, the largest first; smaller groups take over theirs.
_MOST_FITS = 6
# Half-widths of the stated levels in standard deviations.
LEVELS = {"80": 1.2816, "95": 1.96}
# What a full annealing is worth in natural logs of tokens: tried where other runs were annealed, assumed where not.
_WORTHS, _ASSUMED_WORTH = (0.0, 0.7, 1.4), 1.2


@dataclass(frozen=True)
class Places:
    """Turns sizes and tokens into the points of the processes.

    Attributes:
        schedules: of each run.
        worth: what a full annealing is worth in natural logs of tokens.
        first: tokens before which nothing was learnt, see `first_tokens`.
        family: of each run.
        reference: what points are standardised by, None where they are left as they are.
    """

    schedules: tuple[Schedule, ...]
    worth: float
    first: float
    family: NDArray[np.intp]
    reference: Points | None = None

    def __call__(self, params: Array, tokens: Array, planned: Array, run: NDArray[np.intp]) -> Points:
        """Place checkpoints, each argument of shape (points,); `planned` is NaN where unknown."""
        share = np.where(np.isfinite(planned), tokens / np.where(np.isfinite(planned), planned, 1.0), 0.0)
        cooled = np.zeros(tokens.size)
        for number in np.unique(run):
            own = run == number
            cooled[own] = self.schedules[number].annealed(np.minimum(share[own], 1.0))
        length = np.log(tokens + self.first) + self.worth * cooled
        points = Points(np.log(params), length, cooled, run, self.family[run])
        return points if self.reference is None else standardise(points, self.reference)


@dataclass(frozen=True)
class Paths:
    """The processes of one run's series.

    Attributes:
        trajectories: all checkpoints of the family and its relatives.
        run: number of the run that is followed.
        others: numbers of the runs that the processes were fitted to.
        places: where checkpoints lie for the processes.
        points: those of all checkpoints.
        processes: number of a series -> its process and its row there.
        rehearsals: the other runs, followed in the same way.
        trust: whether a series is a loss -> what rehearsals say of such forecasts.
        ends: number of a series -> median and variance of its score at the end as forecast before the run.
        scatter: of single checkpoints.
    """

    trajectories: Trajectories
    run: int
    others: tuple[int, ...]
    places: Places
    points: Points
    processes: dict[int, tuple[Process, int]]
    rehearsals: tuple[Rehearsal, ...]
    trust: dict[bool, Trust]
    ends: Mapping[int, tuple[float, float]]
    scatter: Scatter

    def follow(
        self, seen: dict[int, NDArray[np.intp]], tokens: Array, end: float, events: tuple[float, ...] = ()
    ) -> dict[int, Followed]:
        """Follow series through checkpoints of the run; standard deviations are stretched.

        Args:
            seen: number of a series -> numbers of its checkpoints in the order of training.
            tokens: what to forecast, shape (F,).
            end: tokens at which the run ends.
            events: tokens at which something happened to the run that may have changed its level.
        """
        return {row: self._follow(row, index, np.append(tokens, end), events) for row, index in seen.items()}

    def _follow(self, row: int, index: NDArray[np.intp], tokens: Array, events: tuple[float, ...]) -> Followed:
        process, own = self.processes[row]
        along = np.concatenate([self.trajectories.tokens[index], tokens])
        (belief,) = process.conditional(process.training, self.place(along), [own])
        belief = self.scatter.added_to(belief, row, along / tokens[-1])
        if row in self.ends:
            middle, variance = self.ends[row]
            belief = anchor(belief, belief.mean.size - 1, middle, max(variance, belief.noise))
        for since in events:
            belief = widen(belief, along, since)
        followed = follow(belief, self.trajectories.value[row, index], along)
        share = np.append(0.0, self.trajectories.tokens[index]) / tokens[-1]
        gains, stretches = self.trust[self.trajectories.series[row].is_loss].at(share)
        gain, stretch = gains[:, None], stretches[:, None]
        median = followed.median[:1] + gain * (followed.median - followed.median[:1])
        spread = stretch * np.sqrt(gain * followed.spread**2 + (1 - gain) * followed.spread[:1] ** 2)
        return replace(followed, median=median[:, :-1], spread=spread[:, :-1])

    def measured(self, row: int) -> NDArray[np.intp]:
        """Number the run's checkpoints at which a series was measured, in the order of training."""
        index = self.trajectories.checkpoints(self.run)
        return index[np.isfinite(self.trajectories.value[row, index])]

    def place(self, tokens: Array) -> Points:
        """Place tokens of the followed run, as to forecast there."""
        trajectories, run = self.trajectories, self.run
        at, same = trajectories.checkpoints(run)[0], np.ones(tokens.size)
        planned = trajectories.planned[at] * same
        return self.places(trajectories.params[at] * same, tokens, planned, np.full(tokens.size, run))


def fit_paths(
    trajectories: Trajectories,
    run: int,
    others: tuple[int, ...],
    ends: Mapping[int, tuple[float, float]] | None = None,
) -> Paths:
    """Fit processes to other runs; nothing of the run itself enters but where its checkpoints lie.

    Args:
        trajectories: of the run's family and its relatives.
        run: number of the run.
        others: numbers of the runs that it is held against.
        ends: number of a series -> median and variance of its forecast for the end, on the series' scale.

    Raises:
        ForecastError: there are too few other runs, or none was scored on what this one was.
    """
    if len(others) < FEWEST_RUNS:
        raise ForecastError(
            f"run {trajectories.runs[run]} has {len(others)} other runs of family {trajectories.families[0]} beside it",
            f"score at least {FEWEST_RUNS} runs to hold it against",
        )
    groups = _groups(trajectories, run, others)
    if not groups:
        raise ForecastError(
            f"no other run of family {trajectories.families[0]} was scored on what {trajectories.runs[run]} was",
            "score the runs on the same benchmarks",
        )
    places = _choose_places(trajectories, run, others, groups[0])
    points = places(trajectories.params, trajectories.tokens, trajectories.planned, trajectories.run)
    scatter = measure_scatter(trajectories, others)
    processes: dict[int, tuple[Process, int]] = {}
    rehearsals: list[Rehearsal] = []
    found: dict[bool, Array] = {}
    for number, (rows, index) in enumerate(groups):
        training = _training(trajectories, points, rows, index, others)
        is_loss = trajectories.series[rows[0]].is_loss
        process = fit_process(training, found.get(is_loss) if number >= _MOST_FITS else None)
        found.setdefault(is_loss, process.log_values)
        processes |= {row: (process, own) for own, row in enumerate(rows)}
        rehearsals += rehearse(trajectories, points, rows, process, others, scatter.added_to)
    trust = {
        kind: Trust.of([part for part in rehearsals if trajectories.series[part.row].is_loss == kind])
        for kind in (False, True)
    }
    return Paths(trajectories, run, others, places, points, processes, tuple(rehearsals), trust, ends or {}, scatter)


def _choose_places(
    trajectories: Trajectories, run: int, others: tuple[int, ...], group: tuple[list[int], NDArray[np.intp]]
) -> Places:
    """Choose the schedule of runs that do not state theirs, and the worth of annealing, by likelihood."""
    # The run in hand is left out: what it adds later would move what was said before.
    known = np.isin(trajectories.run, others)
    first = first_tokens(trajectories.tokens[known], trajectories.run[known])
    stated = trajectories.schedules

    def place(schedule: Schedule, worth: float) -> tuple[Places, Points]:
        schedules = tuple(schedule if kind is None else kind for kind in stated)
        places = Places(schedules, worth, first, trajectories.family)
        raw = places(trajectories.params, trajectories.tokens, trajectories.planned, trajectories.run)
        places = replace(places, reference=raw.select(np.flatnonzero(known)))
        return places, standardise(raw, raw.select(np.flatnonzero(known)))

    shapes = CANDIDATES if any(stated[number] is None for number in others) else CANDIDATES[:1]
    annealed = any(stated[number] is None or stated[number] != CONSTANT for number in others)
    if not annealed:
        return place(shapes[0], _ASSUMED_WORTH)[0]
    process, best = None, None
    for schedule in shapes:
        for worth in _WORTHS:
            places, points = place(schedule, worth)
            training = _training(trajectories, points, *group, others)
            process = process or fit_process(training)
            loss = process.loss(training)
            if best is None or loss < best[0]:
                best = loss, places
    assert best is not None
    return best[1]


def _groups(trajectories: Trajectories, run: int, others: tuple[int, ...]) -> list[tuple[list[int], NDArray[np.intp]]]:
    """Group the series that were measured at the same checkpoints of the other runs, the largest group first."""
    index = np.flatnonzero(np.isin(trajectories.run, others))
    mine = trajectories.checkpoints(run)
    groups: dict[tuple[bool, bytes], list[int]] = {}
    for row, series in enumerate(trajectories.series):
        seen = np.isfinite(trajectories.value[row, index])
        enough = np.unique(trajectories.run[index[seen]]).size >= FEWEST_RUNS
        if enough and np.isfinite(trajectories.value[row, mine]).any():
            groups.setdefault((series.is_loss, seen.tobytes()), []).append(row)
    ordered = sorted(groups.values(), key=lambda rows: (-len(rows), rows[0]))
    return [(rows, index[np.isfinite(trajectories.value[rows[0], index])]) for rows in ordered]


def _training(
    trajectories: Trajectories, points: Points, rows: list[int], index: NDArray[np.intp], others: tuple[int, ...]
) -> Training:
    bins = int(np.clip(_MOST_POINTS // len(others), 4, _BINS))
    value = trajectories.value[rows]
    parts = []
    for other in others:
        own = index[trajectories.run[index] == other]
        if own.size:
            own = own[np.argsort(trajectories.tokens[own], kind="stable")]
            parts.append(bin_checkpoints(points, trajectories.tokens, value, own, bins))
    joined = parts[0].points
    for part in parts[1:]:
        joined = joined.join(part.points)
    values, weights = ([getattr(part, name) for part in parts] for name in ("value", "weight"))
    return Training(joined, np.concatenate(values), np.concatenate(weights))
