"""A task is made ready once for all checkpoints: what it is asked for again, it has not computed again."""

import pytest

from predictor.evaluation.harness import Harness
from predictor.evaluation.suites import load_suite
from predictor.evaluation.task_loading import keep_ready
from predictor.project import Scoring

pytestmark = pytest.mark.slow

ASKED = {"rank": 0, "world_size": 1, "limit": 3, "samples": None}


@pytest.fixture
def task():
    (task,) = Harness(Scoring()).load_task(load_suite("tiny").tasks["tiny_facts"]).tasks.values()
    return task


def test_documents_are_read_once_and_what_a_task_writes_into_them_is_not_seen_by_the_next_checkpoint(task, monkeypatch):
    before = list(task.doc_iterator(**ASKED))
    keep_ready(task)
    for _, document in task.doc_iterator(**ASKED):
        document["choices"].clear()
    monkeypatch.setattr(type(task), "test_docs", lambda self: pytest.fail("read again"))
    assert list(task.doc_iterator(**ASKED)) == before
    assert len(before) == 3


def test_another_selection_is_read_anew(task):
    keep_ready(task)
    assert len(list(task.doc_iterator(**ASKED))) == 3
    assert len(list(task.doc_iterator(**{**ASKED, "limit": 5}))) == 5
    assert [number for number, _ in task.doc_iterator(**{**ASKED, "limit": None, "samples": [4, 6]})] == [0, 1]
