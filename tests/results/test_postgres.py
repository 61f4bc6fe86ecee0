"""The ledger in PostgreSQL: as the one in SQLite, shared by coordinators, and patient with a server that restarts."""

import threading
import time

import pytest
import sqlalchemy as sql

from predictor.errors import StoreError
from predictor.results.backup import back_up, restore
from predictor.results.ledger import DONE, FAILED, RUNNING, WAITING, Ledger, PairKey
from predictor.results.ledger_schema import PAIRS as TABLE
from predictor.results.store import Store
from tests.evaluation import clusters
from tests.results.scored import pair

PAIRS = [PairKey(f"{number:064d}", "a", 10, f"task{number}") for number in range(3)]


@pytest.fixture(scope="module")
def server():
    if not (clusters.POSTGRES / "initdb").exists():
        pytest.skip("not installed: postgresql")
    pytest.importorskip("psycopg")
    with clusters.postgres() as server:
        yield server


def test_two_coordinators_share_the_work_and_a_late_word_changes_nothing(server):
    with Ledger(server.url) as one, Ledger(server.url) as two:
        assert len(one.leases.claim(PAIRS[:2], "one", "job1", 60)) == 2
        assert two.leases.claim(PAIRS, "two", "job2", 60) == {PAIRS[2].identity}
        # No lease has run out: there is nothing to take over, and nothing is lost.
        assert (two.leases.adopt("job1", "two", 60), two.leases.lost(owner="two")) == ([], 0)
        one.started(PAIRS[0])
        one.finished(PAIRS[0], 1.5)
        two.finished(PAIRS[0])
        two.failed(PAIRS[0], "too late")
        assert two.states()[PAIRS[0].identity].state == DONE
        assert [event["event"] for event in one.events()] == ["started", "finished"]
        assert one.seconds() == [("a", "task0", 1.5)]


def test_a_restart_of_the_server_is_waited_for(server):
    with Ledger(server.url) as ledger:
        ledger.started(PAIRS[1])
        server.stop()
        restart = threading.Thread(target=lambda: (time.sleep(1.0), server.start()))
        restart.start()
        ledger.finished(PAIRS[1])
        restart.join()
        assert ledger.states()[PAIRS[1].identity].state == DONE


def test_coordinators_that_wait_for_each_other_wait_for_a_restart_too(server):
    with Ledger(server.url) as ledger:
        server.stop()
        restart = threading.Thread(target=lambda: (time.sleep(1.0), server.start()))
        restart.start()
        with ledger.alone():
            restart.join()
            # One that is in the middle ends its work, too.
            server.stop()
            server.start()
        entered = []
        with ledger.alone():
            # Nobody else is let in meanwhile.
            waiting = threading.Thread(target=lambda: enter(server.url, entered))
            waiting.start()
            time.sleep(0.5)
            assert entered == []
        waiting.join()
        assert entered == ["in"]


def enter(url, entered):
    with Ledger(url) as other, other.alone():
        entered.append("in")


def test_a_backup_of_a_ledger_in_use_comes_back_into_another_database(server, tmp_path):
    store, backup, again = Store(tmp_path / "store"), tmp_path / "backup", Store(tmp_path / "again")
    store.create()
    store.write(*pair())
    engine = sql.create_engine(server.url.replace("postgresql:", "postgresql+psycopg:"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        for name in ("first", "second"):
            connection.execute(sql.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    first, second = (server.url.replace("/postgres", f"/{name}") for name in ("first", "second"))
    with Ledger(first) as ledger:
        ledger.leases.claim(PAIRS, "me", "job", 60)
        ledger.started(PAIRS[0], "me")
        ledger.finished(PAIRS[0], 2.5)
        ledger.failed(PAIRS[1], "no memory", owner="me")
        ledger.started(PAIRS[2], "me")
        assert back_up(store, first, backup).pairs == 3
        # What comes after the copy is not in it.
        ledger.finished(PAIRS[2])
        expected = ledger.events()
    assert restore(backup, again, second).pairs == 3
    with Ledger(second) as ledger:
        states = ledger.states()
        assert [states[key.identity].state for key in PAIRS] == [DONE, FAILED, WAITING]
        assert states[PAIRS[1].identity].reason == "no memory"
        assert not any(state.leased for state in states.values())
        assert ledger.seconds() == [("a", "task0", 2.5)]
        assert [event["event"] for event in ledger.events()] == ["started", "finished", "failed", "started"]
        # The numbers of events go on from the last one, as they do in the database that was copied.
        ledger.finished(PAIRS[2])
        assert [event["number"] for event in ledger.events()] == [event["number"] for event in expected]
    assert again.read_scores()[0]["value"].tolist() == store.read_scores()[0]["value"].tolist()
    with pytest.raises(StoreError, match="holds pairs already"):
        restore(backup, Store(tmp_path / "third"), second)


def test_a_database_that_is_not_there_is_one_line_without_the_password(server):
    url = server.url.replace("predictor@", "predictor:geheim@").replace("/postgres", "/nothing")
    with pytest.raises(StoreError, match="check the URL, the user's rights and the password") as caught:
        Ledger(url)
    assert "geheim" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_lease_that_another_takes_at_the_same_moment_is_not_ended(server):
    pair = PairKey("f" * 64, "a", 20, "task")
    with Ledger(server.url) as one, Ledger(server.url) as two:
        # Both of them find that the lease of a third one has run out.
        assert one.leases.claim([pair], "gone", "job", -1)
        one.started(pair)
        engine = sql.create_engine(server.url.replace("postgresql://", "postgresql+psycopg://"))
        found = []
        with engine.connect() as quicker:
            taken = {"lease_owner": "one", "lease_job": "new", "lease_until": time.time() + 60}
            quicker.execute(sql.update(TABLE).where(TABLE.c.identity == pair.identity).values(**taken))
            slower = threading.Thread(target=lambda: found.append(two.leases.lost(owner="two")))
            slower.start()
            waits = sql.text("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            with engine.connect() as watcher:
                clusters.wait_for("the slower one", lambda: watcher.execute(waits).scalar() == 1, 30)
            quicker.commit()
        slower.join()
        engine.dispose()
        assert found == [0]
        assert one.leases.holds("new")
        assert one.states()[pair.identity].state == RUNNING


def test_a_database_that_nobody_evaluated_into_is_shown_as_an_empty_ledger(server):
    engine = sql.create_engine(server.url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sql.text("CREATE DATABASE untouched"))
    engine.dispose()
    url = sql.make_url(server.url).set(database="untouched")
    with Ledger(url.render_as_string(hide_password=False), read_only=True) as ledger:
        assert (ledger.states(), ledger.unfinished()) == ({}, {})
