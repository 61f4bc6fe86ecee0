"""Scores beside the training curves: Weights & Biases, MLflow and TensorBoard, on the run's own axis.

A score may come late and out of order: it is written at the step, or the tokens, of its checkpoint, whatever was
written before. The ledger remembers what was sent where, so that a restart sends nothing twice and leaves nothing out.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from predictor.distribution import Extra, install_command
from predictor.errors import ConfigError, StoreError
from predictor.project import Project
from predictor.redaction import redact
from predictor.results.ledger import Ledger, PairKey
from predictor.results.store import Store


@dataclass(frozen=True)
class Point:
    """The scores of one pair.

    Attributes:
        run: the run.
        at: its step or tokens.
        values: `<task>/<metric>` -> value.
    """

    run: str
    at: int
    values: dict[str, float]


class Tracker(Protocol):
    """Where scores are shown."""

    name: str

    def send(self, point: Point) -> None:
        """Write one pair's scores; may raise anything."""

    def close(self) -> None:
        """Write out what is left."""


class Trackers:
    """All trackers of a project.

    Args:
        project: checkpoints.yaml.
        store: where scores are read from.
        ledger: remembers what was sent.
        tell: takes a line when a tracker fails; scoring goes on, and the next look tries again.

    Raises:
        ConfigError: a tracker's package is not installed.
    """

    def __init__(self, project: Project, store: Store, ledger: Ledger, tell: Callable[[str], None]) -> None:
        self._axis = project.trackers.axis
        self._store, self._ledger, self._tell = store, ledger, tell
        self._trackers = _make(project)

    def __enter__(self) -> Trackers:
        return self

    def __exit__(self, *error: object) -> None:
        for tracker in self._trackers:
            try:
                tracker.close()
            except Exception as problem:
                self._tell(f"{tracker.name} could not be closed ({redact(str(problem)).strip()[:200]})")

    def send(self, pairs: Sequence[PairKey]) -> None:
        """Send the scores of finished pairs to each tracker that has not had them."""
        for tracker in self._trackers:
            sent = self._ledger.sent(tracker.name)
            for key in pairs:
                if key.identity in sent:
                    continue
                try:
                    point = self._point(key)
                    if point is not None:
                        tracker.send(point)
                except Exception as error:
                    cause = redact(f"{type(error).__name__}: {error}").splitlines()[0][:200]
                    self._tell(f"{tracker.name} could not be written ({cause}); the next look tries again")
                    break
                self._ledger.keep_sent(tracker.name, key.identity)

    def _point(self, key: PairKey) -> Point | None:
        try:
            frame = self._store.read_pair(key.run, key.step, key.task, key.identity)
        except StoreError:
            return None
        values = {
            re.sub(r"[^\w./ -]", "_", f"{row['task']}/{row['metric']}"): float(row["value"])
            for row in frame.to_dict("records")
        }
        return Point(key.run, int(frame[self._axis].iloc[0]), values)


def _make(project: Project) -> list[Tracker]:
    wanted = project.trackers
    made: list[Tracker] = []
    name: Extra
    for name, settings, build in (
        ("wandb", wanted.wandb, _Wandb),
        ("mlflow", wanted.mlflow, _Mlflow),
        ("tensorboard", wanted.tensorboard, _Tensorboard),
    ):
        if settings is not None:
            try:
                made.append(build(settings, wanted.axis, project.root))
            except ModuleNotFoundError:
                raise ConfigError(
                    f"trackers.{name} is set, and {name} is not installed", install_command(name)
                ) from None
    return made


class _Wandb:
    name = "wandb"

    def __init__(self, settings: Any, axis: str, root: Path) -> None:
        # Its notes on the console would stand among ours.
        os.environ.setdefault("WANDB_SILENT", "true")
        import wandb

        self._wandb, self._settings, self._axis = wandb, settings, axis
        self._folder = root / settings.folder
        self._runs: dict[str, Any] = {}

    def send(self, point: Point) -> None:
        run = self._runs.get(point.run)
        if run is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            # The same run each time, so that a restart goes on with its curves.
            name = f"{self._settings.project}/{point.run}/eval"
            run = self._wandb.init(
                project=self._settings.project,
                entity=self._settings.entity,
                name=f"{point.run}-eval",
                group=point.run,
                id=hashlib.sha256(name.encode()).hexdigest()[:16],
                resume=None if self._settings.offline else "allow",
                mode="offline" if self._settings.offline else "online",
                dir=str(self._folder),
                reinit="create_new",
            )
            # An axis of its own: wandb drops what is logged at an earlier one of its own steps.
            run.define_metric(self._axis)
            run.define_metric("*", step_metric=self._axis)
            self._runs[point.run] = run
        run.log({self._axis: point.at, **point.values})

    def close(self) -> None:
        for run in self._runs.values():
            run.finish()


class _Mlflow:
    name = "mlflow"

    def __init__(self, settings: Any, axis: str, root: Path) -> None:
        import mlflow

        self._client = mlflow.MlflowClient(_located(settings.uri, root))
        self._experiment_name, self._axis = settings.experiment, axis
        self._runs: dict[str, str] = {}

    def send(self, point: Point) -> None:
        for name, value in point.values.items():
            self._client.log_metric(self._run(point.run), name, value, step=point.at)

    def _run(self, name: str) -> str:
        if name not in self._runs:
            known = self._client.get_experiment_by_name(self._experiment_name)
            experiment = known.experiment_id if known else self._client.create_experiment(self._experiment_name)
            text = name.replace("'", "")
            found = self._client.search_runs([experiment], f"tags.`predictor.run` = '{text}'", max_results=1)
            tags = {"predictor.run": text, "predictor.axis": self._axis}
            run = found[0] if found else self._client.create_run(experiment, tags=tags, run_name=name)
            self._runs[name] = run.info.run_id
        return self._runs[name]

    def close(self) -> None:
        """Nothing is held back: each value is written as it is sent."""


class _Tensorboard:
    name = "tensorboard"

    def __init__(self, settings: Any, axis: str, root: Path) -> None:
        from tensorboard.summary import Writer

        self._writer_of = Writer
        self._folder = root / settings.folder
        self._writers: dict[str, Any] = {}

    def send(self, point: Point) -> None:
        writer = self._writers.get(point.run)
        if writer is None:
            writer = self._writers[point.run] = self._writer_of(str(self._folder / point.run))
        for name, value in point.values.items():
            writer.add_scalar(name, value, point.at)
        writer.flush()

    def close(self) -> None:
        for writer in self._writers.values():
            writer.close()


def _located(uri: str, root: Path) -> str:
    """An SQLite file named relative to checkpoints.yaml, as all paths in it are."""
    prefix = "sqlite:///"
    return f"{prefix}{root.resolve() / uri.removeprefix(prefix)}" if uri.startswith(prefix) else uri
