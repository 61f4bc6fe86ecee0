"""One run's series, followed by processes that were fitted to the family's other runs."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor.errors import ForecastError
from predictor.forecast.trajectory.kernel import Points, first_tokens, make_points, standardise
from predictor.forecast.trajectory.observations import Trajectories
from predictor.forecast.trajectory.process import Process, Sequence, Training, bin_checkpoints, fit_process

Array = NDArray[np.float64]

# Other runs without which nothing says how a score moves with size.
FEWEST_RUNS = 2
# Averages over neighbouring checkpoints: this many for each run, fewer where many runs share the memory.
_BINS, _MOST_POINTS = 10, 480
# Hyperparameters are found for so many groups of series, the largest first; smaller groups take over theirs.
_MOST_FITS = 6
# Other runs that are followed as if they were the one in hand, the largest first, to learn how wide bands must be.
_REHEARSALS = 4
# What a rehearsal has seen of its run before it forecasts the rest: the start alone is the hardest and the widest.
_REHEARSED_FROM = (0.1, 0.3)
# Half-widths of the stated levels in standard deviations.
LEVELS = {"80": 1.2816, "95": 1.96}
_STRETCH = (0.7, 3.0)


@dataclass(frozen=True)
class Rehearsal:
    """One series of another run, followed from its start: what its scores did that the process did not expect.

    Attributes:
        row: number of the series.
        run: number of the run.
        index: numbers of its checkpoints, shape (K,).
        departure: each score less its forecast from those before, in standard deviations, shape (K,).
        error: those standard deviations, shape (K,).
        certain: share of their variance that is not noise, shape (K,).
        ahead: deviations of later checkpoints from forecasts made early, any number.
    """

    row: int
    run: int
    index: NDArray[np.intp]
    departure: Array
    error: Array
    certain: Array
    ahead: Array


@dataclass(frozen=True)
class Paths:
    """The processes of one run's series.

    Attributes:
        trajectories: all checkpoints of the family.
        run: number of the run that is followed.
        others: numbers of the runs that the processes were fitted to.
        first: tokens before which nothing was learnt, see `first_tokens`.
        points: where the checkpoints lie, standardised.
        reference: what they were standardised by.
        processes: number of a series -> its process and its row there.
        rehearsals: the other runs, followed in the same way.
        stretch: whether a series is a loss -> by how much its standard deviations are too small.
    """

    trajectories: Trajectories
    run: int
    others: tuple[int, ...]
    first: float
    points: Points
    reference: Points
    processes: dict[int, tuple[Process, int]]
    rehearsals: tuple[Rehearsal, ...]
    stretch: dict[bool, float]

    def follow(self, seen: dict[int, NDArray[np.intp]], places: Points) -> dict[int, Sequence]:
        """Follow series through checkpoints of the run; standard deviations are stretched.

        Args:
            seen: number of a series -> numbers of its checkpoints in the order of training.
            places: what to forecast.
        """
        alike: dict[tuple[int, bytes], list[int]] = {}
        for row, index in seen.items():
            alike.setdefault((id(self.processes[row][0]), index.tobytes()), []).append(row)
        found = {}
        for rows in alike.values():
            process, index = self.processes[rows[0]][0], seen[rows[0]]
            value = self.trajectories.value[rows][:, index]
            own = [self.processes[row][1] for row in rows]
            sequences = process.follow(process.training, self.points.select(index), value, places, own)
            for row, one in zip(rows, sequences, strict=True):
                stretch = self.stretch[self.trajectories.series[row].is_loss]
                found[row] = replace(one, spread=stretch * one.spread)
        return found

    def measured(self, row: int) -> NDArray[np.intp]:
        """Number the run's checkpoints at which a series was measured, in the order of training."""
        index = self.trajectories.checkpoints(self.run)
        return index[np.isfinite(self.trajectories.value[row, index])]

    def place(self, tokens: Array) -> Points:
        """Place tokens of the followed run, as to forecast there."""
        trajectories, run = self.trajectories, self.run
        at = trajectories.checkpoints(run)[0]
        same = np.ones(tokens.size)
        points = make_points(
            trajectories.params[at] * same,
            tokens,
            trajectories.planned[at] * same,
            np.full(tokens.size, run),
            self.first,
        )
        return standardise(points, self.reference)


def fit_paths(trajectories: Trajectories, run: int, others: tuple[int, ...]) -> Paths:
    """Fit processes to other runs of the family; nothing of the run itself enters but where its checkpoints lie.

    Raises:
        ForecastError: there are too few other runs, or none was scored on what this one was.
    """
    if len(others) < FEWEST_RUNS:
        raise ForecastError(
            f"run {trajectories.runs[run]} has {len(others)} other runs of family {trajectories.family} beside it",
            f"score at least {FEWEST_RUNS} runs to hold it against",
        )
    known = np.flatnonzero(np.isin(trajectories.run, [*others, run]))
    first = first_tokens(trajectories.tokens[known], trajectories.run[known])
    raw = make_points(trajectories.params, trajectories.tokens, trajectories.planned, trajectories.run, first)
    reference = raw.select(known)
    points = standardise(raw, reference)
    processes: dict[int, tuple[Process, int]] = {}
    rehearsals: list[Rehearsal] = []
    found: dict[bool, Array] = {}
    for number, (rows, index) in enumerate(_groups(trajectories, run, others)):
        training = _training(trajectories, points, rows, index, others)
        is_loss = trajectories.series[rows[0]].is_loss
        process = fit_process(training, found.get(is_loss) if number >= _MOST_FITS else None)
        found.setdefault(is_loss, process.log_values)
        processes |= {row: (process, own) for own, row in enumerate(rows)}
        rehearsals += _rehearse(trajectories, points, rows, process, others)
    if not processes:
        raise ForecastError(
            f"no other run of family {trajectories.family} was scored on what {trajectories.runs[run]} was",
            "score the runs on the same benchmarks",
        )
    kinds = {is_loss: _stretch(trajectories, rehearsals, is_loss) for is_loss in (False, True)}
    return Paths(trajectories, run, others, first, points, reference, processes, tuple(rehearsals), kinds)


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
            parts.append(bin_checkpoints(points, value, own, bins))
    joined = parts[0].points
    for part in parts[1:]:
        joined = joined.join(part.points)
    values, weights = ([getattr(part, name) for part in parts] for name in ("value", "weight"))
    return Training(joined, np.concatenate(values), np.concatenate(weights))


def _rehearse(
    trajectories: Trajectories, points: Points, rows: list[int], process: Process, others: tuple[int, ...]
) -> list[Rehearsal]:
    """Follow the largest of the other runs, each from those that are smaller yet."""
    compute = {one: float((trajectories.params * trajectories.tokens)[trajectories.run == one].max()) for one in others}
    found = []
    order = sorted(others, key=lambda one: compute[one])
    for smaller, other in list(enumerate(order))[::-1][:_REHEARSALS]:
        index = trajectories.checkpoints(other)
        index = index[np.isfinite(trajectories.value[rows[0], index])]
        rest = process.training.of(order[:smaller])
        if index.size < 3 or np.unique(rest.points.run).size < FEWEST_RUNS:
            continue
        own = points.select(index)
        starts = sorted({max(1, int(share * index.size)) for share in _REHEARSED_FROM})
        values = trajectories.value[rows][:, index]
        sequences = process.follow(rest, own, values, own, range(len(rows)))
        for row, value, one in zip(rows, values, sequences, strict=True):
            ahead = [((value - one.median[start]) / one.spread[start])[start:] for start in starts]
            departure = (value - one.expected) / one.error
            found.append(Rehearsal(row, other, index, departure, one.error, one.certain, np.concatenate(ahead)))
    return found


def _stretch(trajectories: Trajectories, rehearsals: list[Rehearsal], is_loss: bool) -> float:
    """Widen standard deviations so that four in five of the rehearsed forecasts lie inside their 80 % band."""
    ahead = [one.ahead for one in rehearsals if trajectories.series[one.row].is_loss == is_loss]
    if not ahead:
        return 1.5
    return float(np.clip(np.quantile(np.abs(np.concatenate(ahead)), 0.8) / LEVELS["80"], *_STRETCH))
