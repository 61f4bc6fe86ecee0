"""How many answers a suite wants sampled of each item, and when that is enough."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# The first round of an item that is sampled until so many passes, and by how much its samples grow with each round: the
# last round overshoots by a quarter of them at most.
_FIRST = 8
_GROWTH = 1.25


@dataclass(frozen=True)
class SamplingRule:
    """When sampling of an item ends.

    Attributes:
        samples: answers of every item at least.
        temperature: of the draws; the task's own where None and it draws, or else 1.
        until_passes: go on until so many answers are right; `samples` answers of every item where None.
        most_samples: stop there in any case.
    """

    samples: int
    temperature: float | None
    until_passes: int | None
    most_samples: int

    def parts(self) -> dict[str, float | int | None]:
        """Return the rule as a part of a protocol."""
        return {
            "samples": self.samples,
            "temperature": self.temperature,
            "until_passes": self.until_passes,
            "most_samples": self.most_samples,
        }

    def count(self, right: np.ndarray) -> tuple[int, int, int | None] | None:
        """Count an item's samples up to where the rule stops; None while it does not.

        Args:
            right: of each sample in the order of drawing, whether it is right; those after the stop do not count.

        Returns:
            samples, passes, and `until_passes` where sampling stopped because of it.
        """
        passes = np.cumsum(right[: self.most_samples])
        if self.until_passes is not None and passes.size and passes[-1] >= self.until_passes:
            tries = int(np.searchsorted(passes, self.until_passes)) + 1
            if tries > self.samples:
                return tries, self.until_passes, self.until_passes
            if passes.size >= self.samples:
                return self.samples, int(passes[self.samples - 1]), None
            return None
        if passes.size >= self.most_samples:
            return self.most_samples, int(passes[self.most_samples - 1]), None
        return None

    def next_total(self, drawn: int) -> int:
        """Return how many samples of an item there shall be after the next round."""
        if drawn < self.samples:
            return self.samples
        if drawn == 0:
            return min(_FIRST, self.most_samples)
        return min(max(drawn + 1, round(drawn * _GROWTH)), self.most_samples)
