"""What becomes of pairs whose workers go, and of checkpoints that change."""

import pytest

from predictor.evaluation.coordinator import Session
from predictor.evaluation.plan import Choice
from predictor.evaluation.worker import FAILED, FINISHED, LOST, STARTED, Report, score_unit
from predictor.project import load_project
from predictor.results.layout import stem_of
from predictor.results.ledger import DONE, WAITING
from tests.evaluation.tiny import save_checkpoint, write_project


@pytest.fixture
def session(tmp_path):
    save_checkpoint(tmp_path / "ladder" / "step_10")
    project = load_project(write_project(tmp_path, tmp_path / "ladder"))
    with Session(project, None, Choice(tasks=("tiny_facts",))) as session:
        session.queue.add(session.plan().units)
        yield session


def test_a_checkpoint_that_is_written_anew_after_it_was_planned_is_not_scored_as_what_it_was(session, tmp_path):
    unit = session.queue.take()
    save_checkpoint(tmp_path / "ladder" / "step_10", seed=1)
    reports = list(score_unit(unit, session.harness(), session.store))
    assert reports[-1].event == FAILED
    assert "step_10 changed after it was planned" in reports[-1].reason
    (again,) = session.plan().units
    assert again.digest != unit.digest
    assert [report.event for report in score_unit(again, session.harness(), session.store)] == [STARTED, FINISHED]
    (place,) = session.store.done()
    assert place == stem_of("small", 10, "tiny_facts", again.pairs[0].key.identity)


@pytest.mark.parametrize("event", [LOST, FAILED])
def test_a_pair_is_done_when_its_worker_goes_before_it_can_say_so(session, event):
    queue = session.queue
    unit = queue.take()
    key = unit.pairs[0].key
    assert queue.record(Report(STARTED, key)) is None
    assert len(list(score_unit(unit, session.harness(), session.store))) == 2
    assert queue.record(Report(event, key, "the worker was killed")) == (key, None)
    assert (queue.waiting, queue.in_hand) == (0, 0)
    assert session.ledger.states()[key.identity].state == DONE


def test_a_pair_whose_worker_goes_waits_for_another_and_is_not_blamed(session):
    queue = session.queue
    key = queue.take().pairs[0].key
    queue.record(Report(STARTED, key))
    assert queue.record(Report(LOST, key, "the node has gone")) is None
    state = session.ledger.states()[key.identity]
    assert (state.state, state.attempts) == (WAITING, 0)
    assert queue.take().pairs[0].key == key
