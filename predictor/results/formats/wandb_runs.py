"""Read runs of W&B: their local folders, offline or synced, and projects on a server.

wandb/offline-run-20260102_030405-abc/run-abc.wandb     what a run logged, at every step
wandb:entity/project, wandb:entity/project/run          read from the server by W&B's own client
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from predictor.distribution import install_command
from predictor.errors import InputError, first_line
from predictor.results.formats.found import FoundModel, OtherFormatError, files_below
from predictor.results.formats.tracked import Point, TrackedRun, found_models, place_of
from predictor.results.formats.wandb_log import date_of, is_wandb_log, read_wandb_log

_SERVER = "wandb:"


@dataclass(frozen=True)
class WandbRuns:
    """Runs of W&B."""

    name: str = "wandb"
    remedy: str = "give a folder with runs of W&B (wandb/), a run-*.wandb, or wandb:ENTITY/PROJECT"

    def sources(self, path: Path) -> list[Path]:
        """Return the files of runs below a folder; `wandb:ENTITY/PROJECT` itself."""
        return [path] if str(path).startswith(_SERVER) else files_below(path, "*.wandb")

    def recognises(self, source: Path) -> bool:
        """Return whether a file is a run of W&B; wandb itself need not be installed."""
        return str(source).startswith(_SERVER) or is_wandb_log(source)

    def read(self, source: Path) -> list[FoundModel]:
        """Read one run, or all runs of a project on a server.

        Raises:
            OtherFormatError: the file is no run of W&B.
            InputError: wandb is not installed, or the file or the project cannot be read.
        """
        if str(source).startswith(_SERVER):
            return [model for run in _of_server(source) for model in found_models(run)]
        if not source.exists():
            raise InputError(f"{source} does not exist", "check the path")
        if not is_wandb_log(source):
            raise OtherFormatError(f"{source} is no run of W&B", self.remedy)
        log = read_wandb_log(source)
        identity, name, group = log.run
        points = with_steps(log.points) or [Point(log.summary)]
        config = {key: value for key, value in log.config.items() if key != "_wandb"}
        return found_models(
            TrackedRun(run_name(name or identity or source.stem, group), identity, source, points, config)
        )


def run_name(name: str, group: str | None) -> str:
    """Return the name of the training run: of a run that only evaluates, as `70m-eval` of group 70m, its group."""
    return group if group and name == f"{group}-eval" else name


def with_steps(points: Sequence[Point]) -> list[Point]:
    """Leave out steps that only count how often a run logged.

    W&B counts where a run logs without a step. In a run that trains that is the step; in one that logs scores and
    nothing else, one after the other, it is not.
    """
    steps = [point.step for point in points]
    counted = steps == list(range(len(steps))) or steps == list(range(1, len(steps) + 1))
    only_scores = all(any(place_of(name) is not None for name in point.values) for point in points)
    return [replace(point, step=None) for point in points] if counted and only_scores else list(points)


def _of_server(source: Path) -> list[TrackedRun]:
    """Read the runs of a project, or one run, by W&B's public client."""
    try:
        import wandb
    except ImportError:
        raise InputError(f"{source} needs wandb to be read", install_command("wandb")) from None
    path = str(source).removeprefix(_SERVER)
    try:
        api = wandb.Api()
        runs = [api.run(path)] if path.count("/") == 2 else list(api.runs(path))
        return [_of_client(run, source) for run in runs]
    except Exception as error:
        # The client raises what requests, GraphQL and W&B raise.
        raise InputError(
            f"{source} cannot be read from W&B ({first_line(error)})",
            "check the name and 'wandb login', or give a local folder",
        ) from None


def _of_client(run: Any, source: Path) -> TrackedRun:
    points = [
        Point(values, values.get("_step"), date_of(values.get("_timestamp")))
        for values in map(dict, run.scan_history())
    ]
    return TrackedRun(run_name(run.name, run.group), run.id, source, with_steps(points), dict(run.config))
