"""What a coordinator and a worker on another machine say to each other through the store."""

from pathlib import Path

import pytest
from upath import UPath

from predictor.checkpoints import Checkpoint
from predictor.evaluation.executors.job_box import JobBox
from predictor.evaluation.plan import Pair, Unit
from predictor.evaluation.suites import SuiteTask
from predictor.evaluation.worker import FAILED, STARTED, Report
from predictor.results.ledger import PairKey

KEY = PairKey("1" * 64, "a", 10, "facts")
ENTRY = SuiteTask("facts", "acc", 0.25, items=(1, 2), data=(("test", Path("/data/test.jsonl")),))


def unit(path):
    checkpoint = Checkpoint("f", "a", "ladder", 1000, None, 10, 100, None, path, None, gpus=2)
    return Unit(checkpoint, "d" * 64, (Pair(KEY, ENTRY, "p" * 64, "0.4.9"),), "job1", size=2)


@pytest.fixture(params=["folder", "object store"])
def store(request, tmp_path):
    return tmp_path if request.param == "folder" else UPath(f"memory://boxes{tmp_path}")


@pytest.mark.parametrize("path", [Path("/ck/step_10"), UPath("memory://ck/step_10")], ids=str)
def test_a_worker_reads_what_the_coordinator_wrote(store, path):
    JobBox(store, "job1").put([unit(path), unit(path / "other")], 120.0)
    (found,) = JobBox.all(store)
    assert found.units() == [unit(path), unit(path / "other")]


def test_reports_come_in_their_order_each_of_them_once(store):
    ours, theirs = JobBox(store, "job1"), JobBox(store, "job1")
    ours.put([unit(Path("/ck"))], 120.0)
    theirs.report(Report(STARTED, KEY))
    assert [report.event for report in ours.new_reports()] == [STARTED]
    theirs.report(Report(FAILED, KEY, "why", log="Traceback", final=True, seconds=1.5))
    assert list(ours.new_reports()) == [Report(FAILED, KEY, "why", log="Traceback", final=True, seconds=1.5)]
    assert list(ours.new_reports()) == []
    assert not ours.ended
    theirs.end()
    assert ours.ended


def test_a_worker_whose_pairs_were_given_away_knows_it_even_when_its_box_is_gone(store):
    ours, theirs = JobBox(store, "job1"), JobBox(store, "job1")
    ours.put([unit(Path("/ck"))], 120.0)
    assert not theirs.revoked
    ours.remove()
    assert theirs.revoked
    assert theirs.units() == []


def test_a_beat_changes_while_the_worker_lives(store):
    ours, theirs = JobBox(store, "job1"), JobBox(store, "job1")
    ours.put([unit(Path("/ck"))], 120.0)
    assert ours.beat() == ""
    with theirs.beating():
        pass
    assert ours.beat() == "1"
