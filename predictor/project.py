"""checkpoints.yaml: the runs of a ladder, where their checkpoints are, and how they are scored."""

from __future__ import annotations

import difflib
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from predictor.config_file import prefixes, read_yaml
from predictor.errors import ConfigError, InputError
from predictor.quantity import parse_quantity

DEFAULT_CONFIG = "checkpoints.yaml"


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("a count such as 7e9, 7B or 7000000000 is needed")
    try:
        return round(parse_quantity(value))
    except InputError as error:
        raise ValueError(str(error).removeprefix("number ")) from None


Count = Annotated[int, BeforeValidator(_count)]
Role = Literal["ladder", "target"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Family(_Section):
    """Runs that share architecture, data recipe and hyper-parameter rule; what is set here holds for all its runs.

    Attributes:
        tokens_per_step: training tokens of one optimizer step.
        schedule_end: step at which the learning-rate schedule ends.
        checkpoints: where the checkpoints are, with `{run}` and `{step}`.
    """

    tokens_per_step: Count | None = None
    schedule_end: Count | None = None
    checkpoints: str | None = None


class Run(_Section):
    """One training run.

    Attributes:
        family: name of its family.
        params: trainable parameters, embeddings included.
        params_non_embedding: the same without embeddings.
        tokens_per_step: training tokens of one optimizer step; default that of the family.
        schedule_end: step at which the learning-rate schedule ends; default that of the family.
        checkpoints: where its checkpoints are, with `{step}` and if wanted `{run}`; default that of the family.
        role: `ladder`, or `target` for a run that is scored only when asked for and that no law is fitted to.
    """

    family: str
    params: Count
    params_non_embedding: Count | None = None
    tokens_per_step: Count | None = None
    schedule_end: Count | None = None
    checkpoints: str | None = None
    role: Role = "ladder"


class Target(_Section):
    """The model to forecast.

    Attributes:
        family: name of its family.
        params: trainable parameters, embeddings included.
        tokens: training tokens at its end.
        run: the run of role `target` that is this model, where its checkpoints exist already.
    """

    family: str
    params: Count
    tokens: Count
    run: str | None = None


class LocalExecutor(_Section):
    """Workers on this machine.

    Attributes:
        kind: `local`.
        workers: processes that score at the same time; 1 scores in the process itself.
    """

    kind: Literal["local"] = "local"
    workers: int = Field(default=1, ge=1, le=1024)


class Scoring(_Section):
    """How lm-eval's `hf` model is run.

    Attributes:
        batch_size: sequences per forward pass, or `auto`.
        device: as `cpu`, `cuda` or `cuda:0`; `auto` takes a GPU if there is one.
        dtype: of the weights; `auto` takes the checkpoint's own.
        limit: score only the first items of each task.
        seed: for few-shot examples and sampling; without it lm-eval's own seeds.
        allow_code_execution: run code that the model writes, as humaneval needs.
    """

    batch_size: Annotated[int, Field(ge=1)] | Literal["auto"] = 32
    device: str = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    limit: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=0)
    allow_code_execution: bool = False


class Project(_Section):
    """All of checkpoints.yaml. Relative paths in it are relative to its folder, `root`."""

    suite: str
    store: str = "store"
    families: dict[str, Family]
    runs: dict[str, Run] = Field(min_length=1)
    target: Target | None = None
    executor: LocalExecutor = LocalExecutor()
    scoring: Scoring = Scoring()
    offline: bool = True
    settle_seconds: float = Field(default=60.0, ge=0)
    root: Path = Field(default=Path(), exclude=True)

    @property
    def store_path(self) -> Path:
        """The store's folder."""
        return self.root / self.store

    def checkpoints_of(self, name: str) -> Path:
        """The pattern of a run's checkpoint folders, with `{step}` still in it."""
        run = self.runs[name]
        pattern = run.checkpoints or self.families[run.family].checkpoints or ""
        return self.root / pattern.replace("{run}", name)

    def tokens_per_step_of(self, name: str) -> int:
        """Training tokens of one optimizer step of a run."""
        run = self.runs[name]
        return run.tokens_per_step or self.families[run.family].tokens_per_step or 0

    def tokens_planned_of(self, name: str) -> int | None:
        """Tokens at which a run's learning-rate schedule ends, or None where that is not stated."""
        run = self.runs[name]
        end = run.schedule_end or self.families[run.family].schedule_end
        return None if end is None else end * self.tokens_per_step_of(name)


def load_project(path: str | Path = DEFAULT_CONFIG) -> Project:
    """Read and check checkpoints.yaml.

    Raises:
        ConfigError: one line that names the key, as `runs.10k.params`, what is wrong with it and what is allowed.
    """
    path = Path(path)
    values, lines = read_yaml(path)
    if "root" in values:
        raise ConfigError(f"{path}:{lines[('root',)]}: root is not a key of a project", _closest("root", Project))
    try:
        project = Project.model_validate({**values, "root": path.parent})
    except pydantic.ValidationError as error:
        raise _explain(error, path, lines) from None
    _check_references(project, path, lines)
    return project


def _explain(error: pydantic.ValidationError, path: Path, lines: dict[tuple[str, ...], int]) -> ConfigError:
    """Say the first mistake; a misspelt key before the missing one that it stands for."""
    order = {"extra_forbidden": 0, "missing": 2}
    problem = min(error.errors(), key=lambda one: order.get(one["type"], 1))
    place = tuple(str(part) for part in problem["loc"])
    # Unions add the name of their branch at the end of the path: `scoring.batch_size.int`.
    shown = place if problem["type"] == "missing" else next((k for k in prefixes(place) if k in lines), place)
    line = next((f":{lines[key]}" for key in prefixes(place) if key in lines), "")
    key = ".".join(shown)
    context, given = problem.get("ctx", {}), problem.get("input")
    if problem["type"] == "extra_forbidden":
        message, remedy = f"{key} is not a known key", _closest(place[-1], _model_at(place[:-1]))
    elif problem["type"] == "missing":
        message, remedy = f"{key} is missing", "add it, see docs/config.md"
    elif problem["type"] == "literal_error" or len(shown) < len(place):
        allowed = context.get("expected") or "another value"
        if len(shown) < len(place):
            allowed = " or ".join(
                _told(one) for one in error.errors() if tuple(map(str, one["loc"]))[: len(shown)] == shown
            )
        message, remedy = f"{key} is {given!r}", f"allowed is {allowed}"
    elif problem["type"] == "value_error":
        message, remedy = f"{key}: {context['error']}", ""
    else:
        message, remedy = f"{key} is {_short(given)}", problem["msg"].replace("Input should be", "it should be")
    return ConfigError(f"{path}{line}: {message}", remedy)


def _told(problem: Any) -> str:
    context = problem.get("ctx", {})
    return str(context.get("expected") or problem["msg"].replace("Input should be ", ""))


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _model_at(place: tuple[str, ...]) -> type[BaseModel]:
    sections: dict[str, type[BaseModel]] = {
        "families": Family,
        "runs": Run,
        "target": Target,
        "executor": LocalExecutor,
        "scoring": Scoring,
    }
    return sections[place[0]] if place and place[0] in sections else Project


def _closest(name: str, model: type[BaseModel]) -> str:
    known = [field for field in model.model_fields if field != "root"]
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean {close[0]}?" if close else f"allowed are {', '.join(known)}"


def _check_references(project: Project, path: Path, lines: dict[tuple[str, ...], int]) -> None:
    """Check what one key says of another."""

    def wrong(place: tuple[str, ...], message: str, remedy: str) -> ConfigError:
        line = next((f":{lines[key]}" for key in prefixes(place) if key in lines), "")
        return ConfigError(f"{path}{line}: {'.'.join(place)} {message}", remedy)

    known = f"families has {', '.join(project.families) or 'nothing'}"
    for name, run in project.runs.items():
        if run.family not in project.families:
            raise wrong(("runs", name, "family"), f"is '{run.family}', which is no family here", known)
        family = project.families[run.family]
        if not project.tokens_per_step_of(name):
            raise wrong(("runs", name, "tokens_per_step"), "is missing", f"set it here or in families.{run.family}")
        holder = ("runs", name) if run.checkpoints or not family.checkpoints else ("families", run.family)
        pattern = run.checkpoints or family.checkpoints
        if not pattern:
            raise wrong((*holder, "checkpoints"), "is missing", "give a folder such as checkpoints/{run}/step_{step}")
        if "{step}" not in pattern:
            raise wrong(
                (*holder, "checkpoints"), f"is '{pattern}', without {{step}}", "write as runs/{run}/step_{step}"
            )
        if holder[0] == "families" and "{run}" not in pattern and _runs_of(project, run.family) > 1:
            raise wrong((*holder, "checkpoints"), f"is '{pattern}', the same for all its runs", "put {run} into it")
    if project.target is not None:
        target = project.target
        if target.family not in project.families:
            raise wrong(("target", "family"), f"is '{target.family}', which is no family here", known)
        if target.run is not None and target.run not in project.runs:
            raise wrong(
                ("target", "run"), f"is '{target.run}', which is no run here", f"runs has {', '.join(project.runs)}"
            )
        if target.run is not None and project.runs[target.run].role != "target":
            raise wrong(("target", "run"), f"is '{target.run}', a run of the ladder", "give that run `role: target`")


def _runs_of(project: Project, family: str) -> int:
    return sum(run.family == family and run.checkpoints is None for run in project.runs.values())
