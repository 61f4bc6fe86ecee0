"""A consistent copy of a store and its ledger, made while they are in use, and the way back."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from predictor.errors import StoreError
from predictor.results.chain import Chain, copy_chain
from predictor.results.files import replace_whole
from predictor.results.layout import COMPACT, FORECASTS
from predictor.results.ledger import Ledger
from predictor.results.store import Store
from predictor.results.table_file import IMPORTED, TEMPORARY, read_table

LEDGER = "ledger.sqlite"
_DESCRIPTIONS = ("tasks.parquet", "runs.parquet")


@dataclass(frozen=True)
class Copied:
    """What a backup or a restore did.

    Attributes:
        files: number of files that were copied.
        there: number of files that were there already.
        pairs: number of pairs in the ledger's copy, or None where there is no ledger.
    """

    files: int
    there: int
    pairs: int | None


def back_up(store: Store, ledger: str | Path, target: Path) -> Copied:
    """Copy a store and its ledger into a folder; a later backup into the same folder copies only what is new.

    Nothing has to stop for it. The ledger is copied first, in one transaction: scores that come later are found by the
    next evaluation. Scores are copied before their items are, which are always written first, and merged scores after
    those that were merged into them. Every score is compared with its checksum. Registered forecasts are copied byte by
    byte; one that differs from its earlier copy, or was removed, is refused once all else is copied.

    Args:
        store: the store.
        ledger: the ledger's file or URL; an SQLite file that is not there is left out.
        target: a folder; made if it is missing.

    Raises:
        StoreError: the store cannot be read, a score is damaged, a registered forecast is not as it was backed up, or
            the folder cannot be written.
    """
    if not Store.looks_like(store.path):
        raise StoreError(f"{store.path} is no store", "give the folder that 'predictor evaluate' writes")
    target = target.absolute()
    if target == store.path.absolute() or store.path.absolute() in target.parents:
        raise StoreError(f"{target} is in the store", "give a folder elsewhere")
    (target / "scores").mkdir(parents=True, exist_ok=True)
    pairs = None
    if "://" in str(ledger) or Path(ledger).is_file():
        pairs = _copy_ledger(ledger, target / LEDGER)
    return _with_records(store.path, target, _copy(store.path, target, _in_order(store)), pairs)


def restore(backup: Path, store: Store, ledger: str | Path) -> Copied:
    """Copy a backup into a store that is not there yet, with its ledger.

    Args:
        backup: the folder of `back_up`.
        store: a store that holds no scores.
        ledger: the ledger's file or URL; it must hold no pairs.

    Raises:
        StoreError: that is no backup, a file of it is damaged, or the store or ledger is in use.
    """
    source = Store(backup)
    if not Store.looks_like(backup):
        raise StoreError(f"{backup} is no backup", "give the folder that 'predictor backup' wrote")
    if Store.looks_like(store.path) and store.files("scores"):
        raise StoreError(f"the store {store.path} holds scores", "restore into a new folder")
    store.create()
    copied = _copy(backup, store.path, _in_order(source))
    pairs = _copy_ledger(backup / LEDGER, ledger) if (backup / LEDGER).is_file() else None
    return _with_records(backup, store.path, copied, pairs)


def _with_records(source: Path, target: Path, copied: tuple[int, int], pairs: int | None) -> Copied:
    """Copy the registered forecasts as well."""
    files, there = copy_chain(Chain(source / FORECASTS), Chain(target / FORECASTS))
    return Copied(copied[0] + files, copied[1] + there, pairs)


def _copy_ledger(source: str | Path, target: str | Path) -> int:
    """Copy a ledger by a temporary file, so that a kill leaves the earlier copy; into a database only an empty one."""
    if "://" in str(target):
        with Ledger(source, read_only=True) as old, Ledger(target) as new:
            return new.take(old)
    path = Path(target)
    temporary = path.with_name(f"{TEMPORARY}{path.name}")
    temporary.unlink(missing_ok=True)
    with Ledger(source, read_only=True) as old, Ledger(temporary) as new:
        pairs = new.take(old)
    temporary.replace(path)
    for rest in ("-wal", "-shm"):
        path.with_name(f"{path.name}{rest}").unlink(missing_ok=True)
        temporary.with_name(f"{temporary.name}{rest}").unlink(missing_ok=True)
    return pairs


def _in_order(store: Store) -> Iterator[Path]:
    scores = store.files("scores")
    yield from (path for path in scores if path.name != COMPACT)
    # Looked for anew: what was merged meanwhile is in them.
    yield from (path for path in store.files("scores") if path.name == COMPACT)
    yield from store.files("items")
    yield from (store.path / name for name in _DESCRIPTIONS if (store.path / name).is_file())


def _copy(source: Path, target: Path, paths: Iterable[Path]) -> tuple[int, int]:
    files = there = 0
    for path in paths:
        place = path.relative_to(source)
        # Written anew under one name; all others never change.
        changes = path.name in (COMPACT, *_DESCRIPTIONS) or place.parts[1:2] == (IMPORTED,)
        goal = target / place
        try:
            if not changes and goal.is_file() and goal.stat().st_size == path.stat().st_size:
                there += 1
                continue
            content = path.read_bytes()
            read_table(path)
        except FileNotFoundError:
            # Merged, or set aside, since it was listed.
            continue
        except (pa.ArrowInvalid, OSError) as error:
            raise StoreError(f"{path} cannot be read ({error})", "run 'predictor store check' first") from None
        try:
            goal.parent.mkdir(parents=True, exist_ok=True)
            replace_whole(goal, content, goal.with_name(f"{TEMPORARY}{goal.name}"))
        except OSError as error:
            raise StoreError(f"{goal} cannot be written ({error.strerror})", "make room, and run it again") from None
        files += 1
    return files, there
