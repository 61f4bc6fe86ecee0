"""The sampled answers of a pair that is still being scored: kept after every round, so that a kill loses none.

    store/samples/<run>/<step>/<task>-<identity>/<first sample>-<digest>.json

Each file holds some consecutive samples of some items. All are removed once the pair's own files are written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from predictor.results.table_file import TEMPORARY, put_bytes

Item = tuple[str, int]
"""An item: its task by lm-eval's name, and its document's number."""


@dataclass
class Answers:
    """The sampled answers of one item, in the order of drawing.

    Attributes:
        texts: the distinct answers.
        right: of each, whether it is right.
        picks: of each sample, which answer it is.
    """

    texts: list[str] = field(default_factory=list)
    right: list[bool] = field(default_factory=list)
    picks: list[int] = field(default_factory=list)
    _place: dict[str, int] = field(default_factory=dict, repr=False)

    def __post_init__(self) -> None:
        self._place = {text: number for number, text in enumerate(self.texts)}

    def add(self, text: str, right: bool) -> None:
        """Add one sample."""
        if text not in self._place:
            self._place[text] = len(self.texts)
            self.texts.append(text)
            self.right.append(right)
        self.picks.append(self._place[text])

    def extend(self, other: Answers) -> None:
        """Add the samples of another record of the same item."""
        for pick in other.picks:
            self.add(other.texts[pick], other.right[pick])

    @property
    def passed(self) -> np.ndarray:
        """Of each sample, whether it is right."""
        return np.array([self.right[pick] for pick in self.picks], dtype=bool)


class SampleFiles:
    """The files of one pair's samples.

    Args:
        folder: where they lie.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def read(self) -> dict[Item, Answers]:
        """Read what was drawn so far; a damaged file counts as not drawn, and so does what came after it."""
        parts = sorted((part for path in self._files() for part in _parts(path)), key=lambda part: part[1])
        found: dict[Item, Answers] = {}
        for item, first, answers in parts:
            own = found.setdefault(item, Answers())
            # Two workers may have drawn the same samples, when one was taken for dead.
            if first == len(own.picks):
                own.extend(answers)
        return found

    def write(self, first: int, drawn: dict[Item, Answers]) -> None:
        """Keep further samples of some items.

        Args:
            first: how many samples of each of these items there were before.
            drawn: the samples.

        Raises:
            StoreError: they cannot be written.
        """
        rows = [[*item, answers.texts, answers.right, answers.picks] for item, answers in drawn.items()]
        content = json.dumps({"first": first, "items": rows}).encode()
        put_bytes(content, self.folder / f"{first:09d}-{hashlib.sha256(content).hexdigest()[:16]}.json")

    def remove(self) -> None:
        """Remove the files of a pair that is done."""
        for path in self._files():
            path.unlink(missing_ok=True)
        with contextlib.suppress(OSError, NotImplementedError):
            self.folder.rmdir()

    def _files(self) -> list[Path]:
        # On an object store a folder without files is not there.
        paths = list(self.folder.glob("*.json")) if self.folder.is_dir() else []
        return sorted((path for path in paths if not path.name.startswith(TEMPORARY)), key=lambda path: path.name)


def _parts(path: Path) -> list[tuple[Item, int, Answers]]:
    try:
        content = path.read_bytes()
        if hashlib.sha256(content).hexdigest()[:16] != path.stem.rpartition("-")[2]:
            return []
        kept = json.loads(content)
    except (OSError, ValueError):
        return []
    return [((row[0], row[1]), kept["first"], Answers(*row[2:])) for row in kept["items"]]
