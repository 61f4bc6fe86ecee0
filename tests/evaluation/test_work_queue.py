"""What becomes of pairs whose workers go."""

import pytest

from predictor.evaluation.coordinator import Choice, Session
from predictor.evaluation.worker import FAILED, LOST, STARTED, Report, score_unit
from predictor.project import load_project
from predictor.results.ledger import DONE, WAITING
from tests.evaluation.tiny import save_checkpoint, write_project


@pytest.fixture
def session(tmp_path):
    save_checkpoint(tmp_path / "ladder" / "step_10")
    project = load_project(write_project(tmp_path, tmp_path / "ladder"))
    with Session(project, None, Choice(tasks=("tiny_facts",))) as session:
        session.queue.add(session.plan().units)
        yield session


@pytest.mark.parametrize("event", [LOST, FAILED])
def test_a_pair_is_done_when_its_worker_goes_before_it_can_say_so(session, event):
    queue, settled = session.queue, []
    queue.settled = lambda key, reason: settled.append((key, reason))
    unit = queue.take()
    key = unit.pairs[0].key
    queue.tell(Report(STARTED, key))
    score_unit(unit, session.harness(), session.store, lambda report: None)
    queue.tell(Report(event, key, "the worker was killed"))
    assert settled == [(key, None)]
    assert (queue.waiting, queue.in_hand) == (0, 0)
    assert session.ledger.states()[key.identity].state == DONE


def test_a_pair_whose_worker_goes_waits_for_another_and_is_not_blamed(session):
    queue = session.queue
    key = queue.take().pairs[0].key
    queue.tell(Report(STARTED, key))
    queue.tell(Report(LOST, key, "the node has gone"))
    state = session.ledger.states()[key.identity]
    assert (state.state, state.attempts) == (WAITING, 0)
    assert queue.take().pairs[0].key == key
