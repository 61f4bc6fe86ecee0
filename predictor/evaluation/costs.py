"""What scoring costs, as measured, and work cut into pieces of about equal time."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from predictor.evaluation.plan import Pair, Unit

_UNKNOWN = 60.0
"""Seconds of a pair of which nothing is known yet."""


@dataclass
class Costs:
    """Seconds that pairs take, learnt from those that are done.

    Attributes:
        params: run -> its parameters; cost is taken to grow in proportion to them.
    """

    params: Mapping[str, int]
    _measured: dict[tuple[str, str], list[float]] = field(default_factory=lambda: defaultdict(list))

    def learn(self, rows: Iterable[tuple[str, str, float]]) -> None:
        """Take in measured pairs: run, task, seconds."""
        for run, task, seconds in rows:
            self._measured[run, task].append(seconds)

    def of(self, run: str, task: str) -> float:
        """Seconds that a pair will take: the median of its run's, or of the run nearest in size, scaled by size."""
        own = self._measured.get((run, task))
        if own:
            return statistics.median(own)
        size = self.params.get(run)
        others = [name for name, other in self._measured if other == task and name in self.params]
        if size is None or not others:
            return _UNKNOWN
        nearest = min(others, key=lambda name: abs(self.params[name] - size))
        # A smaller model is not taken to be faster: loading data and prompts costs the same.
        scale = max(1.0, size / self.params[nearest])
        return scale * statistics.median(self._measured[nearest, task])

    def of_unit(self, unit: Unit) -> float:
        """Seconds that a unit's pairs will take together."""
        return sum(self.of(pair.key.run, pair.key.task) for pair in unit.pairs)

    def split(self, unit: Unit, seconds: float) -> list[Unit]:
        """Cut a unit into pieces that take at most that long each, or hold a single pair."""
        pieces: list[list[Pair]] = []
        filled = 0.0
        for pair in unit.pairs:
            cost = self.of(pair.key.run, pair.key.task)
            if not pieces or filled + cost > seconds:
                pieces.append([])
                filled = 0.0
            pieces[-1].append(pair)
            filled += cost
        return [replace(unit, pairs=tuple(piece)) for piece in pieces]

    def halve(self, unit: Unit) -> tuple[Unit, Unit] | None:
        """Cut a unit into two of about equal cost; None if that would not pay for loading the model twice."""
        if len(unit.pairs) < 2 or self.of_unit(unit) < _UNKNOWN:
            return None
        pieces = self.split(unit, self.of_unit(unit) / 2)
        rest: Sequence[Pair] = [pair for piece in pieces[1:] for pair in piece.pairs]
        return pieces[0], replace(unit, pairs=tuple(rest))
