"""The ledger keeps attempts and an append-only list of events."""

import signal
import subprocess
import sys

import pytest

from predictor.errors import StoreError
from predictor.results.ledger import DONE, FAILED, RUNNING, WAITING, Ledger, PairKey, PairState

PAIR = PairKey("i" * 64, "a", 10, "facts")


@pytest.fixture
def ledger(tmp_path):
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger


def test_a_pair_goes_from_running_to_done_and_each_step_is_an_event(ledger):
    ledger.started(PAIR)
    assert ledger.states() == {PAIR.identity: PairState(RUNNING, 0, "")}
    ledger.finished(PAIR)
    assert ledger.states() == {PAIR.identity: PairState(DONE, 0, "")}
    assert [event["event"] for event in ledger.events()] == ["started", "finished"]


def test_failures_are_counted_with_their_last_reason_on_one_line(ledger):
    for reason in ("first", "out of\n  memory"):
        ledger.started(PAIR)
        ledger.failed(PAIR, reason)
    assert ledger.states()[PAIR.identity] == PairState(FAILED, 2, "out of memory")


def test_what_a_killed_coordinator_left_running_waits_again(ledger):
    ledger.started(PAIR)
    assert ledger.leases.lost() == 1
    assert ledger.leases.lost() == 0
    assert ledger.states()[PAIR.identity].state == WAITING


def test_a_file_that_the_ledger_had_not_heard_of_is_finished_once(ledger):
    ledger.started(PAIR)
    assert ledger.found([PAIR]) == 1
    assert ledger.found([PAIR]) == 0
    assert [event["event"] for event in ledger.events()] == ["started", "finished"]


def test_a_digest_is_kept_for_a_fingerprint(ledger):
    ledger.keep_digest("/ck", "f1", "d1")
    ledger.keep_digest("/ck", "f2", "d2")
    assert ledger.digests() == {"/ck": ("f2", "d2")}


def test_a_ledger_outlives_its_process(tmp_path):
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.finished(PAIR)
    with Ledger(path, read_only=True) as ledger:
        assert ledger.latest() == {("a", 10, "facts"): PairState(DONE, 0, "")}


def test_a_ledger_lies_where_it_is_named_whatever_the_path_holds(tmp_path):
    folder = tmp_path / "what now? 100% #1"
    folder.mkdir()
    with Ledger(folder / "ledger.sqlite") as ledger:
        ledger.finished(PAIR)
    assert (folder / "ledger.sqlite").is_file()
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_a_damaged_ledger_is_one_error_that_says_nothing_is_lost(tmp_path):
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(b"this is no database" * 100)
    with pytest.raises(StoreError, match=r"cannot be used .*learns what is done from the score files"):
        Ledger(path)


def test_processes_that_start_together_make_the_tables_once(tmp_path):
    code = "import sys; from predictor.results.ledger import Ledger; Ledger(sys.argv[1]).events()"
    command = [sys.executable, "-c", code, str(tmp_path / "ledger.sqlite")]
    started = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True) for _ in range(4)]
    assert [(process.communicate()[1], process.returncode) for process in started] == [("", 0)] * 4


def test_a_process_that_is_killed_while_it_makes_the_tables_leaves_none_of_them_half(tmp_path):
    path = tmp_path / "ledger.sqlite"
    # Before the last table of the second version.
    code = """
import os, signal, sys, sqlalchemy
from predictor.results.ledger import Ledger

def end(connection, cursor, statement, *more):
    if "CREATE TABLE sent" in statement:
        os.kill(os.getpid(), signal.SIGKILL)

sqlalchemy.event.listen(sqlalchemy.Engine, "before_cursor_execute", end)
Ledger(sys.argv[1])
"""
    assert subprocess.run([sys.executable, "-c", code, path], check=False).returncode == -signal.SIGKILL
    with Ledger(path) as ledger:
        ledger.finished(PAIR)
        assert ledger.coordinators.listed() == []


@pytest.mark.parametrize("url", ["mysql://user:geheim@host/name", "sqlite:///ledger.sqlite", "nothing://x"])
def test_a_ledger_elsewhere_than_in_a_file_or_postgresql_is_refused(url):
    with pytest.raises(StoreError, match="is no database that is known") as caught:
        Ledger(url)
    assert "geheim" not in str(caught.value)
