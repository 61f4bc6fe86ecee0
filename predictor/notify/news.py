"""What is worth a message: each piece of news in a line and the lines below it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from predictor.evaluation.coordinator import Outcome
from predictor.scheduling import NewsKind

_SHOWN = 10


@dataclass(frozen=True)
class News:
    """One piece of news.

    Attributes:
        kind: which event of `notify.events` it is.
        title: in a few words.
        lines: what there is to know, a line each.
    """

    kind: NewsKind
    title: str
    lines: tuple[str, ...] = ()


def news_of_outcome(outcome: Outcome) -> Iterator[News]:
    """Return the news of one look: new scores, failures, and pairs and checkpoints that are not tried again.

    Args:
        outcome: what the look did. Pairs that were given up are news at each look: whoever sends them leaves out what
            was sent before.
    """
    if outcome.scored:
        places = Counter(f"{key.run} step {key.step}" for key in outcome.scored)
        lines = tuple(f"{place}: {count} tasks" for place, count in places.items())
        yield News("scores", f"{len(outcome.scored)} new scores", _cut(lines))
    if outcome.failed:
        reasons = Counter(reason for _, reason in outcome.failed)
        lines = tuple(f"{count}: {reason}" for reason, count in reasons.most_common())
        yield News("failure", f"{len(outcome.failed)} pairs failed", _cut(lines))
    for key, reason in outcome.given_up:
        yield News("quarantine", f"{key.run} step {key.step}, {key.task} is not tried again", (reason,))
    for run, step, reason in outcome.broken:
        yield News("quarantine", f"{run} step {step} cannot be scored", (reason,))


def news_of_disk(folder: Path, least: float) -> News | None:
    """Return that a disk is nearly full, or None.

    Args:
        folder: on the disk.
        least: share of its space that should be free.
    """
    try:
        usage = shutil.disk_usage(folder)
    except OSError:
        return None
    share = usage.free / usage.total if usage.total else 1.0
    if share >= least:
        return None
    free, total = usage.free / 1e9, usage.total / 1e9
    return News("disk", "disk nearly full", (f"{folder}: {free:.1f} of {total:.1f} GB are free, {100 * share:.1f}%",))


def _cut(lines: tuple[str, ...]) -> tuple[str, ...]:
    left = len(lines) - _SHOWN
    return lines if left <= 0 else (*lines[:_SHOWN], f"and {left} more")
