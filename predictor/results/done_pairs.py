"""Which pairs of a store are done, learnt from the names of its files and remembered while they stay as they are."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from predictor.places import is_local
from predictor.results.layout import COMPACT, move_aside_if_damaged
from predictor.results.table_file import IMPORTED, is_whole, read_identities

_TICK_NS = 5_000_000_000


class DonePairs:
    """The pairs of one store that are done.

    Args:
        root: the store's folder.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._stems: dict[str, tuple[int, tuple[str, ...]]] = {}
        self._merged: dict[Path, tuple[tuple[int, float], set[tuple[str, str]]]] = {}

    def __contains__(self, scores: Path) -> bool:
        """Tell of a pair, by the path of its scores file, whether that is there to its end, or was merged."""
        return is_whole(scores) or (scores.parent.name, scores.stem) in self._of_merged(scores.parent.parent)

    def all(self) -> set[tuple[str, str, str]]:
        """Name the pairs as `layout.stem_of` does.

        Raises:
            StoreError: merged scores may not be read.
        """
        done = self.loose()
        for path in (self._root / "scores").glob(f"*/{COMPACT}"):
            done |= {(path.parent.name, step, stem) for step, stem in self._of_merged(path.parent)}
        return done

    def loose(self) -> set[tuple[str, str, str]]:
        """Name the pairs that have a scores file of their own."""
        if is_local(self._root):
            return set(self._listed())
        files = (self._root / "scores").glob("*/*/*.parquet")
        return {(path.parent.parent.name, path.parent.name, path.stem) for path in files}

    def _of_merged(self, folder: Path) -> set[tuple[str, str]]:
        """Pairs of a run whose scores were merged: (step, `<task>-<identity>`)."""
        path = folder / COMPACT
        try:
            stat = path.stat()
        except OSError:
            return set()
        stamp = (stat.st_size, stat.st_mtime)
        known = self._merged.get(path)
        if known is None or known[0] != stamp:
            try:
                names = read_identities(path)
            except (pa.ArrowInvalid, OSError, ValueError) as error:
                move_aside_if_damaged(self._root, path, error)
                return set()
            pairs = {(step, stem) for step, _, stem in (name.partition("/") for name in names)}
            known = self._merged[path] = (stamp, pairs)
        return known[1]

    def _listed(self) -> Iterator[tuple[str, str, str]]:
        """List the scores files of a local store; with tens of thousands of them, pathlib would take seconds."""
        for run in _entries(self._root / "scores"):
            for step in _entries(run) if run.is_dir() and run.name != IMPORTED else ():
                # Scores may be merged, and their folder go, while this is listed: that hides no others.
                with contextlib.suppress(FileNotFoundError):
                    for stem in self._stems_in(step) if step.is_dir() else ():
                        yield run.name, step.name, stem

    def _stems_in(self, folder: os.DirEntry[str]) -> tuple[str, ...]:
        """The whole scores files in a folder, which is not looked through again as long as it has not changed."""
        changed = folder.stat().st_mtime_ns
        known = self._stems.get(folder.path)
        if known is not None and known[0] == changed:
            return known[1]
        stems = []
        for file in os.scandir(folder):
            stem, suffix = os.path.splitext(file.name)  # noqa: PTH122
            # A machine that lost its power may leave a file without content or without its end.
            if suffix == ".parquet" and stem[0] != "." and is_whole(file.path):
                stems.append(stem)
        # File systems tell times in ticks: within one, a folder may change twice and look the same.
        if time.time_ns() - changed > _TICK_NS:
            self._stems[folder.path] = (changed, tuple(stems))
        return tuple(stems)


def _entries(folder: str | Path | os.DirEntry[str]) -> list[os.DirEntry[str]]:
    """What is in a folder; nothing where it is not there."""
    try:
        return list(os.scandir(folder))
    except FileNotFoundError:
        return []
