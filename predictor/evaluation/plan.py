"""What is missing: the (checkpoint, task) pairs of a project that no scores file answers yet."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import pandas as pd

from predictor.checkpoints import Checkpoint, Observed, digest_of, fingerprint_of, ledger_name, look_for_checkpoints
from predictor.errors import CheckpointError, ConfigError, EvaluationError
from predictor.evaluation.harness import Harness
from predictor.evaluation.identity import identity_of, named_versions, settings_of, sha256_of_json, versions
from predictor.evaluation.suites import SuiteTask, chosen_tasks, load_suite
from predictor.project import Project
from predictor.results.layout import stem_of
from predictor.results.ledger import FAILED, Ledger, PairKey
from predictor.results.schema import MODEL_COLUMNS
from predictor.results.store import Store
from predictor.results.table_file import IMPORTED


@dataclass(frozen=True)
class Choice:
    """What of a project is evaluated.

    Attributes:
        runs: only these runs, whatever their role.
        tasks: only these tasks of the suite.
        roles: which runs; `("target",)` scores the target's own run.
        retry_failed: try pairs again that were given up.
        new_version: score anew what an earlier version of lm-eval scored.
    """

    runs: Sequence[str] = ()
    tasks: Sequence[str] = ()
    roles: Sequence[str] = ("ladder",)
    retry_failed: bool = False
    new_version: bool = False


EVERYTHING = Choice()


@dataclass(frozen=True)
class Pair:
    """A (checkpoint, task) to score.

    Attributes:
        key: its names and identity.
        entry: what the suite says of the task.
        protocol: digest of the task's protocol.
        lm_eval: the version of lm-eval that the protocol names: an earlier one where scores were kept over an upgrade.
    """

    key: PairKey
    entry: SuiteTask
    protocol: str
    lm_eval: str


@dataclass(frozen=True)
class Unit:
    """Missing pairs of one checkpoint, scored by one worker with the model loaded once.

    Attributes:
        checkpoint: the checkpoint.
        digest: hash of its content.
        pairs: what is missing of it.
        job: the name under which they are leased; empty while they wait.
        size: how large a worker they need, in multiples of a normal one.
        fingerprint: of its files when they were hashed; empty where that is not known.
    """

    checkpoint: Checkpoint
    digest: str
    pairs: tuple[Pair, ...]
    job: str = ""
    size: int = 1
    fingerprint: str = ""


@dataclass(frozen=True)
class Twin:
    """A pair whose identity another pair has: the same checkpoint under another run or step. Its score is copied.

    Attributes:
        key: the pair.
        checkpoint: its checkpoint.
        source: the pair that is scored.
    """

    key: PairKey
    checkpoint: Checkpoint
    source: PairKey


@dataclass(frozen=True)
class Plan:
    """What is to be done and what not.

    Attributes:
        units: what is to be scored, largest model first.
        done: pairs whose scores are in the store.
        given_up: pairs that failed too often, with their reason.
        unloadable: tasks that lm-eval cannot load, with the reason, and their pairs.
        resting: pairs that failed and whose next attempt is not due yet.
        twins: pairs that need no scoring of their own.
        incomplete: checkpoints that are not whole, each with its reason.
        unmatched: runs without any checkpoint, and where was looked.
        near: runs beside whose checkpoints are folders that nearly match, with their names.
        noted: whole checkpoints of which a reader should know something.
        earlier: pairs whose scores an earlier version of lm-eval made: version -> pairs.
        notes: what else a reader should know.
        tasks: rows of `tasks.parquet`.
        runs: rows of `runs.parquet`.
    """

    units: tuple[Unit, ...]
    done: tuple[PairKey, ...]
    given_up: tuple[tuple[PairKey, str], ...]
    unloadable: tuple[tuple[PairKey, str], ...]
    resting: tuple[PairKey, ...]
    twins: tuple[Twin, ...]
    incomplete: tuple[Checkpoint, ...]
    tasks: pd.DataFrame
    runs: pd.DataFrame
    unmatched: tuple[tuple[str, str], ...] = ()
    near: tuple[tuple[str, str], ...] = ()
    noted: tuple[Checkpoint, ...] = ()
    earlier: Mapping[str, Sequence[PairKey]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    @property
    def missing(self) -> tuple[PairKey, ...]:
        """Pairs without a score that will have one: by scoring them, or by a copy."""
        scored = (pair.key for unit in self.units for pair in unit.pairs)
        return (*scored, *(twin.key for twin in self.twins))


class PairPlace(NamedTuple):
    """Where a score lies: its run and step as they stand in the files' names."""

    run: str
    step: int


@dataclass
class Planner:
    """Makes the plan of a project.

    Attributes:
        project: the project, with its scoring as it shall be used.
        store: where the scores are.
        ledger: where attempts and checkpoints' digests are remembered.
        harness: makes lm-eval ready, called only if a task is not known yet.
        tell: takes a line on what is being done when that takes time.
        observed: what was seen of the checkpoints at earlier plans.
    """

    project: Project
    store: Store
    ledger: Ledger
    harness: Callable[[], Harness]
    tell: Callable[[str], None] = lambda line: None
    observed: Observed | None = None
    _failures: dict[str, str] = field(default_factory=dict)

    def plan(self, choice: Choice = EVERYTHING, now: float = math.inf) -> Plan:
        """Find the checkpoints, and compare them with the store.

        Args:
            choice: what of the project is evaluated.
            now: seconds since the epoch; pairs whose next attempt is later rest. By default no pair is held back.

        Raises:
            ConfigError, UnknownNameError: the suite, a run or a task is not what it should be.
        """
        if IMPORTED in self.project.runs:
            raise ConfigError(
                f"runs.{IMPORTED}: the store keeps scores of others under that name", "give the run another one"
            )
        entries = chosen_tasks(load_suite(self.project.suite, self.project.root), choice.tasks)
        look = look_for_checkpoints(self.project, choice.runs, choice.roles, self.observed)
        checkpoints, digests, fingerprints = self._digests(look.checkpoints)
        whole = [checkpoint for checkpoint in checkpoints if checkpoint.incomplete is None]
        described = self._describe(entries, choice.new_version)
        states, files = self.ledger.unfinished(), self.store.done()
        units, done, given_up, unloadable, resting = [], [], [], [], []
        twins: list[Twin] = []
        earlier: dict[str, list[PairKey]] = defaultdict(list)
        homes = {stem: PairPlace(run, int(step)) for run, step, stem in files if step.isdigit()}
        planned: dict[str, PairKey] = {}
        for checkpoint in whole:
            pairs = []
            for entry in entries:
                key = self._key(checkpoint, digests[checkpoint], entry, described)
                place = stem_of(key.run, key.step, key.task, key.identity)
                state = states.get(key.identity)
                if place in files:
                    done.append(key)
                    if described[entry.name]["lm_eval"] != versions()["lm_eval"]:
                        earlier[str(described[entry.name]["lm_eval"])].append(key)
                elif entry.name in self._failures:
                    unloadable.append((key, self._failures[entry.name]))
                elif place[2] in homes or key.identity in planned:
                    source = planned.get(key.identity) or PairKey(key.identity, *homes[place[2]], key.task)
                    twins.append(Twin(key, checkpoint, source))
                elif state is not None and state.state == FAILED and state.given_up and not choice.retry_failed:
                    given_up.append((key, state.reason))
                elif state is not None and state.state == FAILED and state.not_before > now:
                    resting.append(key)
                else:
                    planned[key.identity] = key
                    row = described[entry.name]
                    pairs.append(Pair(key, entry, row["protocol"], row["lm_eval"]))
            if pairs:
                units.append(Unit(checkpoint, digests[checkpoint], tuple(pairs), fingerprint=fingerprints[checkpoint]))
        units.sort(key=self._order)
        return Plan(
            tuple(units),
            tuple(done),
            tuple(given_up),
            tuple(unloadable),
            tuple(resting),
            tuple(twins),
            tuple(checkpoint for checkpoint in checkpoints if checkpoint.incomplete is not None),
            pd.DataFrame(list(described.values())),
            run_rows(self.project, whole, self.store.read_runs()),
            look.unmatched,
            look.near,
            tuple(checkpoint for checkpoint in whole if checkpoint.notes),
            earlier,
        )

    def _order(self, unit: Unit) -> tuple[bool, int]:
        """The newest first where that is wished; else the longest work, so that it is not left alone at the end."""
        newest = self.project.selection_of(unit.checkpoint.run).newest_first
        return (not newest, -unit.checkpoint.tokens if newest else -unit.checkpoint.params)

    def _key(
        self, checkpoint: Checkpoint, digest: str, entry: SuiteTask, described: dict[str, dict[str, Any]]
    ) -> PairKey:
        if entry.name in described:
            protocol = str(described[entry.name]["protocol"])
            identity = identity_of(protocol, digest, checkpoint.trust_remote_code)
        else:
            identity = sha256_of_json({"unloadable": entry.task, "checkpoint": digest})
        return PairKey(identity, checkpoint.run, checkpoint.step, entry.name)

    def _describe(self, entries: Sequence[SuiteTask], new_version: bool) -> dict[str, dict[str, Any]]:
        """Learn each task's protocol: from the store if nothing that makes it has changed, else from lm-eval."""
        rows: dict[str, dict[str, Any]] = {}
        known = self.store.read_tasks()
        remembered = {} if known is None else {str(row["settings"]): row for row in known.to_dict("records")}
        for entry in entries:
            settings = settings_of(entry, self.project.scoring)
            row: Mapping[Any, Any] | None = remembered.get(settings)
            is_asked = new_version and row is not None and row["lm_eval"] != versions()["lm_eval"]
            if row is None or is_asked or row["loaded_with"] != named_versions():
                row = self._load(entry, row, keep=not is_asked)
            if row is not None:
                words = {
                    "metric": entry.metric,
                    "chance": entry.chance,
                    "settings": settings,
                    "variant_of": entry.variant_of,
                }
                rows[entry.name] = {**{str(name): value for name, value in row.items()}, **words}
        return rows

    def _load(self, entry: SuiteTask, earlier: Mapping[Any, Any] | None, keep: bool) -> Mapping[Any, Any] | None:
        """Learn a task's protocol from lm-eval; with `keep` an earlier version's stays where the task is the same."""
        self.tell(f"loading task {entry.task}")
        try:
            loaded = self.harness().load_task(entry)
        except EvaluationError as error:
            self._failures[entry.name] = str(error)
            return earlier
        now = versions()["lm_eval"]
        fresh = {
            "task": entry.name,
            "num_fewshot": loaded.num_fewshot,
            "n_items": loaded.n_items(self.project.scoring),
            "protocol": loaded.protocol.digest,
            "lm_eval": now,
            "loaded_with": named_versions(),
        }
        if earlier is None or not keep:
            return fresh
        before = str(earlier["lm_eval"])
        if loaded.protocol.of_version(before).digest == earlier["protocol"]:
            return {**earlier, "loaded_with": named_versions()}
        if before == now:
            return fresh
        self._failures[entry.name] = (
            f"task {entry.task} of lm-eval {now} differs from that of lm-eval {before}, which made its earlier scores; "
            f"install lm-eval {before}, or score all anew with 'predictor evaluate --new-version'"
        )
        return earlier

    def _digests(
        self, checkpoints: Sequence[Checkpoint]
    ) -> tuple[list[Checkpoint], dict[Checkpoint, str], dict[Checkpoint, str]]:
        """Hash the whole checkpoints; one that cannot be read is incomplete, and the others go on.

        Returns:
            the checkpoints, and of each whole one its digest and the fingerprint that its files had then.
        """
        remembered = self.ledger.digests()
        found, digests, fingerprints = [], {}, {}
        for checkpoint in checkpoints:
            if checkpoint.incomplete is None:
                try:
                    digests[checkpoint], fingerprints[checkpoint] = self._digest(checkpoint, remembered)
                except CheckpointError as error:
                    checkpoint = replace(checkpoint, incomplete=str(error))
            found.append(checkpoint)
        return found, digests, fingerprints

    def _digest(self, checkpoint: Checkpoint, remembered: Mapping[str, tuple[str, str]]) -> tuple[str, str]:
        home, tokenizer = checkpoint.path, checkpoint.tokenizer
        path, fingerprint = ledger_name(home), fingerprint_of(home, tokenizer)
        known = remembered.get(path)
        if known is not None and known[0] == fingerprint:
            return known[1], fingerprint
        self.tell(f"hashing {checkpoint.run} step {checkpoint.step}")
        digest = digest_of(home, tokenizer)
        if fingerprint_of(home, tokenizer) != fingerprint:
            raise CheckpointError(f"{home} changed while it was read", "wait until it is written")
        self.ledger.keep_digest(path, fingerprint, digest)
        return digest, fingerprint


def run_rows(project: Project, checkpoints: Sequence[Checkpoint], known: pd.DataFrame | None = None) -> pd.DataFrame:
    """Build the rows of `runs.parquet`: what checkpoints.yaml says of its runs, and what their checkpoints add.

    Args:
        project: the project.
        checkpoints: its whole checkpoints.
        known: the rows that are there; what the weights said before they were taken away stays.
    """
    latest = {checkpoint.run: checkpoint for checkpoint in checkpoints}
    before = {} if known is None else {str(row["run"]): row for row in known.to_dict("records")}
    rows = []
    for name, run in project.runs.items():
        row = {
            "run": name,
            "family": run.family,
            "role": run.role,
            "tokens_per_step": project.tokens_per_step_of(name),
            "tokens_planned": project.tokens_planned_of(name),
            "unique_tokens": run.unique_tokens,
            "learning_rate": run.learning_rate,
        }
        said = {column: getattr(run, column, None) for column in _OF_THE_MODEL}
        found = model_columns(latest[name]) if name in latest else before.get(name, {})
        rows.append({**row, **{column: said[column] or found.get(column) for column in _OF_THE_MODEL}})
    whole = dict.fromkeys((*_OF_THE_MODEL, "tokens_per_step", "tokens_planned", "unique_tokens"), "Int64")
    return pd.DataFrame(rows).astype({**whole, "learning_rate": "float64"})


def model_columns(checkpoint: Checkpoint) -> dict[str, int | None]:
    """What is known of a checkpoint's model, by the columns of the results table."""
    return {
        "params": checkpoint.params or None,
        "params_non_embedding": checkpoint.params_non_embedding,
        **{column: getattr(checkpoint.model, column) for column in MODEL_COLUMNS},
    }


_OF_THE_MODEL = ("params", "params_non_embedding", *MODEL_COLUMNS)
