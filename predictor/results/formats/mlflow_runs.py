"""Read runs of MLflow by its own client, from a database, a folder `mlruns`, or a server.

mlflow.db, sqlite:///mlflow.db      a local database
mlruns/                             a local folder, as releases before 3 have it
http://host:5000                    a tracking server
"""

from __future__ import annotations

import os
import sqlite3
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from predictor.distribution import install_command
from predictor.errors import InputError, first_line
from predictor.results.formats.found import FoundModel, OtherFormatError, files_below
from predictor.results.formats.tracked import Point, TrackedRun, found_models

_SQLITE = b"SQLite format 3\x00"
_SCHEMES = ("http:", "https:", "sqlite:", "postgresql:", "mysql:", "databricks:")
_ALLOW_FOLDERS = "MLFLOW_ALLOW_FILE_STORE"


@dataclass(frozen=True)
class MlflowRuns:
    """Runs of MLflow."""

    name: str = "mlflow"
    remedy: str = "give a database of MLflow (mlflow.db), a folder mlruns, or the URI of a tracking server"

    def sources(self, path: Path) -> list[Path]:
        """Return the stores below a folder: databases, and folders with experiments; a URI itself."""
        if _is_uri(path) or path.is_file() or _is_folder(path):
            return [path]
        experiments = files_below(path, "meta.yaml")
        folders = {file.parent.parent for file in experiments if _is_folder(file.parent.parent)}
        return sorted(folders | set(files_below(path, "*.db", "*.sqlite")))

    def recognises(self, source: Path) -> bool:
        """Return whether something is a store of MLflow; mlflow itself need not be installed."""
        return _is_uri(source) or _is_folder(source) or _is_database(source)

    def read(self, source: Path) -> list[FoundModel]:
        """Read all runs of a store.

        Raises:
            OtherFormatError: it is no store of MLflow.
            InputError: mlflow is not installed, or cannot read the store.
        """
        if not _is_uri(source) and not source.exists():
            raise InputError(f"{source} does not exist", "check the path")
        if not self.recognises(source):
            raise OtherFormatError(f"{source} is no store of MLflow", self.remedy)
        return [model for run in _runs(source) for model in found_models(run)]


def _is_uri(path: Path) -> bool:
    return str(path).startswith(_SCHEMES)


def _is_folder(path: Path) -> bool:
    """Return whether a folder holds experiments, which are folders with a `meta.yaml` of an experiment each."""
    if not path.is_dir():
        return False
    texts = (file.read_text(encoding="utf-8", errors="replace") for file in path.glob("*/meta.yaml"))
    return any("experiment_id:" in text and "run_id:" not in text for text in texts)


def _is_database(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            if file.read(len(_SQLITE)) != _SQLITE:
                return False
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as database:
            return bool(database.execute("select 1 from sqlite_master where name = 'experiments'").fetchall())
    except (OSError, sqlite3.Error):
        return False


def _uri(source: Path) -> str:
    """The URI of a store; a path has lost one of the slashes of `http://`."""
    text = str(source)
    if not _is_uri(source):
        return f"sqlite:///{source.resolve()}" if source.is_file() else source.resolve().as_uri()
    scheme, _, rest = text.partition(":")
    slashes = "///" if scheme == "sqlite" else "//"
    return f"{scheme}:{slashes}{rest.lstrip('/') if scheme != 'sqlite' else rest.removeprefix('/')}"


def _runs(source: Path) -> list[TrackedRun]:
    try:
        from mlflow import MlflowClient
        from mlflow.entities import ViewType
    except ImportError:
        raise InputError(f"{source} needs mlflow to be read", install_command("mlflow")) from None
    try:
        with _folders_allowed():
            client = MlflowClient(_uri(source))
            experiments = [found.experiment_id for found in _pages(client.search_experiments)]
            runs = _pages(client.search_runs, experiments, run_view_type=ViewType.ACTIVE_ONLY) if experiments else []
            return [_tracked(client, run, source) for run in runs]
    except Exception as error:
        # The client raises what SQLAlchemy, requests and MLflow raise.
        raise InputError(
            f"{source} cannot be read by mlflow ({first_line(error)})", "check the path, and the release of mlflow"
        ) from None


@contextmanager
def _folders_allowed() -> Iterator[None]:
    """Let MLflow 3 read folders, which it otherwise refuses to write."""
    before = os.environ.get(_ALLOW_FOLDERS)
    os.environ[_ALLOW_FOLDERS] = "true"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop(_ALLOW_FOLDERS, None)
        else:
            os.environ[_ALLOW_FOLDERS] = before


def _pages(search: Any, *arguments: Any, **options: Any) -> list[Any]:
    found, token = [], None
    while True:
        page = search(*arguments, page_token=token, **options)
        found += page
        token = page.token
        if not token:
            return found


def _tracked(client: Any, run: Any, source: Path) -> TrackedRun:
    """Read the whole history of a run, which search returns only the last values of."""
    at: dict[int, dict[str, tuple[int, float]]] = defaultdict(dict)
    points: list[Point] = []
    for name in sorted(run.data.metrics):
        for metric in client.get_metric_history(run.info.run_id, name):
            known = at[metric.step].get(name)
            if known is not None and known[1] != metric.value:
                earlier, later = sorted([known, (metric.timestamp, metric.value)])
                points.append(Point({name: earlier[1]}, metric.step, _date(earlier[0])))
                at[metric.step][name] = later
            else:
                at[metric.step][name] = (metric.timestamp, metric.value)
    for step, values in at.items():
        newest = max(moment for moment, _ in values.values())
        points.append(Point({name: value for name, (_, value) in values.items()}, step, _date(newest)))
    tags = run.data.tags
    if tags.get("predictor.axis") == "tokens":
        points = [Point({**point.values, "tokens": point.step}, None, point.date) for point in points]
    elif set(at) == {0}:
        # Step 0 is what MLflow writes where none is given.
        points = [Point(point.values, None, point.date) for point in points]
    name = tags.get("predictor.run") or run.info.run_name or run.info.run_id
    return TrackedRun(str(name), run.info.run_id, source, points, {**run.data.params})


def _date(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
