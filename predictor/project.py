"""checkpoints.yaml: the runs of a ladder, where their checkpoints are, and how they are scored."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import BaseModel, BeforeValidator, Field, WithJsonSchema

from predictor.checkpoint_pattern import is_remote
from predictor.config_file import Lines, read_yaml
from predictor.distribution import install_command
from predictor.errors import ConfigError, InputError
from predictor.project_mistakes import check_references, closest, explain
from predictor.quantity import LARGEST_COUNT, parse_quantity, shorten
from predictor.redaction import redact
from predictor.scheduling import (
    Duration,
    Executor,
    LocalExecutor,
    Mlflow,
    Notify,
    Section,
    Selection,
    Tensorboard,
    Trackers,
    Wandb,
    Watch,
)

DEFAULT_CONFIG = "checkpoints.yaml"


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise ValueError("a count such as 7e9, 7B or 7000000000 is needed")
    try:
        count = parse_quantity(value)
    except InputError as error:
        raise ValueError(str(error).removeprefix("number ")) from None
    if count > LARGEST_COUNT:
        raise ValueError(f"{shorten(value)} is too large; no count here exceeds {LARGEST_COUNT:.0e}")
    return round(count)


def _device(value: Any) -> str:
    if not isinstance(value, str) or not _DEVICE.fullmatch(value):
        raise ValueError(f"'{shorten(value)}' is not a device; write auto, cpu, cuda or cuda:0")
    return value


_MOST_GPUS = 4096
# The devices that lm-eval's `hf` knows by name; it takes any other word for the processor.
_DEVICE = re.compile(r"auto|cpu|mps(:0)?|(cuda|npu|xpu|hpu)(:[0-9]{1,3})?")
Device = Annotated[str, BeforeValidator(_device)]
Count = Annotated[
    int,
    BeforeValidator(_count),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]
Role = Literal["ladder", "target"]
Backend = Literal["tree", "hf", "vllm"]
TokensFrom = Literal["step", "name", "trainer_state"]


class Family(Section):
    """Runs that share architecture, data recipe and hyper-parameter rule; what is set here holds for all its runs.

    Attributes:
        tokens_per_step: training tokens of one optimizer step.
        schedule_end: step at which the learning-rate schedule ends.
        checkpoints: where the checkpoints are, with `{run}` and `{step}`.
        tokens_from: where a checkpoint's tokens stand: `step` times tokens_per_step, `{tokens}` in its `name`, or the
            `num_input_tokens_seen` of its `trainer_state`.
        complete_marker: name of the file that says that a checkpoint is complete.
        select: which checkpoints are scored.
        gpus: GPUs that a worker needs for one checkpoint; more than one spread it over them.
        tokenizer: folder of the tokenizer, with `{run}` and `{step}` if wanted, where it is not beside the weights.
    """

    tokens_per_step: Count | None = None
    schedule_end: Count | None = None
    checkpoints: str | None = None
    tokenizer: str | None = None
    tokens_from: TokensFrom | None = None
    complete_marker: str | None = None
    select: Selection | None = None
    gpus: int | None = Field(default=None, ge=1, le=_MOST_GPUS)


class Run(Section):
    """One training run.

    Attributes:
        family: name of its family.
        params: trainable parameters, embeddings included; read from its checkpoints when None.
        params_non_embedding: the same without embeddings; likewise.
        params_active: parameters that one token passes through, of a mixture of experts; likewise.
        unique_tokens: distinct tokens among those it is trained on, where it repeats its data.
        learning_rate: its peak learning rate.
        tokens_per_step: training tokens of one optimizer step; default that of the family.
        schedule_end: step at which the learning-rate schedule ends; default that of the family.
        checkpoints: where its checkpoints are, with `{step}` and if wanted `{run}`; default that of the family.
        role: `ladder`, or `target` for a run that is scored only when asked for and that no law is fitted to.
        tokens_from, complete_marker, select, gpus, tokenizer: as for the family; default those of the family.
        trust_remote_code: run Python code that lies in its checkpoints.
        pickled_weights: load weights that are not safetensors, which can run code.
    """

    family: str
    params: Count | None = None
    params_non_embedding: Count | None = None
    params_active: Count | None = None
    unique_tokens: Count | None = None
    learning_rate: float | None = Field(default=None, gt=0, lt=1)
    tokens_per_step: Count | None = None
    schedule_end: Count | None = None
    checkpoints: str | None = None
    tokenizer: str | None = None
    tokens_from: TokensFrom | None = None
    role: Role = "ladder"
    complete_marker: str | None = None
    select: Selection | None = None
    gpus: int | None = Field(default=None, ge=1, le=_MOST_GPUS)
    trust_remote_code: bool = False
    pickled_weights: bool = False


class Target(Section):
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


class Scoring(Section):
    """How a checkpoint is run.

    Attributes:
        backend: lm-eval's model class: `tree` computes shared prefixes once, `hf` is lm-eval's own, `vllm` needs vLLM.
        batch_size: sequences per forward pass where lm-eval's `hf` is used, or `auto`.
        device: as `cpu`, `cuda` or `cuda:0`; `auto` takes a GPU if there is one.
        dtype: of the weights; `auto` takes the checkpoint's own.
        limit: score only the first items of each task.
        seed: for few-shot examples and sampling; without it lm-eval's own seeds.
        allow_code_execution: run code that the model writes, as humaneval needs.
    """

    backend: Backend = "tree"
    batch_size: Annotated[int, Field(ge=1, le=2**31)] | Literal["auto"] = 32
    device: Device = "auto"
    dtype: Literal["auto", "float32", "float16", "bfloat16"] = "auto"
    limit: int | None = Field(default=None, ge=1, le=LARGEST_COUNT)
    seed: int | None = Field(default=None, ge=0, lt=2**32)
    allow_code_execution: bool = False


class Project(Section):
    """All of checkpoints.yaml. Relative paths in it are relative to its folder, `root`.

    Attributes:
        suite: what is scored on: a shipped suite or a suite file.
        store: folder or URL of the scores.
        ledger: SQLite file or URL of a database; a file in the store when None.
        families: families of runs.
        runs: the runs.
        target: the model to forecast.
        executor: where workers run.
        scoring: how lm-eval is run.
        offline: look nothing up on the hub.
        settle_seconds: a checkpoint with a younger file is still being written.
        select: which checkpoints are scored, where neither the run nor its family says.
        watch: when `evaluate --watch` looks again.
        lease: how long a worker that is not heard of keeps its pairs.
        backoff: how long a failed pair rests before `--watch` tries it again; doubled each time.
        trackers: where scores are shown.
        notify: who is told what happens.
        cache: folder for checkpoints fetched from the hub or an object store.
        root: the folder of checkpoints.yaml.
    """

    suite: str
    store: str = "store"
    ledger: str | None = Field(default=None, repr=False)
    families: dict[str, Family]
    runs: dict[str, Run] = Field(min_length=1)
    target: Target | None = None
    executor: Executor = LocalExecutor()
    scoring: Scoring = Scoring()
    offline: bool = True
    settle_seconds: float = Field(default=60.0, ge=0)
    select: Selection = Selection()
    watch: Watch = Watch()
    lease: Duration = 120.0
    backoff: Duration = 60.0
    trackers: Trackers = Trackers()
    notify: Notify = Notify()
    cache: str = "checkpoint-cache"
    root: Path = Field(default=Path(), exclude=True)

    @property
    def store_path(self) -> Path:
        """The store's folder; a path on an object store where `store` is a URL."""
        return place(self.store, self.root)

    @property
    def ledger_path(self) -> str | None:
        """The ledger's file or URL, with `${NAME}` taken from the environment; None for a file in the store.

        Raises:
            ConfigError: it names a variable that is not set.
        """
        if self.ledger is None:
            return None
        text = re.sub(r"\$\{(\w+)\}", _variable, self.ledger)
        return text if "://" in text else str(self.root / text)

    def checkpoints_of(self, name: str) -> str:
        """The pattern of a run's checkpoint folders, with `{step}` still in it: a path, a URL, or a hub revision."""
        run = self.runs[name]
        pattern = (run.checkpoints or self.families[run.family].checkpoints or "").replace("{run}", name)
        return pattern if is_remote(pattern) else str(self.root / pattern)

    def tokens_from(self, name: str) -> TokensFrom:
        """Where the tokens of a run's checkpoints stand."""
        run = self.runs[name]
        said = run.tokens_from or self.families[run.family].tokens_from
        return said or ("name" if "{tokens}" in self.checkpoints_of(name) else "step")

    def marker_of(self, name: str) -> str | None:
        """Name of the file that says that a checkpoint of a run is complete, or None."""
        run = self.runs[name]
        return run.complete_marker or self.families[run.family].complete_marker

    def tokenizer_of(self, name: str, step: int) -> Path | None:
        """The folder that is said to hold the tokenizer of a run's checkpoint, or None."""
        run = self.runs[name]
        said = run.tokenizer or self.families[run.family].tokenizer
        return None if said is None else place(said.replace("{run}", name).replace("{step}", str(step)), self.root)

    def selection_of(self, name: str) -> Selection:
        """Which checkpoints of a run are scored."""
        run = self.runs[name]
        return run.select or self.families[run.family].select or self.select

    def gpus_of(self, name: str) -> int:
        """GPUs that one checkpoint of a run needs, where there are GPUs."""
        run = self.runs[name]
        return run.gpus or self.families[run.family].gpus or 1

    def tokens_per_step_of(self, name: str) -> int:
        """Training tokens of one optimizer step of a run."""
        run = self.runs[name]
        return run.tokens_per_step or self.families[run.family].tokens_per_step or 0

    def tokens_planned_of(self, name: str) -> int | None:
        """Tokens at which a run's learning-rate schedule ends, or None where that is not stated."""
        run = self.runs[name]
        end = run.schedule_end or self.families[run.family].schedule_end
        return None if end is None else end * self.tokens_per_step_of(name)


def place(text: str, root: Path = Path()) -> Path:
    """Read a folder's name, local or a URL of an object store, as something to walk and open like a path."""
    if "://" not in text:
        return root / text
    from upath import UPath

    try:
        folder: Any = UPath(text)
        # The package behind a URL is looked for when it is first used, too late for one clear line.
        folder.fs  # noqa: B018
    except ImportError:
        raise ConfigError(
            f"{redact(text)} is on an object store, whose package is not installed",
            install_command("objectstore"),
        ) from None
    except ValueError as error:
        raise ConfigError(
            f"{redact(text)} cannot be opened ({error})", "give a folder, or a URL as s3://bucket/store"
        ) from None
    found: Path = folder
    return found


def _variable(match: re.Match[str]) -> str:
    name = match[1]
    if name not in os.environ:
        raise ConfigError(f"ledger names the variable {name}, which is not set", f"set {name}")
    return os.environ[name]


_SECTIONS: dict[str, type[BaseModel]] = {
    "families": Family,
    "runs": Run,
    "target": Target,
    "scoring": Scoring,
    "select": Selection,
    "watch": Watch,
    "trackers": Trackers,
    "notify": Notify,
    "wandb": Wandb,
    "mlflow": Mlflow,
    "tensorboard": Tensorboard,
}
"""What the keys of checkpoints.yaml hold, for proposing what a misspelt one should be."""


def load_project(path: str | Path = DEFAULT_CONFIG) -> Project:
    """Read and check checkpoints.yaml.

    Raises:
        ConfigError: one line that names the key, as `runs.10k.params`, what is wrong with it and what is allowed.
    """
    path = Path(path)
    values, lines = read_yaml(path)
    if "root" in values:
        raise ConfigError(f"{path}:{lines[('root',)]}: root is not a key of a project", closest("root", Project))
    return _checked(values, path.parent, path, lines)


def parse_project(values: Mapping[str, Any], root: Path) -> Project:
    """Check the values of a checkpoints.yaml that is no file.

    Args:
        values: its keys.
        root: the folder that its paths are relative to.

    Raises:
        ConfigError: as of `load_project`.
    """
    return _checked(values, root, root / DEFAULT_CONFIG, {})


def _checked(values: Mapping[str, Any], root: Path, path: Path, lines: Lines) -> Project:
    try:
        project = Project.model_validate({**values, "root": root})
    except pydantic.ValidationError as error:
        raise explain(error, path, lines, _SECTIONS, Project) from None
    check_references(project, path, lines)
    return project
