"""How an evaluation stands: counted from a project as `predictor status` does, or from the ledger alone."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from predictor.errors import PredictorError
from predictor.results.ledger import DONE, FAILED, RUNNING, WAITING, Ledger

STATES = (DONE, RUNNING, WAITING, FAILED)
_FAILURES = 200
_SHARE = 20.0
"""A count is made no more often than in this many times what it takes."""


@dataclass(frozen=True)
class Progress:
    """How the evaluation into a store stands.

    Attributes:
        counts: state -> number of pairs, over all runs.
        by_run: run -> state -> number of pairs.
        failures: (run, step, task, reason) of pairs that failed, the first 200.
        trouble: why it cannot be counted, or None.
        of_project: whether every pair of the project is counted, also those that were never begun.
    """

    counts: dict[str, int]
    by_run: dict[str, dict[str, int]]
    failures: tuple[tuple[str, int, str, str], ...]
    trouble: str | None = None
    of_project: bool = False

    @classmethod
    def of(
        cls,
        counts: Iterable[tuple[str, str, int]],
        failures: Iterable[tuple[str, int, str, str]],
        trouble: str | None = None,
        of_project: bool = False,
    ) -> Progress:
        """Sum up numbers of pairs by run and state."""
        by_run: dict[str, dict[str, int]] = {}
        for run, state, number in counts:
            states = by_run.setdefault(run, dict.fromkeys(STATES, 0))
            states[state] += number
        total = {state: sum(states[state] for states in by_run.values()) for state in STATES}
        return cls(total, by_run, tuple(failures), trouble, of_project)


def count_ledger(file: Path) -> Progress:
    """Count the pairs of a ledger; pairs that nobody has planned yet are not in it."""
    if not file.is_file():
        return Progress.of((), ())
    try:
        with Ledger(file, read_only=True) as ledger:
            return Progress.of(ledger.counts(), ledger.first_failures(_FAILURES))
    except PredictorError as error:
        return Progress.of((), (), str(error))


def count_project(config: Path, store: Path) -> Progress:
    """Count the pairs of a project, as `predictor status` shows them.

    Args:
        config: checkpoints.yaml.
        store: where its scores are.
    """
    from predictor.evaluation.overview import status
    from predictor.project import load_project

    try:
        pairs = status(load_project(config), store=store, roles=("ladder",)).pairs
    except PredictorError as error:
        return Progress.of((), (), str(error), of_project=True)
    failures = [(pair.run, pair.step, pair.task, pair.reason) for pair in pairs if pair.state == FAILED]
    return Progress.of(((pair.run, pair.state, 1) for pair in pairs), failures[:_FAILURES], of_project=True)


def keep_counting(config: Path, store: Path, every: float, channel: Connection) -> None:
    """Count a project again and again until the other end of the channel is closed.

    Args:
        config: checkpoints.yaml.
        store: where its scores are.
        every: least seconds between two counts.
        channel: takes each count.
    """
    try:
        while True:
            began = time.monotonic()
            channel.send(count_project(config, store))
            taken = time.monotonic() - began
            if channel.poll(max(every, _SHARE * taken)):
                channel.recv()
    except (EOFError, BrokenPipeError):
        return
