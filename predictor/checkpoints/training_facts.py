"""What the files beside a run's checkpoints say of its training: tokens of one step, and where its schedule ends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.checkpoints.json_file import read_json_object
from predictor.checkpoints.patterns import TRAINER_STATE
from predictor.config_file import read_yaml
from predictor.errors import ConfigError

_PER_STEP = ("tokens_per_step", "tokens_per_batch", "global_batch_tokens", "batch_size_tokens")
_ENDS = ("steps_planned", "max_steps", "train_iters", "total_steps", "num_train_steps", "max_iters", "num_steps")
_BATCH = ("global_batch_size", "global_train_batch_size", "train_batch_size")
_LENGTH = ("seq_length", "seq_len", "sequence_length", "max_seq_len", "max_seq_length", "block_size", "context_length")
_LARGEST, _MOST_FILES, _DEPTH = 1_000_000, 20, 3


@dataclass(frozen=True)
class TrainingFacts:
    """What is said of a run's training; None where nothing says it.

    Attributes:
        tokens_per_step: training tokens of one optimizer step.
        schedule_end: step at which the learning-rate schedule ends.
        counted: whether `trainer_state.json` counts the tokens of each checkpoint.
        sources: where that stands, one line for each.
    """

    tokens_per_step: int | None = None
    schedule_end: int | None = None
    counted: bool = False
    sources: tuple[str, ...] = ()


def read_training_facts(run: Path | None, checkpoint: Path) -> TrainingFacts:
    """Read what the JSON and YAML files of a run's folder, and of one checkpoint, say of the training.

    Args:
        run: the folder of the run, None where it holds several runs.
        checkpoint: the last checkpoint of the run.
    """
    state = _read(checkpoint / TRAINER_STATE)
    sources: list[str] = []
    counted = _count(state, ("num_input_tokens_seen",)) is not None
    end = _count(state, ("max_steps",))
    if end is not None:
        sources.append(f"schedule_end from {TRAINER_STATE}")
    per_step = None
    for path in _files(run):
        values = dict(_flat(_read(path)))
        if per_step is None and (per_step := _tokens_per_step(values)) is not None:
            sources.append(f"tokens_per_step from {path.name}")
        if end is None and (end := _count(values, _ENDS)) is not None:
            sources.append(f"schedule_end from {path.name}")
    return TrainingFacts(per_step, end, counted, tuple(sources))


def _tokens_per_step(values: Mapping[str, Any]) -> int | None:
    stated = _count(values, _PER_STEP)
    if stated is not None:
        return stated
    batch, length = _count(values, _BATCH), _count(values, _LENGTH)
    return None if batch is None or length is None else batch * length


def _files(run: Path | None) -> list[Path]:
    if run is None:
        return []
    try:
        found = [path for path in sorted(run.iterdir()) if path.suffix in (".json", ".yaml", ".yml")]
        return [path for path in found if path.is_file() and path.stat().st_size < _LARGEST][:_MOST_FILES]
    except OSError:
        return []


def _read(path: Path) -> Mapping[str, Any]:
    try:
        return read_json_object(path) if path.suffix == ".json" else read_yaml(path)[0]
    except (OSError, ValueError, ConfigError):
        return {}


def _flat(values: Mapping[str, Any], depth: int = 0) -> Iterator[tuple[str, Any]]:
    """List the values of nested sections by their own names; outer ones last, so that they count."""
    for value in values.values():
        if isinstance(value, Mapping) and depth < _DEPTH:
            yield from _flat(value, depth + 1)
    yield from ((str(name), value) for name, value in values.items() if not isinstance(value, Mapping))


def _count(values: Mapping[str, Any], names: tuple[str, ...]) -> int | None:
    known = (values.get(name) for name in names)
    return next(
        (value for value in known if isinstance(value, int) and not isinstance(value, bool) and value > 0), None
    )
