"""Find the runs in a tree of folders: which folders are checkpoints, of which run and step, and of what size."""

from __future__ import annotations

import os
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from predictor.checkpoints.facts import ModelFacts, facts_of
from predictor.checkpoints.integrity import look_at
from predictor.checkpoints.tokenizer import find_tokenizer
from predictor.checkpoints.training_facts import TrainingFacts, read_training_facts
from predictor.errors import CheckpointError, InputError

_WEIGHTS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
_STEP = re.compile(r"(?P<before>.*?(?:global_step|step|checkpoint|ckpt|iter|iteration|batch)[-_=]?)(?P<step>\d+)", re.I)
_NUMBER = re.compile(r"(?P<before>)(?P<step>\d+)")
_TOKENS = re.compile(r"tokens?[-_]?(?P<tokens>\d+(?:\.\d+)?[kmbt])", re.I)
_GENERIC = frozenset(
    {"checkpoints", "checkpoint", "ckpts", "ckpt", "hf", "models", "model", "output", "outputs", "runs"}
)
_DEEPEST = 8


@dataclass(frozen=True)
class FoundRun:
    """A run and its checkpoints.

    Attributes:
        name: its name, that of its folder.
        pattern: its checkpoints below the scanned folder, with `{step}`.
        template: the same with `{run}` in the place of its name, where that stands in it.
        steps: its steps, rising.
        model: what its last checkpoint says of the model.
        training: what its files say of the training.
        in_name: whether the folders' names state tokens.
    """

    name: str
    pattern: str
    template: str
    steps: tuple[int, ...]
    model: ModelFacts
    training: TrainingFacts
    in_name: bool = False

    @property
    def lacks_tokens(self) -> bool:
        """Whether nothing says how many tokens its checkpoints have seen."""
        return not (self.in_name or self.training.counted or self.training.tokens_per_step)


@dataclass(frozen=True)
class Scan:
    """What a tree holds.

    Attributes:
        root: the folder that was scanned.
        runs: the runs, by the parameters of their models.
        left_out: folders with a model that are no checkpoint of a run, each with the reason.
    """

    root: Path
    runs: tuple[FoundRun, ...]
    left_out: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class _Part:
    """Where the step stands in a checkpoint's path: the folders before it, the name with `{step}`, those behind it."""

    before: tuple[str, ...]
    name: str
    behind: tuple[str, ...]


def scan(root: Path) -> Scan:
    """Find the runs below a folder.

    A checkpoint is a folder with `config.json` and weights of transformers whose path has a step: `base-1b/step_200`,
    `base-1b/checkpoint-200/hf`, `base-1b/0000200`.

    Raises:
        InputError: there is no such folder, or no checkpoint in it.
    """
    if not root.is_dir():
        raise InputError(f"{root} is no folder", "name the folder that holds the checkpoints")
    groups: dict[_Part, dict[int, Path]] = defaultdict(dict)
    left_out = []
    for folder in _models(root):
        parts = folder.relative_to(root).parts
        placed = _place(parts)
        if placed is None:
            left_out.append(("/".join(parts) or ".", "its path has no step, as step_1000"))
            continue
        part, step = placed
        groups[part][step] = folder
    if not groups:
        hint = f"; {left_out[0][0]}: {left_out[0][1]}" if left_out else ""
        raise InputError(
            f"{root} holds no checkpoint of transformers (config.json and weights){hint}",
            "name a folder with checkpoints as run/step_1000",
        )
    names = _names(list(groups), root)
    runs = [_run(names[part], part, root, steps) for part, steps in groups.items()]
    return Scan(root, tuple(sorted(runs, key=lambda run: (run.model.params or 0, run.name))), tuple(left_out))


def _models(root: Path) -> Iterator[Path]:
    """Walk to the folders with a model; what lies below one is not looked at."""
    for folder, inner, files in os.walk(root):
        path = Path(folder)
        if "config.json" in files and any(name in files for name in _WEIGHTS):
            inner.clear()
            yield path
        elif len(path.relative_to(root).parts) >= _DEEPEST:
            inner.clear()
        else:
            inner[:] = sorted(name for name in inner if not name.startswith("."))


def _place(parts: tuple[str, ...]) -> tuple[_Part, int] | None:
    """Find the last folder name with a step; a name that is a number alone counts where no other has one."""
    for expression in (_STEP, _NUMBER):
        for place in range(len(parts) - 1, -1, -1):
            match = (expression.match if expression is _STEP else expression.fullmatch)(parts[place])
            if match is not None:
                rest = _TOKENS.sub(
                    lambda found: found[0].replace(found["tokens"], "{tokens}"), parts[place][match.end() :]
                )
                name = f"{match['before']}{{step}}{rest}"
                return _Part(parts[:place], name, parts[place + 1 :]), int(match["step"])
    return None


def _names(parts: list[_Part], root: Path) -> dict[_Part, str]:
    """Name each run by the last telling folder before its steps, by more of them where two would be named alike."""
    telling = {
        part: [name for name in part.before if name.lower() not in _GENERIC] or [root.resolve().name] for part in parts
    }
    names = {part: own[-1] for part, own in telling.items()}
    count = Counter(names.values())
    return {
        part: name if count[name] == 1 else "-".join([*telling[part], *(part.behind if len(telling[part]) < 2 else ())])
        for part, name in names.items()
    }


def _run(name: str, part: _Part, root: Path, steps: dict[int, Path]) -> FoundRun:
    last = steps[max(steps)]
    try:
        look = look_at(last, settle_seconds=0.0, pickled=True, tokenizer=find_tokenizer(last, root))
        model = facts_of(look.config, look.tensors)
    except CheckpointError:
        model = ModelFacts()
    before = list(part.before)
    own = len(before) - 1 - before[::-1].index(name) if name in before else None
    template = ["{run}" if place == own else folder for place, folder in enumerate(before)]
    folder = None if own is None else root.joinpath(*before[: own + 1])
    return FoundRun(
        name=name,
        pattern="/".join([*before, part.name, *part.behind]),
        template="/".join([*template, part.name, *part.behind]),
        steps=tuple(sorted(steps)),
        model=model,
        training=read_training_facts(folder or (root if not before else None), last),
        in_name="{tokens}" in part.name,
    )
