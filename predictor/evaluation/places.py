"""Where a project's evaluation keeps what it writes: the store, the ledger, the lock and the log."""

from __future__ import annotations

from pathlib import Path

from predictor.errors import ConfigError
from predictor.project import Project, place
from predictor.results.store import Store

LEDGER = "ledger.sqlite"


def store_of(project: Project, store: str | Path | None = None) -> Store:
    """A project's store, or another one."""
    return Store(place(str(store)) if store is not None else project.store_path)


def work_folder(project: Project, store: Store) -> Path:
    """The local folder for locks and the log: the store, or beside checkpoints.yaml for one on an object store."""
    if store.is_local:
        return store.path
    folder = project.root / ".predictor"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def ledger_of(project: Project, store: Store) -> str | Path:
    """Where a project's ledger is: the file or URL that it names, or a file in its store.

    Raises:
        ConfigError: the store is on an object store, where an SQLite file cannot be kept.
    """
    named = project.ledger_path
    if named is not None:
        return named
    if not store.is_local:
        raise ConfigError(
            "the store is on an object store, which cannot hold the ledger",
            "give `ledger:` in checkpoints.yaml, a local file or postgresql://user@host/name",
        )
    return store.path / LEDGER
