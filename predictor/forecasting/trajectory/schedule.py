"""How far a run's learning rate has been annealed, from what the table states of its schedule.

The gain from annealing is in proportion to the annealing area S2 of Tissue et al. 2024, arXiv 2408.11029, as a share of
the area at the schedule's end.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import InputError, UnknownNameError
from predictor.laws.schedules import annealing_areas, learning_rates

Array = NDArray[np.float64]

KINDS = ("constant", "cosine", "linear", "wsd")
# Columns of a results table beyond its schema that state a schedule.
KIND_COLUMN, SHARE_COLUMN = "schedule", "decay_share"
DEFAULT_DECAY_SHARE = 0.2
# The schedule in this many steps; over so many of them the annealing law remembers a fall of the rate.
_STEPS, _MEMORY = 2000, 20


@dataclass(frozen=True)
class Schedule:
    """The shape of a learning-rate schedule.

    Attributes:
        kind: one of `KINDS`; `wsd` is constant and then falls in a straight line.
        decay_share: share of the planned tokens over which `wsd` falls.
    """

    kind: str
    decay_share: float = DEFAULT_DECAY_SHARE

    def annealed(self, share: Array) -> Array:
        """Return the annealing area at a share of the planned tokens over that at their end, 0 to 1, same shape."""
        if self.kind == "constant":
            return np.zeros_like(share)
        return np.interp(share, np.linspace(0, 1, _STEPS + 1), _areas(self.kind, self.decay_share))

    def describe(self) -> str:
        """Name it, as `wsd with 20% of cool-down`."""
        return f"wsd with {100 * self.decay_share:.0f}% of cool-down" if self.kind == "wsd" else self.kind


# What a run may have followed where the table states the end of the schedule and not its shape.
CANDIDATES = (Schedule("cosine"), Schedule("wsd", 0.2), Schedule("wsd", 0.1), Schedule("linear"))
CONSTANT = Schedule("constant")


@lru_cache
def _areas(kind: str, decay_share: float) -> Array:
    name, share = ("wsd", 1.0) if kind == "linear" else (kind, decay_share)
    rates = learning_rates(name, _STEPS, 1.0, final=0.0, decay_share=share)
    area = np.concatenate([[0.0], annealing_areas(rates, 1 - 1 / _MEMORY)[1]])
    return np.asarray(area / area[-1])


def read_schedules(rows: pd.DataFrame, runs: list[tuple[str, str]]) -> tuple[Schedule | None, ...]:
    """Read each run's schedule; None where its end is stated and its shape is not.

    Args:
        rows: a results table, with columns `schedule` and `decay_share` where these are known.
        runs: family and name of each.

    Raises:
        UnknownNameError: a schedule of no known kind.
        InputError: a decay share outside (0, 1].
    """
    first = rows.groupby(["family", "run"], observed=True).first()
    return tuple(_read(pd.Series(first.loc[run])) for run in runs)


def _read(row: pd.Series) -> Schedule | None:
    kind, share = row.get(KIND_COLUMN), row.get(SHARE_COLUMN)
    if kind is None or pd.isna(kind) or not str(kind).strip():
        return CONSTANT if pd.isna(row["tokens_planned"]) else None
    name = str(kind).strip().lower()
    if name not in KINDS:
        raise UnknownNameError("schedule", name, KINDS)
    decay = DEFAULT_DECAY_SHARE if share is None or pd.isna(share) else float(share)
    if not 0 < decay <= 1:
        raise InputError(
            f"{SHARE_COLUMN} is {decay:g}", "give the share of the tokens over which the rate falls, as 0.2"
        )
    return Schedule(name, decay)
