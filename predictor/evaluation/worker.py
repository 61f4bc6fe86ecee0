"""A worker scores the missing pairs of a checkpoint and writes each one's files. It keeps no results of its own.

What it reports is for the ledger; that a pair is done is said by its scores file alone.
"""

from __future__ import annotations

import errno
import gc
import logging
import time
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pandas as pd

from predictor.checkpoints import Checkpoint, digest_of, fingerprint_of
from predictor.checkpoints.fetch import found_locally, local_copy
from predictor.errors import CheckpointError, EvaluationError, MisfitError, PredictorError, StoreError
from predictor.evaluation.harness import Harness
from predictor.evaluation.identity import backend_of
from predictor.evaluation.measures import NotFiniteError, measure
from predictor.evaluation.plan import Pair, Unit, model_columns
from predictor.evaluation.surroundings import take_process
from predictor.project import Scoring
from predictor.redaction import redact
from predictor.results.ledger import PairKey
from predictor.results.sample_files import SampleFiles
from predictor.results.schema import COLUMNS, MODEL_COLUMNS
from predictor.results.store import Store

STARTED, FINISHED, FAILED = "started", "finished", "failed"
LOST = "lost"
"""The worker has gone, or was stopped, through no fault of the pair: it waits again."""
TOO_LARGE = "too large"
"""Out of memory with one sequence at a time: a larger worker is needed."""
_TAIL = 2000
T = TypeVar("T")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What a worker says of a pair.

    Attributes:
        event: started, finished, failed, lost or too large.
        key: the pair.
        reason: why it failed or was lost.
        log: the tail of the log, of a pair that failed.
        final: whether trying again would end the same.
        seconds: what scoring took, of a pair that is finished.
    """

    event: str
    key: PairKey
    reason: str = ""
    log: str = ""
    final: bool = False
    seconds: float | None = None


Events = Generator[Report | str | None, None, None]
"""What an executor yields: what happens to a pair, a line on what stands in the way, or None about every second."""


@dataclass(frozen=True)
class Gone:
    """Why a worker is no longer there.

    Attributes:
        event: what that means for the pair in its hand: failed, lost, or too large.
        reason: one line.
        log: the tail of its log.
    """

    event: str
    reason: str
    log: str = ""

    def reports(self, left: Iterable[PairKey], in_hand: PairKey | None) -> Iterator[Report]:
        """Yield what becomes of the pairs that it left.

        A failure is that of one pair, so that it ends: the one in its hand, or the first, as it most likely died before
        it began. The others are lost.
        """
        keys = list(left)
        blamed = in_hand or next(iter(keys), None)
        for key in keys:
            is_blamed = key == blamed
            event = LOST if self.event == FAILED and not is_blamed else self.event
            yield Report(event, key, self.reason, log=self.log if is_blamed else "")


@dataclass(frozen=True)
class Workshop:
    """What every worker needs.

    Attributes:
        store: the store's folder or URL.
        scoring: how to score.
        offline: never look anything up on the hub.
        log: local file for the warnings of other packages.
        cache: local folder for checkpoints that are fetched from an object store.
    """

    store: Path
    scoring: Scoring
    offline: bool
    log: Path
    cache: Path | None = None

    @property
    def work_folder(self) -> Path:
        """The local folder of the log and the locks."""
        return self.log.parent

    def take_process(self) -> None:
        """Set what other packages read from the environment, in a process that only works for this."""
        take_process(self.offline, self.scoring.allow_code_execution)

    def harness(self) -> Harness:
        """Make lm-eval ready."""
        return Harness(self.scoring, offline=self.offline, log=self.log)

    def log_tail(self) -> str:
        """The end of the log."""
        return tail_of(self.log)


class _RevokedError(Exception):
    """The pairs were given to another worker while one of them was scored."""


def tail_of(path: Path, size: int = _TAIL) -> str:
    """Read the end of a text file; empty where there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - size))
            return redact(file.read().decode(errors="replace"))
    except OSError:
        return ""


def score_unit(
    unit: Unit,
    harness: Harness,
    store: Store,
    revoked: Callable[[], bool] = lambda: False,
    cache: Path | None = None,
    ahead: Unit | None = None,
) -> Iterator[Report]:
    """Score all pairs of a unit, one after the other; a pair that fails does not stop the next.

    Args:
        unit: the checkpoint and its pairs.
        harness: lm-eval.
        store: where the scores go.
        revoked: asked before a pair is begun and before it is written: whether it was given to another worker.
        cache: local folder for checkpoints that are fetched.
        ahead: what this worker will most likely be given next: its weights are read while this unit is scored.

    Yields:
        what happens to each pair, as it happens.

    Raises:
        StoreError: the store cannot be written to; the pairs that are left were reported as lost.
    """
    models: dict[str, Any] = {}
    pairs = iter(unit.pairs)
    for pair in pairs:
        key = pair.key
        if revoked():
            return
        if store.has(key.run, key.step, key.task, key.identity):
            yield Report(FINISHED, key)
            continue
        yield Report(STARTED, key)
        began = time.monotonic()
        try:
            # Inside the loop: a checkpoint that cannot be loaded fails each of its pairs, with the reason.
            backend = backend_of(pair.entry, harness.scoring)
            if backend not in models:
                models[backend] = _load(unit, backend, harness, cache)
                _read_ahead(ahead, harness, cache)
            _score_pair(pair, unit, models[backend], harness, store, revoked)
        except _RevokedError:
            return
        except (NotFiniteError, MisfitError) as error:
            # The weights are broken: the other pairs would only say so again.
            name = f"checkpoint {key.run} step {key.step} is broken"
            for broken in (pair, *pairs):
                yield Report(FAILED, broken.key, f"{name}: {error}", final=True)
        except StoreError as error:
            for lost in (pair, *pairs):
                yield Report(LOST, lost.key, str(error))
            raise
        except Exception as error:
            if is_out_of_memory(error):
                # The model goes, too: what is left of the memory is not to be trusted.
                models.clear()
                harness.forget_models()
                _free_memory()
                yield Report(TOO_LARGE, key, "out of memory with one sequence at a time")
                continue
            reason = str(error)
            if not isinstance(error, PredictorError):
                _log.exception("%s step %s, %s", key.run, key.step, key.task)
                reason = f"{type(error).__name__}: {error}"
            yield Report(FAILED, key, reason, log=redact(traceback.format_exc())[-_TAIL:])
        else:
            yield Report(FINISHED, key, seconds=time.monotonic() - began)


def _load(unit: Unit, backend: str, harness: Harness, cache: Path | None) -> Any:
    """Load a unit's checkpoint, as it was when it was hashed: its scores go by that."""
    place, tokenizer = unit.checkpoint.path, unit.checkpoint.tokenizer
    folder = local_copy(place, unit.digest, cache, tokenizer)
    is_here = folder == place
    # A copy has its tokenizer beside its weights.
    model = harness.load_model(folder, backend, tokenizer=tokenizer if is_here else None, **_asked(unit))
    # What is fetched is hashed again.
    changed = is_here and unit.fingerprint and fingerprint_of(folder, tokenizer) != unit.fingerprint
    # Only its permissions, or another machine's clock, may have changed.
    if changed and digest_of(folder, tokenizer) != unit.digest:
        raise CheckpointError(f"{folder} changed after it was planned", "the next evaluation takes it as it is then")
    return model


def _asked(unit: Unit) -> dict[str, bool]:
    return {
        "trust_remote_code": unit.checkpoint.trust_remote_code,
        "spread": unit.checkpoint.gpus * unit.size > 1,
    }


def _read_ahead(unit: Unit | None, harness: Harness, cache: Path | None) -> None:
    """Begin to read a unit's checkpoint, if it lies on this machine."""
    if unit is not None and (folder := found_locally(unit.checkpoint.path, unit.digest, cache)) is not None:
        tokenizer = unit.checkpoint.tokenizer if folder == unit.checkpoint.path else None
        harness.read_ahead(folder, backend_of(unit.pairs[0].entry, harness.scoring), tokenizer, **_asked(unit))


def is_out_of_memory(error: BaseException | None) -> bool:
    """Tell whether an error, or one that it came from, says that memory is short."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        # torch.OutOfMemoryError, and the RuntimeError of its allocator for the processor's memory.
        if type(error).__name__ == "OutOfMemoryError" or (
            isinstance(error, RuntimeError) and ("out of memory" in str(error) or "can't allocate memory" in str(error))
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def _free_memory() -> None:
    gc.collect()
    import torch

    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _score_pair(
    pair: Pair, unit: Unit, model: Any, harness: Harness, store: Store, revoked: Callable[[], bool]
) -> None:
    loaded = harness.load_task(pair.entry)
    protocol = loaded.protocol.of_version(pair.lm_eval)
    if protocol.digest != pair.protocol:
        raise EvaluationError(
            f"the definition or the data of task {pair.entry.task} changed after it was planned",
            f"remove {store.path / 'tasks.parquet'} and run again",
        )
    result = _with_smaller_batches(harness, model, loaded, lambda: harness.run(model, loaded))
    key = pair.key
    files = SampleFiles(store.pair_path("samples", key.run, key.step, key.task, key.identity).with_suffix(""))

    def check() -> None:
        if revoked():
            raise _RevokedError

    drawn = _with_smaller_batches(harness, model, loaded, lambda: harness.sample(model, loaded, result, files, check))
    scores, items = measure(result, loaded, model, drawn)
    check()
    place = describe(unit.checkpoint, pair.entry.name, loaded.num_fewshot)
    stamp = {"identity": pair.key.identity, "protocol": pair.protocol, "checkpoint": unit.digest}
    store.write(
        _placed(scores, {**place, **stamp}, [*COLUMNS, *MODEL_COLUMNS, *stamp]),
        _placed(items, {**place, **stamp}, [*place, *stamp, *items.columns]),
        protocol.identity_parts(unit.digest, unit.checkpoint.trust_remote_code),
    )
    if drawn is not None:
        files.remove()


def _with_smaller_batches(harness: Harness, model: Any, loaded: Any, score: Callable[[], T]) -> T:
    """Score; where memory runs out, with half the batch, and half of that, down to one sequence.

    The batch stays small for the model's other tasks: they would most likely run out again.
    """
    while True:
        try:
            return score()
        except Exception as error:
            if is_out_of_memory(error) and harness.drop_ahead():
                # What is read for the next checkpoint must not cost this one its score.
                _log.warning("%s: out of memory, trying without the next checkpoint's weights", loaded.entry.task)
                continue
            size = getattr(model, "batch_size_per_gpu", 1)
            if not is_out_of_memory(error) or size == 1:
                raise
            # `auto` had found a size that does not hold for all of the task's items.
            smaller = 16 if isinstance(size, str) else int(size) // 2
            _log.warning("%s: out of memory with batches of %s, trying %s", loaded.entry.task, size, smaller)
        model.batch_size_per_gpu = smaller
        _free_memory()


def describe(checkpoint: Checkpoint, task: str, num_fewshot: int) -> dict[str, Any]:
    """The columns of the results schema that say which (checkpoint, task) a row belongs to."""
    return {
        "family": checkpoint.family,
        "run": checkpoint.run,
        **model_columns(checkpoint),
        "step": checkpoint.step,
        "tokens": checkpoint.tokens,
        "tokens_planned": checkpoint.tokens_planned,
        "task": task,
        "num_fewshot": num_fewshot,
    }


def _placed(frame: pd.DataFrame, place: dict[str, Any], columns: list[str]) -> pd.DataFrame:
    # All columns at once: added one after the other they cost more than the files that they are written to.
    values = {name: place[name] if name in place else frame.get(name, float("nan")) for name in columns}
    placed = pd.DataFrame(values, index=frame.index)
    kinds = {name: kind for name, kind in {**COLUMNS, **MODEL_COLUMNS}.items() if name in columns and kind != "str"}
    return placed.astype(kinds)
