"""What every skill of the tiny ladder's text is made of: examples, a split into training and held-out, a sampler."""

from __future__ import annotations

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass

HELD_OUT_ONE_IN = 8


@dataclass(frozen=True)
class Example:
    """One line of text, cut where a model is asked to continue.

    The line is `prompt + answer + tail`. `key` names what must not be shared between training and evaluation;
    `kind` and `difficulty` are the planted difficulty (`difficulty` grows with hardness within one skill).
    """

    prompt: str
    answer: str
    kind: str
    difficulty: int
    key: str
    tail: str = ""

    @property
    def line(self) -> str:
        """The training line, without its newline."""
        return self.prompt + self.answer + self.tail


@dataclass(frozen=True)
class Skill:
    """A skill: how its lines are drawn, and how its evaluation items are asked.

    `wrong` gives the wrong choices of an example; None means that the item is answered by free generation.
    `catalogue` lists every item of knowledge that can only be memorised, so training and evaluation share it; None
    means an algorithmic skill, whose items come from the held-out part of its keys.
    `weight` is the share of training lines, `chance` the score of a guess.
    """

    name: str
    weight: float
    chance: float
    sample: Callable[[random.Random], Example]
    wrong: Callable[[Example, random.Random], list[str]] | None = None
    catalogue: Callable[[], list[Example]] | None = None

    def is_held_out(self, example: Example) -> bool:
        """Whether an example belongs to evaluation only; decided by a hash, so that it never depends on a seed."""
        if self.catalogue is not None:
            return False
        return zlib.crc32(f"{self.name}:{example.key}".encode()) % HELD_OUT_ONE_IN == 0

    def draw(self, rng: random.Random, held_out: bool = False) -> Example:
        """Draw an example of the training part, or of the held-out part."""
        while True:
            example = self.sample(rng)
            if self.is_held_out(example) == held_out:
                return example
