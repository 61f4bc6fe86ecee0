"""A worker scores the missing pairs of a checkpoint and writes each one's files. It keeps no results of its own.

What it reports is for the ledger; that a pair is done is said by its scores file alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from predictor.checkpoints import Checkpoint
from predictor.errors import EvaluationError, PredictorError
from predictor.evaluation.harness import Harness
from predictor.evaluation.identity import identity_of
from predictor.evaluation.measures import measure
from predictor.evaluation.plan import Pair, Unit
from predictor.project import Scoring
from predictor.results.ledger import PairKey
from predictor.results.schema import COLUMNS
from predictor.results.store import Store

STARTED, FINISHED, FAILED = "started", "finished", "failed"
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What a worker says of a pair.

    Attributes:
        event: started, finished or failed.
        key: the pair.
        reason: why it failed.
    """

    event: str
    key: PairKey
    reason: str = ""


@dataclass(frozen=True)
class Workshop:
    """What every worker needs.

    Attributes:
        store: the store's folder.
        scoring: how to score.
        offline: never look anything up on the hub.
        log: file for the warnings of other packages.
    """

    store: Path
    scoring: Scoring
    offline: bool
    log: Path

    def harness(self) -> Harness:
        """Make lm-eval ready."""
        return Harness(self.scoring, offline=self.offline, log=self.log)


def score_unit(unit: Unit, harness: Harness, store: Store, tell: Callable[[Report], None]) -> None:
    """Score all pairs of a unit, one after the other; a pair that fails does not stop the next."""
    model = None
    for pair in unit.pairs:
        tell(Report(STARTED, pair.key))
        try:
            # Inside the loop: a checkpoint that cannot be loaded fails each of its pairs, with the reason.
            if model is None:
                model = harness.load_model(unit.checkpoint.path)
            _score_pair(pair, unit, model, harness, store)
        except PredictorError as error:
            tell(Report(FAILED, pair.key, str(error)))
        except Exception as error:
            _log.exception("%s step %s, %s", pair.key.run, pair.key.step, pair.key.task)
            tell(Report(FAILED, pair.key, f"{type(error).__name__}: {error}"))
        else:
            tell(Report(FINISHED, pair.key))


def _score_pair(pair: Pair, unit: Unit, model: object, harness: Harness, store: Store) -> None:
    loaded = harness.load_task(pair.entry)
    if loaded.protocol.digest != pair.protocol:
        raise EvaluationError(
            f"the definition or the data of task {pair.entry.task} changed after it was planned",
            f"remove {store.path / 'tasks.parquet'} and run again",
        )
    scores, items = measure(harness.run(model, loaded), loaded, model)
    identity = identity_of(pair.protocol, unit.digest)
    place = describe(unit.checkpoint, pair.entry.name, loaded.num_fewshot)
    stamp = {"identity": identity, "protocol": pair.protocol, "checkpoint": unit.digest}
    store.write(
        _placed(scores, {**place, **stamp}, [*COLUMNS, *stamp]),
        _placed(items, {**place, **stamp}, [*place, *stamp, *items.columns]),
        loaded.protocol.identity_parts(unit.digest),
    )


def describe(checkpoint: Checkpoint, task: str, num_fewshot: int) -> dict[str, Any]:
    """The columns of the results schema that say which (checkpoint, task) a row belongs to."""
    return {
        "family": checkpoint.family,
        "run": checkpoint.run,
        "params": checkpoint.params,
        "params_non_embedding": checkpoint.params_non_embedding,
        "step": checkpoint.step,
        "tokens": checkpoint.tokens,
        "tokens_planned": checkpoint.tokens_planned,
        "task": task,
        "num_fewshot": num_fewshot,
    }


def _placed(frame: pd.DataFrame, place: dict[str, Any], columns: list[str]) -> pd.DataFrame:
    placed = frame.assign(**place)
    for column in columns:
        if column not in placed.columns:
            placed[column] = float("nan")
    kinds = {name: kind for name, kind in COLUMNS.items() if name in columns and kind != "str"}
    return placed.astype(kinds)[columns]
