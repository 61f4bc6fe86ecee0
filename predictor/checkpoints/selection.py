"""Which of a run's checkpoints are scored."""

from __future__ import annotations

import math
from collections.abc import Sequence

from predictor.scheduling import Selection


def select(steps: Sequence[int], rule: Selection) -> list[int]:
    """Choose steps by a rule.

    Tokens grow in proportion to steps within a run, so spacing by the logarithm of one is that of the other.

    Args:
        steps: the steps that are there, rising.
        rule: the rule; each of its parts narrows what the ones before it left, and pinned steps stay in any case.

    Returns:
        the chosen steps, rising.
    """
    chosen = list(steps)
    if rule.every is not None and chosen:
        # Counted from the end: the latest is always among them.
        chosen = chosen[:: -rule.every][::-1]
    if rule.log_spaced is not None and len(chosen) > rule.log_spaced:
        chosen = _log_spaced(chosen, rule.log_spaced)
    if rule.last is not None:
        chosen = chosen[-rule.last :]
    return sorted({*chosen, *(step for step in steps if step in rule.pinned)})


def _log_spaced(steps: Sequence[int], count: int) -> list[int]:
    positive = [step for step in steps if step > 0]
    low, high = math.log(positive[0]), math.log(positive[-1])
    marks = [low + (high - low) * index / (count - 1) for index in range(count)]
    return sorted({min(positive, key=lambda step: abs(math.log(step) - mark)) for mark in marks})
