"""How a project's evaluation stands, read from the files and the ledger; neither torch nor lm-eval is imported."""

from __future__ import annotations

import collections
import fcntl
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from predictor.checkpoints import Checkpoint, find_checkpoints, fingerprint_of
from predictor.evaluation.coordinator import LEDGER, LOCK
from predictor.evaluation.identity import identity_of, settings_of
from predictor.evaluation.plan import MOST_ATTEMPTS, chosen_tasks
from predictor.evaluation.suites import load_suite
from predictor.project import Project
from predictor.results.ledger import DONE, FAILED, RUNNING, WAITING, Ledger, PairState
from predictor.results.store import Store

STATES = (DONE, RUNNING, WAITING, FAILED)


@dataclass(frozen=True)
class PairStatus:
    """How one (checkpoint, task) stands.

    Attributes:
        run: the run.
        step: the checkpoint's step.
        task: the task's name in results tables.
        state: done, running, waiting or failed.
        attempts: how often it failed since it was last done.
        reason: why it failed.
    """

    run: str
    step: int
    task: str
    state: str
    attempts: int = 0
    reason: str = ""

    @property
    def given_up(self) -> bool:
        """Whether it is tried again only with `--retry-failed`."""
        return self.state == FAILED and self.attempts >= MOST_ATTEMPTS


@dataclass(frozen=True)
class Status:
    """How a project's evaluation stands.

    Attributes:
        store: the store's folder.
        holder: the process that evaluates into it now, or None.
        runs: the runs that were looked at.
        pairs: every whole checkpoint with every task of the suite.
        incomplete: checkpoints that are left alone, with their reason.
    """

    store: Path
    holder: str | None
    runs: tuple[str, ...]
    pairs: tuple[PairStatus, ...]
    incomplete: tuple[Checkpoint, ...]

    def counts(self, run: str | None = None) -> dict[str, int]:
        """Number of pairs by state, of one run or of all."""
        count = collections.Counter(pair.state for pair in self.pairs if run in (None, pair.run))
        return {state: count[state] for state in STATES}


def status(
    project: Project,
    *,
    store: str | Path | None = None,
    runs: Sequence[str] = (),
    tasks: Sequence[str] = (),
    roles: Sequence[str] = ("ladder",),
) -> Status:
    """Say what is done, running, waiting and failed.

    Args:
        project: checkpoints.yaml, from `load_project`.
        store: another store than the project's.
        runs: only these runs, whatever their role.
        tasks: only these tasks of the suite.
        roles: which runs.

    Raises:
        ConfigError, UnknownNameError, StoreError: the project, a name or the store is not what it should be.
    """
    home = Store(store if store is not None else project.store_path)
    entries = chosen_tasks(load_suite(project.suite, project.root), tasks)
    checkpoints = find_checkpoints(project, runs, roles)
    known = home.read_tasks()
    settings = {} if known is None else dict(zip(known["settings"], known["protocol"], strict=True))
    protocols = {entry.name: settings.get(settings_of(entry, project.scoring)) for entry in entries}
    states: dict[str, PairState] = {}
    by_place: dict[tuple[str, int, str], PairState] = {}
    digests: dict[str, tuple[str, str]] = {}
    if (home.path / LEDGER).is_file():
        with Ledger(home.path / LEDGER, read_only=True) as ledger:
            states, digests, by_place = ledger.states(), ledger.digests(), ledger.latest()
    holder = _holder(home.path)
    pairs = []
    for checkpoint in checkpoints:
        if checkpoint.incomplete is not None:
            continue
        remembered = digests.get(str(checkpoint.path.resolve()))
        digest = remembered[1] if remembered and remembered[0] == fingerprint_of(checkpoint.path) else None
        for entry in entries:
            place = (checkpoint.run, checkpoint.step, entry.name)
            protocol = protocols[entry.name]
            if protocol is None or digest is None:
                # Never planned as it is now; a task that could not be loaded has no identity but a reason.
                last = by_place.get(place)
                if protocol is None and last is not None and last.state == FAILED:
                    pairs.append(PairStatus(*place, FAILED, last.attempts, last.reason))
                else:
                    pairs.append(PairStatus(*place, WAITING))
                continue
            identity = identity_of(protocol, digest)
            if home.has(*place, identity):
                pairs.append(PairStatus(*place, DONE))
                continue
            state = states.get(identity)
            if state is None or state.state == DONE or (state.state == RUNNING and holder is None):
                # A file that was taken away is scored again; a pair that a killed process held is not running.
                pairs.append(PairStatus(*place, WAITING))
            else:
                pairs.append(PairStatus(*place, state.state, state.attempts, state.reason))
    names = tuple(dict.fromkeys(runs)) or tuple(name for name, run in project.runs.items() if run.role in roles)
    incomplete = tuple(checkpoint for checkpoint in checkpoints if checkpoint.incomplete is not None)
    return Status(home.path, holder, names, tuple(pairs), incomplete)


def _holder(folder: Path) -> str | None:
    path = folder / LOCK
    if not path.is_file():
        return None
    with path.open(encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return file.read().strip() or "another process"
    return None
