"""What is missing: the (checkpoint, task) pairs of a project that no scores file answers yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from predictor.checkpoints import Checkpoint, digest_of, find_checkpoints, fingerprint_of
from predictor.errors import CheckpointError, EvaluationError, UnknownNameError
from predictor.evaluation.harness import Harness
from predictor.evaluation.identity import identity_of, settings_of, sha256_of_json
from predictor.evaluation.suites import Suite, SuiteTask, load_suite
from predictor.project import Project
from predictor.results.ledger import FAILED, Ledger, PairKey
from predictor.results.store import Store, file_name

MOST_ATTEMPTS = 3


@dataclass(frozen=True)
class Pair:
    """A (checkpoint, task) to score.

    Attributes:
        key: its names and identity.
        entry: what the suite says of the task.
        protocol: digest of the task's protocol.
    """

    key: PairKey
    entry: SuiteTask
    protocol: str


@dataclass(frozen=True)
class Unit:
    """The missing pairs of one checkpoint, scored by one worker with the model loaded once.

    Attributes:
        checkpoint: the checkpoint.
        digest: hash of its content.
        pairs: what is missing of it.
    """

    checkpoint: Checkpoint
    digest: str
    pairs: tuple[Pair, ...]


@dataclass(frozen=True)
class Plan:
    """What is to be done and what not.

    Attributes:
        units: what is to be scored, largest model first.
        done: pairs whose scores are in the store.
        given_up: pairs that failed too often, with their reason.
        unloadable: tasks that lm-eval cannot load, with the reason, and their pairs.
        incomplete: checkpoints that are not whole, each with its reason.
        tasks: rows of `tasks.parquet`.
        runs: rows of `runs.parquet`.
    """

    units: tuple[Unit, ...]
    done: tuple[PairKey, ...]
    given_up: tuple[tuple[PairKey, str], ...]
    unloadable: tuple[tuple[PairKey, str], ...]
    incomplete: tuple[Checkpoint, ...]
    tasks: pd.DataFrame
    runs: pd.DataFrame

    @property
    def missing(self) -> int:
        """Number of pairs to score."""
        return sum(len(unit.pairs) for unit in self.units)


@dataclass
class Planner:
    """Makes the plan of a project.

    Attributes:
        project: the project, with its scoring as it shall be used.
        store: where the scores are.
        ledger: where attempts and checkpoints' digests are remembered.
        harness: makes lm-eval ready, called only if a task is not known yet.
        tell: takes a line on what is being done when that takes time.
    """

    project: Project
    store: Store
    ledger: Ledger
    harness: Callable[[], Harness]
    tell: Callable[[str], None] = lambda line: None
    _failures: dict[str, str] = field(default_factory=dict)

    def plan(
        self,
        runs: Sequence[str] = (),
        tasks: Sequence[str] = (),
        roles: Sequence[str] = ("ladder",),
        retry_failed: bool = False,
    ) -> Plan:
        """Find the checkpoints, and compare them with the store.

        Raises:
            ConfigError, UnknownNameError: the suite, a run or a task is not what it should be.
        """
        entries = chosen_tasks(load_suite(self.project.suite, self.project.root), tasks)
        checkpoints = find_checkpoints(self.project, runs, roles)
        whole = [checkpoint for checkpoint in checkpoints if checkpoint.incomplete is None]
        described = self._describe(entries)
        digests = self._digests(whole)
        states = self.ledger.states()
        units, done, given_up, unloadable = [], [], [], []
        for checkpoint in whole:
            pairs = []
            for entry in entries:
                key = self._key(checkpoint, digests[checkpoint], entry, described)
                if entry.name in self._failures:
                    unloadable.append((key, self._failures[entry.name]))
                elif self.store.has(key.run, key.step, key.task, key.identity):
                    done.append(key)
                elif (
                    not retry_failed
                    and key.identity in states
                    and states[key.identity].state == FAILED
                    and states[key.identity].attempts >= MOST_ATTEMPTS
                ):
                    given_up.append((key, states[key.identity].reason))
                else:
                    pairs.append(Pair(key, entry, described[entry.name]["protocol"]))
            if pairs:
                units.append(Unit(checkpoint, digests[checkpoint], tuple(pairs)))
        # The longest work first, so that no worker is left alone with it at the end.
        units.sort(key=lambda unit: -unit.checkpoint.params)
        return Plan(
            tuple(units),
            tuple(done),
            tuple(given_up),
            tuple(unloadable),
            tuple(checkpoint for checkpoint in checkpoints if checkpoint.incomplete is not None),
            pd.DataFrame(list(described.values())),
            run_rows(self.project),
        )

    def _key(
        self, checkpoint: Checkpoint, digest: str, entry: SuiteTask, described: dict[str, dict[str, Any]]
    ) -> PairKey:
        if entry.name in described:
            identity = identity_of(str(described[entry.name]["protocol"]), digest)
        else:
            identity = sha256_of_json({"unloadable": entry.task, "checkpoint": digest})
        return PairKey(identity, checkpoint.run, checkpoint.step, entry.name)

    def _describe(self, entries: Sequence[SuiteTask]) -> dict[str, dict[str, Any]]:
        """Learn each task's protocol: from the store if nothing that makes it has changed, else from lm-eval."""
        rows: dict[str, dict[str, Any]] = {}
        known = self.store.read_tasks()
        remembered = {} if known is None else {str(row["settings"]): row for row in known.to_dict("records")}
        for entry in entries:
            settings = settings_of(entry, self.project.scoring)
            row = remembered.get(settings)
            if row is None:
                self.tell(f"loading task {entry.task}")
                try:
                    loaded = self.harness().load_task(entry)
                except EvaluationError as error:
                    self._failures[entry.name] = str(error)
                    continue
                row = {
                    "task": entry.name,
                    "num_fewshot": loaded.num_fewshot,
                    "n_items": loaded.n_items(self.project.scoring),
                    "protocol": loaded.protocol.digest,
                }
            words = {"metric": entry.metric, "chance": entry.chance, "settings": settings}
            rows[entry.name] = {**{str(name): value for name, value in row.items()}, **words}
        return rows

    def _digests(self, checkpoints: Sequence[Checkpoint]) -> dict[Checkpoint, str]:
        remembered = self.ledger.digests()
        digests = {}
        for checkpoint in checkpoints:
            path, fingerprint = str(checkpoint.path.resolve()), fingerprint_of(checkpoint.path)
            known = remembered.get(path)
            if known is not None and known[0] == fingerprint:
                digests[checkpoint] = known[1]
                continue
            self.tell(f"hashing {checkpoint.run} step {checkpoint.step}")
            digests[checkpoint] = digest_of(checkpoint.path)
            if fingerprint_of(checkpoint.path) != fingerprint:
                raise CheckpointError(f"{checkpoint.path} changed while it was read", "wait until it is written")
            self.ledger.keep_digest(path, fingerprint, digests[checkpoint])
        return digests


def chosen_tasks(suite: Suite, names: Sequence[str] = ()) -> list[SuiteTask]:
    """Pick tasks of a suite by their lm-eval name or their name in tables; all of them when no name is given.

    Raises:
        UnknownNameError: the suite has no such task.
    """
    by_name = suite.tasks | {entry.task: entry for entry in suite.tasks.values()}
    for name in names:
        if name not in by_name:
            raise UnknownNameError("task", name, suite.tasks, f"the suite {suite.name}")
    return list(dict.fromkeys(by_name[name] for name in names)) or list(suite.tasks.values())


def run_rows(project: Project) -> pd.DataFrame:
    """What checkpoints.yaml says of its runs, as rows of `runs.parquet`."""
    rows = [
        {
            "run": name,
            "family": run.family,
            "role": run.role,
            "params": run.params,
            "params_non_embedding": run.params_non_embedding,
            "tokens_per_step": project.tokens_per_step_of(name),
            "tokens_planned": project.tokens_planned_of(name),
        }
        for name, run in project.runs.items()
    ]
    whole = dict.fromkeys(("params", "params_non_embedding", "tokens_per_step", "tokens_planned"), "Int64")
    return pd.DataFrame(rows).astype(whole)


def stem_of(key: PairKey) -> tuple[str, str, str]:
    """How a pair stands in `Store.done`."""
    return (file_name(key.run), str(key.step), f"{file_name(key.task)}-{key.identity[:16]}")
