"""A job's folder in the store: what a worker on another machine is to do, and what it says of it.

    work/<job>/units.json      checkpoints with their pairs, and how often it shall beat; written by the coordinator
    work/<job>/handle          how the cluster calls the job, so that another coordinator can ask for it
    work/<job>/beat            changes as long as the worker lives
    work/<job>/000001.json     its reports, in order
    work/<job>/ended           it has come to its end
    work/<job>/revoked         the coordinator gave its pairs to another worker: write nothing any more

A coordinator that is killed and started again finds them here. Whether a worker lives is seen from its beat changing,
not from times, so that the clocks of two machines need not agree.
"""

from __future__ import annotations

import contextlib
import json
import math
import shutil
import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from predictor.errors import StoreError
from predictor.evaluation.plan import Unit
from predictor.evaluation.worker import Report, Workshop, score_unit
from predictor.project import place
from predictor.results.store import Store
from predictor.results.table_file import put_bytes

WORK = "work"
_UNITS = "units.json"
_BEAT_SECONDS = 5.0
_UNIT: TypeAdapter[Unit] = TypeAdapter(Unit)
_REPORT: TypeAdapter[Report] = TypeAdapter(Report)


class JobBox:
    """The folder of one job.

    Args:
        store: the store's folder or URL.
        job: the job's name.
    """

    def __init__(self, store: Path, job: str) -> None:
        self.job = job
        self.folder = store / WORK / job
        self._read = 0
        self._written = 0

    @staticmethod
    def all(store: Path) -> list[JobBox]:
        """The boxes of a store, those of earlier coordinators among them."""
        folder = store / WORK
        return [JobBox(store, path.name) for path in folder.iterdir()] if folder.is_dir() else []

    # -- the coordinator's side ---------------------------------------------------------------------------------------

    def put(self, units: Sequence[Unit], lease_seconds: float) -> None:
        """Write down what is to be done, and how long a worker may be silent.

        Raises:
            StoreError: it cannot be written.
        """
        # The paths apart, as text: one on an object store is of no type that is read back by itself.
        written = [
            {
                "path": str(unit.checkpoint.path),
                "unit": _UNIT.dump_python(replace(unit, checkpoint=replace(unit.checkpoint, path=Path())), mode="json"),
            }
            for unit in units
        ]
        put_bytes(json.dumps({"lease_seconds": lease_seconds, "units": written}).encode(), self.folder / _UNITS)

    def put_handle(self, handle: str) -> None:
        """Write down how the cluster calls the job."""
        _write(self.folder / "handle", handle.encode())

    def handle(self) -> str:
        """How the cluster calls the job; empty if it was not told."""
        return _text(self.folder / "handle")

    def beat(self) -> str:
        """What the worker last wrote to show that it lives; empty before it began."""
        return _text(self.folder / "beat")

    def new_reports(self) -> Iterator[Report]:
        """The reports since the last call."""
        while True:
            path = self.folder / f"{self._read + 1:06d}.json"
            if not path.is_file():
                return
            self._read += 1
            yield _REPORT.validate_json(path.read_bytes())

    @property
    def ended(self) -> bool:
        """Whether the worker said that it has come to its end."""
        return (self.folder / "ended").is_file()

    def revoke(self) -> None:
        """Tell the worker, should it live after all, that its pairs are no longer its own."""
        with contextlib.suppress(StoreError):
            _write(self.folder / "revoked", b"")

    def remove(self) -> None:
        """Remove the folder of a job that has ended."""
        # First of all what a worker looks for, so that none writes into a folder that is half removed.
        self.revoke()
        remote: Any = self.folder
        if hasattr(remote, "fs"):
            with contextlib.suppress(OSError):
                remote.fs.rm(remote.path, recursive=True)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    # -- the worker's side --------------------------------------------------------------------------------------------

    def units(self) -> list[Unit]:
        """What is to be done, one checkpoint after the other; nothing where the box is gone."""
        units = []
        for written in self._order().get("units", []):
            bare = _UNIT.validate_python(written["unit"])
            units.append(replace(bare, checkpoint=replace(bare.checkpoint, path=place(written["path"]))))
        return units

    def _order(self) -> dict[str, Any]:
        try:
            order: dict[str, Any] = json.loads((self.folder / _UNITS).read_bytes())
        except OSError:
            return {}
        return order

    @property
    def revoked(self) -> bool:
        """Whether the pairs were given to another worker."""
        return (self.folder / "revoked").is_file() or not (self.folder / _UNITS).is_file()

    def report(self, report: Report) -> None:
        """Say something of a pair."""
        self._written += 1
        _write(self.folder / f"{self._written:06d}.json", _REPORT.dump_json(report))

    def end(self) -> None:
        """Say that all is done."""
        if (self.folder / _UNITS).is_file():
            _write(self.folder / "ended", b"")

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """Show that the worker lives for as long as the context lasts."""
        over = threading.Event()
        pause = min(_BEAT_SECONDS, self._order().get("lease_seconds", math.inf) / 4)

        def beat() -> None:
            number = 0
            while True:
                number += 1
                # A full disk, or a file server that is away: whoever waits for the beat will notice.
                with contextlib.suppress(OSError, StoreError):
                    if (self.folder / _UNITS).is_file():
                        _write(self.folder / "beat", str(number).encode())
                if over.wait(pause):
                    return

        thread = threading.Thread(target=beat, name="heartbeat", daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join(timeout=10)


def run_job(workshop: Workshop, job: str) -> None:
    """The body of a worker on any machine: score what the job's box says, and report into it.

    Args:
        workshop: what every worker needs.
        job: the job's name.
    """
    box = JobBox(workshop.store, job)
    units = [] if box.revoked else box.units()
    if not units:
        return
    workshop.take_process()
    with box.beating():
        harness, store = _harness(workshop), Store(workshop.store)
        for unit, ahead in zip(units, [*units[1:], None], strict=True):
            for report in score_unit(unit, harness, store, lambda: box.revoked, workshop.cache, ahead):
                box.report(report)
        box.end()


_HARNESSES: dict[Workshop, Any] = {}


def _harness(workshop: Workshop) -> Any:
    # A worker process that is given one job after the other keeps its tasks loaded.
    if workshop not in _HARNESSES:
        _HARNESSES[workshop] = workshop.harness()
    return _HARNESSES[workshop]


def _write(path: Path, content: bytes) -> None:
    # What it says holds for minutes: it need not outlive a loss of power. A box that was removed is not made again.
    put_bytes(content, path, lasting=False, make_folder=False)


def _text(path: Path) -> str:
    try:
        return path.read_bytes().decode()
    except OSError:
        return ""
