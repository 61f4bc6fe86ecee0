"""Single items: those that are wrong, those that flipped, their prompts, and their page."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from starlette.testclient import TestClient

from predictor.cli.app import app
from predictor.errors import InputError, UnknownNameError
from predictor.evaluation.prompts import read_prompts
from predictor.evaluation.suites import known_tasks
from predictor.project import Scoring
from predictor.results import read_results
from predictor.serve import Source, make_app
from predictor.statistics.item_views import Asked, look_at_items
from tests.statistics.conftest import items_of

BEFORE, AFTER = np.array([1, 1, 0, 0]), np.array([1, 0, 1, 0])


@pytest.fixture
def results(store):
    runs = {"a@10": {"easy": items_of(BEFORE)}, "a@20": {"easy": items_of(AFTER)}, "b@20": {"easy": items_of(BEFORE)}}
    return read_results(store(runs))


def shown(results, **asked):
    return [item.doc_id for item in look_at_items(results, "easy", "a", asked=Asked(**asked)).items]


def test_wrong_and_flipped_items_are_found(results):
    assert shown(results) == [0, 1, 2, 3]
    assert shown(results, wrong=True) == [1, 3]
    assert shown(results, flipped_since=10) == [1, 2]
    assert shown(results, flipped_since=10, wrong=True) == [1]
    assert shown(results, skip=1, limit=2) == [1, 2]


def test_an_item_has_the_answers_of_other_checkpoints_and_runs(results):
    item = look_at_items(results, "easy", "a", 20, runs=["b"], asked=Asked(numbers=(1,))).items[0]
    # Right costs 1 nat and wrong 3, against 2 nats of the other choice.
    assert item.answer.log_likelihoods == (-3.0, -2.0)
    assert item.answer.probability == pytest.approx(1 / (1 + np.e))
    assert [(other.run, other.step, other.correct) for other in item.others] == [("a", 10, 1.0), ("b", 20, 1.0)]


def test_what_is_not_there_is_refused(results):
    with pytest.raises(UnknownNameError):
        look_at_items(results, "easy", "a", runs=["c"])
    with pytest.raises(InputError, match="no items at step 15"):
        look_at_items(results, "easy", "a", asked=Asked(flipped_since=15))


def test_prompts_are_those_of_the_task_and_a_changed_document_is_marked():
    entry = known_tasks()["tiny_facts"]
    found = read_prompts(entry, Scoring(), {("tiny_facts", 0): None, ("tiny_facts", 1): "0" * 64})
    assert found["tiny_facts", 0].text.endswith("is in")
    assert len(found["tiny_facts", 0].answers) == 4
    assert (found["tiny_facts", 0].changed, found["tiny_facts", 1].changed) == (False, True)


def test_the_command_says_why_a_prompt_is_missing(results):
    asked = ["items", "easy", "--results", str(results.path), "--run", "a", "--wrong"]
    found = CliRunner().invoke(app, asked)
    assert "easy (0-shot), a@20: 2 of 4 items" in found.stdout
    assert "prompts are not shown: unknown task 'easy'" in found.stderr
    answer = json.loads(CliRunner().invoke(app, [*asked, "--no-prompts", "--json", "-"]).stdout)
    assert [item["doc_id"] for item in answer["items"]] == [1, 3]


def test_the_page_shows_the_items_of_a_run(results, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = Source(results.path, every=0.1)
    source.start()
    try:
        client = TestClient(make_app(source), base_url="http://127.0.0.1", raise_server_exceptions=False)
        page = client.get("/items/easy?run=a&flipped=10").text
        assert "2 of 4" in page.replace("\N{NO-BREAK SPACE}", " ")
        assert "-3.000" in page
        assert client.get("/items/easy?run=a&step=nonsense").status_code == 400
        assert client.get("/items/none?run=a").status_code == 404
    finally:
        source.close()
