"""The sections of checkpoints.yaml that say when, where and by whom checkpoints are scored."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    WithJsonSchema,
    model_validator,
)

from predictor.quantity import LARGEST_COUNT, shorten

_LONGEST = 3.2e9  # seconds, a hundred years
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def parse_duration(value: Any) -> float:
    """Read a time such as `90`, `90s`, `10m`, `2h` or `1d` as seconds.

    Raises:
        ValueError: it is none, or not above zero.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", str(value)) if not isinstance(value, bool) else None
    seconds = float(match[1]) * _UNITS[match[2] or "s"] if match else 0.0
    if not 0 < seconds <= _LONGEST:
        raise ValueError(f"{shorten(repr(value))} is no time: write seconds, or as 90s, 10m, 2h")
    return seconds


Duration = Annotated[
    float, BeforeValidator(parse_duration), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})
]


class Section(BaseModel):
    """A part of checkpoints.yaml: unknown keys are mistakes, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Selection(Section):
    """Which of a run's checkpoints are scored; each rule narrows what the ones before it left.

    Attributes:
        every: every n-th of the checkpoints that are there, the last one always.
        log_spaced: so many, spaced evenly in the logarithm of tokens, first and last among them.
        last: the last k.
        pinned: these steps in any case.
        newest_first: score the latest checkpoint before the others.
    """

    every: int | None = Field(default=None, ge=1, le=LARGEST_COUNT)
    log_spaced: int | None = Field(default=None, ge=2, le=LARGEST_COUNT)
    last: int | None = Field(default=None, ge=1, le=LARGEST_COUNT)
    pinned: tuple[int, ...] = ()
    newest_first: bool = False


class _Executor(Section):
    """What all executors have.

    Attributes:
        piece: how long a worker's piece of work should take; a checkpoint's tasks are split to fit.
    """

    piece: Duration = 600.0


class LocalExecutor(_Executor):
    """Workers on this machine.

    Attributes:
        kind: `local`.
        workers: processes that score at the same time; 1 scores in the process itself, `auto` takes one per visible
            GPU, or one where there is none.
    """

    kind: Literal["local"] = "local"
    workers: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = 1


class RayExecutor(_Executor):
    """Ray tasks on a cluster that runs already.

    Attributes:
        kind: `ray`.
        address: of the cluster, as `auto` or `ray://head:10001`.
        workers: tasks at the same time; as many as the cluster has room for when None.
        cpus: processors of a worker.
        gpus: GPUs of a worker; one unless `scoring.device` is cpu.
        memory_gb: memory of a worker, or None for no claim.
        resources: custom resources of a worker, by name.
    """

    kind: Literal["ray"]
    address: str = "auto"
    workers: int | None = Field(default=None, ge=1)
    cpus: float = Field(default=1, ge=0)
    gpus: float | None = Field(default=None, ge=0)
    memory_gb: float | None = Field(default=None, gt=0)
    resources: dict[str, float] = {}


class SlurmExecutor(_Executor):
    """Slurm job arrays.

    Attributes:
        kind: `slurm`.
        workers: array tasks at the same time.
        partition, account, qos: as sbatch takes them.
        time: longest time of an array task.
        cpus: processors of a worker.
        gpus: GPUs of a worker; one unless `scoring.device` is cpu.
        memory_gb: memory of a worker, or None for the partition's default.
        container: image that srun starts workers in (pyxis), or None.
        container_mounts: its mounts, as `/project:/project`.
        setup: shell lines before the worker starts, as `module load cuda`.
        python: the Python to run workers with; this one when None.
        extra: further options of sbatch, as {constraint: a100}.
    """

    kind: Literal["slurm"]
    workers: int = Field(default=16, ge=1)
    partition: str | None = None
    account: str | None = None
    qos: str | None = None
    time: Duration = 3600.0
    cpus: int = Field(default=1, ge=1)
    gpus: int | None = Field(default=None, ge=0)
    memory_gb: float | None = Field(default=None, gt=0)
    container: str | None = None
    container_mounts: str | None = None
    setup: tuple[str, ...] = ()
    python: str | None = None
    extra: dict[str, str | int] = {}


def _kind_of(value: Any) -> Any:
    return value.get("kind", "local") if isinstance(value, dict) else getattr(value, "kind", "local")


Executor = Annotated[
    Annotated[LocalExecutor, Tag("local")]
    | Annotated[RayExecutor, Tag("ray")]
    | Annotated[SlurmExecutor, Tag("slurm")],
    Discriminator(_kind_of),
]
EXECUTORS: dict[str, type[BaseModel]] = {"local": LocalExecutor, "ray": RayExecutor, "slurm": SlurmExecutor}


class Watch(Section):
    """When `evaluate --watch` looks for new checkpoints.

    Attributes:
        every: time between two looks.
        cron: a cron expression of five fields instead, as `*/10 * * * *`.
    """

    every: Duration | None = None
    cron: str | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> Watch:
        if self.every is not None and self.cron is not None:
            raise ValueError("every and cron are both given: keep one of them")
        return self


class Wandb(Section):
    """Weights & Biases.

    Attributes:
        project: the project that scores are logged to; each run of the ladder is a run there.
        entity: its owner.
        folder: where its files go.
        offline: write files only, for `wandb sync`.
    """

    project: str
    entity: str | None = None
    folder: str = "wandb"
    offline: bool = True


class Mlflow(Section):
    """MLflow.

    Attributes:
        uri: of the tracking server or store, as `sqlite:///mlflow.db`.
        experiment: name of the experiment.
    """

    uri: str = Field(repr=False)
    experiment: str = "predictor"


class Tensorboard(Section):
    """TensorBoard.

    Attributes:
        folder: where the event files go, a folder per run.
    """

    folder: str


class Trackers(Section):
    """Where scores are shown beside the training curves.

    Attributes:
        axis: `tokens` or `step` of the run.
    """

    axis: Literal["tokens", "step"] = "step"
    wandb: Wandb | None = None
    mlflow: Mlflow | None = None
    tensorboard: Tensorboard | None = None


NewsKind = Literal["scores", "alarm", "failure", "quarantine", "resolved", "disk", "silent"]


class Notify(Section):
    """Who is told what happens, and how often.

    Attributes:
        urls: where to, as apprise writes addresses (`mailto://`, `slack://`, `json://`); `${NAME}` is taken from the
            environment.
        events: what is told; everything where it is not stated.
        at_most: of each kind one message in this time; what happens meanwhile is gathered into the next.
        disk_below: free space of the store's disk, as a share, below which that is told.
        silent_after: how long a coordinator may be unheard of before `predictor notify --watch` tells that.
        heartbeat: a URL that `evaluate --watch` asks for every minute, for a service that tells when that stops.
    """

    urls: tuple[str, ...] = Field(default=(), repr=False)
    events: tuple[NewsKind, ...] = get_args(NewsKind)
    at_most: Duration = 600.0
    disk_below: float = Field(default=0.05, ge=0, lt=1)
    silent_after: Duration = 600.0
    heartbeat: str | None = Field(default=None, repr=False)
