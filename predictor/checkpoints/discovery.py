"""Find the checkpoints that checkpoints.yaml speaks of."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from predictor.checkpoints.hub import find_revisions
from predictor.checkpoints.integrity import why_incomplete
from predictor.checkpoints.selection import select
from predictor.errors import CheckpointError, InputError, UnknownNameError
from predictor.project import Project, is_hub, place
from predictor.quantity import parse_count
from predictor.redaction import redact

TRAINER_STATE = "trainer_state.json"


@dataclass(frozen=True)
class Checkpoint:
    """One checkpoint.

    Attributes:
        family: its run's family.
        run: its run.
        role: `ladder` or `target`.
        params: trainable parameters, embeddings included.
        params_non_embedding: the same without embeddings, or None.
        step: optimizer step.
        tokens: training tokens seen.
        tokens_planned: tokens at which the learning-rate schedule ends, or None.
        path: its folder, local or on an object store.
        incomplete: why it cannot be scored yet, or None if it is whole.
        gpus: GPUs that a worker needs for it.
        trust_remote_code: whether Python code in its folder may be run.
    """

    family: str
    run: str
    role: str
    params: int
    params_non_embedding: int | None
    step: int
    tokens: int
    tokens_planned: int | None
    path: Path
    incomplete: str | None
    gpus: int = 1
    trust_remote_code: bool = False


@dataclass
class Observed:
    """How long the files of checkpoints have been seen unchanged, by a clock that is never set back.

    One that is kept from one look to the next finds a checkpoint settled though its files' times lie in the future.
    """

    _seen: dict[str, tuple[object, float]] = field(default_factory=dict)

    def unchanged_for(self, folder: Path) -> float:
        """Seconds since the first look that found the folder's files as they are now; 0.0 at that look."""
        try:
            looks = [(path.name, path.stat()) for path in folder.iterdir()]
        except OSError:
            return 0.0
        files = sorted((name, stat.st_size, stat.st_mtime) for name, stat in looks)
        now = time.monotonic()
        before, since = self._seen.get(str(folder), (None, now))
        if before != files:
            since = now
        self._seen[str(folder)] = (files, since)
        return now - since


def find_checkpoints(
    project: Project,
    runs: Sequence[str] = (),
    roles: Sequence[str] = ("ladder",),
    observed: Observed | None = None,
) -> list[Checkpoint]:
    """Find the checkpoints of a project's runs that shall be scored, whole or not, by run and step.

    Args:
        project: the runs and where their checkpoints are.
        runs: only these runs, whatever their role; all of `roles` when empty.
        roles: only runs of these roles.
        observed: what was seen at earlier looks.

    Raises:
        UnknownNameError: a run that the project does not have.
        CheckpointError: two folders of a run have the same step, or the folders cannot be listed.
    """
    for name in runs:
        if name not in project.runs:
            raise UnknownNameError("run", name, project.runs)
    wanted = runs or [name for name, run in project.runs.items() if run.role in roles]
    found: list[Checkpoint] = []
    for name in dict.fromkeys(wanted):
        found += _of_run(project, name, observed)
    return found


def _of_run(project: Project, name: str, observed: Observed | None) -> list[Checkpoint]:
    run = project.runs[name]
    pattern = project.checkpoints_of(name)
    if is_hub(pattern):
        revisions = find_revisions(pattern, project.root / project.cache, project.offline)
        places = [_Place(one.step, one.tokens, one.path, one.incomplete) for one in revisions]
    else:
        places = _folders(pattern, name)
    by_step: dict[int, _Place] = {}
    for one in places:
        if one.step in by_step:
            raise CheckpointError(
                f"run {name} has two checkpoints of step {one.step}: {by_step[one.step].path} and {one.path}",
                "move one of them away",
            )
        by_step[one.step] = one
    chosen = select(sorted(by_step), project.selection_of(name))
    checkpoints = []
    for step in chosen:
        one = by_step[step]
        incomplete = one.incomplete or why_incomplete(
            one.path,
            project.settle_seconds,
            marker=project.marker_of(name),
            unchanged_for=observed.unchanged_for(one.path) if observed is not None else 0.0,
            pickled=run.pickled_weights,
        )
        tokens = 0
        if incomplete is None:
            try:
                tokens = _tokens(project, name, one)
            except CheckpointError as error:
                incomplete = str(error)
        checkpoints.append(
            Checkpoint(
                family=run.family,
                run=name,
                role=run.role,
                params=run.params,
                params_non_embedding=run.params_non_embedding,
                step=step,
                tokens=tokens,
                tokens_planned=project.tokens_planned_of(name),
                path=one.path,
                incomplete=incomplete,
                gpus=project.gpus_of(name),
                trust_remote_code=run.trust_remote_code,
            )
        )
    return checkpoints


@dataclass(frozen=True)
class _Place:
    step: int
    tokens: int | None
    path: Path
    incomplete: str | None = None


def _folders(pattern: str, run: str) -> list[_Place]:
    """List the folders that match `runs/a/step_{step}/hf`, `s3://bucket/a/iter_*`, `step{step}-tokens{tokens}`."""
    scheme, separator, rest = pattern.partition("://")
    parts = (rest if separator else pattern).split("/")
    first = next(index for index, part in enumerate(parts) if "{step}" in part or "*" in part)
    before = place(scheme + separator + "/".join(parts[:first]) if separator else "/".join(parts[:first]) or "/")
    name = _expression(parts[first])
    try:
        entries = sorted(before.iterdir(), key=lambda entry: entry.name) if before.is_dir() else []
    except PermissionError:
        raise CheckpointError(
            f"the checkpoints of run {run} in {redact(str(before))} may not be read",
            "check the permissions or credentials",
        ) from None
    except Exception as error:
        # What the package behind an object store raises has no common class.
        raise CheckpointError(
            f"the checkpoints of run {run} in {redact(str(before))} cannot be listed "
            f"({redact(f'{type(error).__name__}: {error}')[:200]})",
            "check that it can be reached and that the credentials have not expired",
        ) from None
    found = []
    for entry in entries:
        match = name.fullmatch(entry.name)
        folder = entry.joinpath(*parts[first + 1 :])
        if match is None or not folder.is_dir():
            continue
        named = match.groupdict()
        step = int(named["step"]) if "step" in named else _step_of(folder, entry.name)
        if step is None:
            continue
        found.append(_Place(step, _quantity(named.get("tokens"), folder), folder))
    return found


def _expression(part: str) -> re.Pattern[str]:
    text = re.escape(part).replace(re.escape("{step}"), r"(?P<step>\d+)", 1)
    text = text.replace(re.escape("{tokens}"), r"(?P<tokens>[\d.]+[kKMBT]?)", 1)
    return re.compile(text.replace(re.escape("*"), ".*"))


def _step_of(folder: Path, name: str) -> int | None:
    """The step of a folder that matched a `*`: of its trainer state, or the last number in its name."""
    step = _trainer_state(folder).get("global_step")
    if isinstance(step, int):
        return step
    numbers = re.findall(r"\d+", name)
    return int(numbers[-1]) if numbers else None


def _trainer_state(folder: Path) -> dict[str, object]:
    try:
        state = json.loads((folder / TRAINER_STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _quantity(text: str | None, folder: Path) -> int | None:
    if text is None:
        return None
    try:
        return parse_count(text)
    except InputError as error:
        raise CheckpointError(
            f"the tokens in the name of {folder} cannot be read ({error.message})", "name it as step10-tokens4B"
        ) from None


def _tokens(project: Project, run: str, one: _Place) -> int:
    source = project.tokens_from(run)
    if source == "name" and one.tokens is not None:
        return one.tokens
    if source == "trainer_state":
        seen = _trainer_state(one.path).get("num_input_tokens_seen")
        if not isinstance(seen, int) or seen <= 0:
            raise CheckpointError(
                f"{one.path / TRAINER_STATE} does not say num_input_tokens_seen",
                "train with include_num_input_tokens_seen, or give tokens_per_step",
            )
        return seen
    return one.step * project.tokens_per_step_of(run)
