"""Follow other runs as if they were the one in hand: what their checkpoints were worth, and how wide bands must be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.trajectory.belief import Followed, follow
from predictor.forecasting.trajectory.kernel import Points
from predictor.forecasting.trajectory.observations import Trajectories
from predictor.forecasting.trajectory.process import Gaussian, Process, Training

Array = NDArray[np.float64]

# Shares of a run after which its end is forecast again in rehearsal; trust is interpolated between them.
SHARES = (0.0, 0.1, 0.2, 0.35, 0.5, 0.7, 0.85, 1.0)
# Other runs that are followed, the largest first.
_MOST = 8
_FEWEST_SMALLER = 2
_FEWEST_CHECKPOINTS = 4
_CENTRAL_80 = 1.2816
# The trust assumed, from 0.3 at the start to 1 from half of the run on, counts as this many rehearsed runs. It is what
# rehearsals on the OLMo ladder, Pythia and Gemstones roughly gave.
_PRIOR_RUNS = 1.0
_ASSUMED = np.minimum(0.3 + 1.4 * np.array(SHARES), 1.0)
_STRETCH = (0.8, 2.0)

Scattered = Callable[[Gaussian, int, Array], Gaussian]


@dataclass(frozen=True)
class Rehearsal:
    """One series of another run, followed from its start. K checkpoints, S of `SHARES` below the last.

    Attributes:
        row: number of the series.
        run: number of the run.
        index: numbers of its checkpoints, shape (K,).
        followed: what was expected of them.
        departure: each score less its forecast from those before, in standard deviations, shape (K,).
        moved: by how much the forecast of the end had moved, in standard deviations of the first one, shape (S,).
        needed: by how much it had to move, in the same unit.
        spread: standard deviation of each forecast in that of the first one, shape (S,).
    """

    row: int
    run: int
    index: NDArray[np.intp]
    followed: Followed
    departure: Array
    moved: Array
    needed: float
    spread: Array


@dataclass(frozen=True)
class Trust:
    """What rehearsals say of forecasts after each of `SHARES`, each of that shape.

    Attributes:
        gain: what share of a forecast's move from the one before the run is to be believed.
        stretch: by how much standard deviations are too small.
    """

    gain: Array
    stretch: Array

    @classmethod
    def of(cls, rehearsals: list[Rehearsal]) -> Trust:
        """Estimate both from rehearsals; without any all moves are believed and spreads widened by a quarter."""
        ones = np.ones(len(SHARES))
        if not rehearsals:
            return cls(ones, 1.25 * ones)
        runs = np.array([part.run for part in rehearsals])
        moved, spread = (np.array([getattr(part, name) for part in rehearsals]) for name in ("moved", "spread"))
        needed = np.array([part.needed for part in rehearsals])[:, None]
        # A few series far off do not set the trust in all.
        moved, wanted = np.clip(moved, -4, 4), np.clip(needed, -4, 4)
        prior = _PRIOR_RUNS * (moved**2).sum(axis=0) / np.unique(runs).size + 1e-9
        gain = np.clip(((moved * wanted).sum(axis=0) + prior * _ASSUMED) / ((moved**2).sum(axis=0) + prior), 0.0, 1.0)
        left = np.abs(needed - gain * moved) / np.sqrt(gain * spread**2 + (1 - gain))
        stretch = np.clip(np.quantile(left, 0.8, axis=0) / _CENTRAL_80, *_STRETCH)
        gain[0], stretch[0], stretch[-1], gain[-1] = 1.0, 1.0, stretch[-2], gain[-2]
        return cls(gain, stretch)

    def at(self, share: Array) -> tuple[Array, Array]:
        """Return gain and stretch at shares of a run."""
        return np.interp(share, SHARES, self.gain), np.interp(share, SHARES, self.stretch)


def rehearse(
    trajectories: Trajectories,
    points: Points,
    rows: list[int],
    process: Process,
    others: tuple[int, ...],
    scattered: Scattered,
) -> list[Rehearsal]:
    """Follow the largest of the other runs, each from those of less compute, or from all others where these are few.

    Args:
        trajectories: of the family and its relatives.
        points: those of all checkpoints.
        rows: the series of the process.
        process: fitted to all other runs.
        others: their numbers.
        scattered: adds the scatter of single checkpoints to a belief about a series at places along a run.
    """
    found = []
    for other, rest in _rehearsed(trajectories, process, others):
        index = trajectories.checkpoints(other)
        index = index[np.isfinite(trajectories.value[rows[0], index])]
        if index.size < _FEWEST_CHECKPOINTS:
            continue
        tokens = trajectories.tokens[index]
        along = np.append(tokens, tokens[-1])
        own = points.select(np.append(index, index[-1]))
        counts = [int((tokens <= share * tokens[-1]).sum()) for share in SHARES[:-1]] + [index.size - 1]
        for row, belief in zip(rows, process.conditional(rest, own, range(len(rows))), strict=True):
            value = trajectories.value[row, index]
            followed = follow(scattered(belief, row, along / tokens[-1]), value, along)
            unit, first = followed.spread[0, 0], followed.median[0, 0]
            found.append(
                Rehearsal(
                    row,
                    other,
                    index,
                    followed,
                    (value - followed.expected) / followed.error,
                    (followed.median[counts, 0] - first) / unit,
                    float((value[-1] - first) / unit),
                    followed.spread[counts, 0] / unit,
                )
            )
    return found


def _rehearsed(trajectories: Trajectories, process: Process, others: tuple[int, ...]) -> list[tuple[int, Training]]:
    """Choose the runs to rehearse, the largest first, and what each is followed from.

    These are the runs of less compute, as the run in hand is mostly the largest; all others where no run has two.
    """
    compute = trajectories.compute()
    order = sorted(others, key=lambda run: -compute[run])
    smaller = [(other, [run for run in others if compute[run] < 0.99 * compute[other]]) for other in order]
    chosen = [(other, process.training.of(rest)) for other, rest in smaller]
    chosen = [(other, rest) for other, rest in chosen if np.unique(rest.points.run).size >= _FEWEST_SMALLER]
    if not chosen:
        chosen = [(other, process.training.of([run for run in others if run != other])) for other in order]
    return [(other, rest) for other, rest in chosen[:_MOST] if len(rest.points)]
