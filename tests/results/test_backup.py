"""A backup is the store as it was, whatever is written, merged or lost meanwhile."""

import shutil
import threading

import pandas as pd
import pytest

from predictor.errors import StoreError
from predictor.results.backup import back_up, restore
from predictor.results.chain import Chain
from predictor.results.ledger import FAILED, WAITING, Ledger, PairKey
from predictor.results.store import Store
from predictor.results.upkeep import check, compact
from tests.results.scored import pair, runs

KEYS = [PairKey(f"{number:064d}", "a", 10, f"task{number}") for number in range(2)]


@pytest.fixture
def store(tmp_path):
    home = Store(tmp_path / "store")
    home.create()
    home.write_runs(runs("a", "b"))
    for run in ("a", "b"):
        for step in (10, 20):
            home.write(*pair(run=run, step=step, value=step / 100))
    with Ledger(home.path / "ledger.sqlite") as ledger:
        ledger.failed(KEYS[0], "no memory")
        ledger.leases.claim(KEYS[1:], "me", "job", 60)
        ledger.started(KEYS[1], "me")
    return home


def test_what_was_lost_comes_back_with_its_history(store, tmp_path):
    expected = store.read_scores()
    done = back_up(store, store.path / "ledger.sqlite", tmp_path / "backup")
    assert (done.files, done.there, done.pairs) == (9, 0, 2)
    shutil.rmtree(store.path)
    restored = Store(tmp_path / "again")
    assert restore(tmp_path / "backup", restored, restored.path / "ledger.sqlite").files == 9
    found = restored.read_scores()
    pd.testing.assert_frame_equal(found[0], expected[0])
    assert found[1:] == expected[1:]
    assert restored.read_items("facts")["correct"].tolist() == [0.0, 1.0] * 4
    with Ledger(restored.path / "ledger.sqlite") as ledger:
        states = ledger.states()
        # Who worked on a pair when it was copied works on it no more.
        assert [states[key.identity].state for key in KEYS] == [FAILED, WAITING]
        assert states[KEYS[0].identity].reason == "no memory"
        assert not states[KEYS[1].identity].leased
        assert len(ledger.events()) == 2


def test_a_second_backup_copies_what_is_new(store, tmp_path):
    ledger = store.path / "ledger.sqlite"
    back_up(store, ledger, tmp_path / "backup")
    store.write(*pair(run="a", step=30, value=0.3))
    done = back_up(store, ledger, tmp_path / "backup")
    # The score and its items, and the description that may have changed.
    assert (done.files, done.there) == (3, 8)
    compact(store)
    back_up(store, ledger, tmp_path / "backup")
    pd.testing.assert_frame_equal(Store(tmp_path / "backup").read_scores()[0], store.read_scores()[0])


def test_a_backup_of_a_store_at_work_is_whole(store, tmp_path):
    def write():
        for step in range(100, 160):
            store.write(*pair(run="a", step=step))
            if step % 20 == 0:
                compact(store)

    writer = threading.Thread(target=write)
    writer.start()
    copies = []
    while writer.is_alive():
        copies.append(tmp_path / f"backup{len(copies)}")
        back_up(store, store.path / "ledger.sqlite", copies[-1])
    writer.join()
    assert copies
    for copy in copies:
        found = check(Store(copy), set_aside=False)
        assert (found.damaged, found.without_items) == ((), ())


def test_what_would_destroy_something_is_refused(store, tmp_path):
    ledger = store.path / "ledger.sqlite"
    with pytest.raises(StoreError, match="is in the store"):
        back_up(store, ledger, store.path / "backup")
    back_up(store, ledger, tmp_path / "backup")
    with pytest.raises(StoreError, match="holds scores"):
        restore(tmp_path / "backup", store, ledger)
    with pytest.raises(StoreError, match="is no backup"):
        restore(tmp_path / "nothing", Store(tmp_path / "new"), tmp_path / "new.sqlite")
    (path,) = (store.path / "scores" / "a" / "10").iterdir()
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    with pytest.raises(StoreError, match="store check"):
        back_up(store, ledger, tmp_path / "other")


def test_registered_forecasts_come_back_byte_by_byte_and_are_never_replaced(store, tmp_path):
    ledger, backup = store.path / "ledger.sqlite", tmp_path / "backup"
    chain = Chain(store.path / "forecasts")
    for number in range(3):
        chain.append("forecast", lambda records, number=number: {"name": str(number)})
    expected = chain.contents()
    assert back_up(store, ledger, backup).files == 9 + 4
    chain.append("forecast", lambda records: {"name": "more"})
    # The new record and the head; the three others are there.
    assert back_up(store, ledger, backup).there >= 3
    assert Chain(backup / "forecasts").contents() == chain.contents()
    restored = Store(tmp_path / "again")
    restore(backup, restored, restored.path / "ledger.sqlite")
    assert Chain(restored.path / "forecasts").contents()[1].items() > expected[1].items()
    assert not Chain(restored.path / "forecasts").verify().faults
    path = chain.folder / "000002.json"
    path.unlink()
    with pytest.raises(StoreError, match=r"000002.json was removed, and is kept as the copy in"):
        back_up(store, ledger, backup)
    path.write_text("changed")
    store.write(*pair(run="a", step=40, value=0.3))
    with pytest.raises(StoreError, match=r"000002.json differs from the copy in .*verify"):
        back_up(store, ledger, backup)
    # All else was copied, and the copy is as it was.
    assert len(Store(backup).files("scores")) == 5
    assert not Chain(backup / "forecasts").verify().faults
