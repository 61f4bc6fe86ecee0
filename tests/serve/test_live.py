"""Pages that follow the results, and what machines ask."""

from pathlib import Path

import pandas as pd
import pytest
from starlette.testclient import TestClient

from predictor.evaluation.overview import status
from predictor.project import load_project
from predictor.results.ledger import DONE, RUNNING, WAITING, Ledger, PairKey
from predictor.serve import make_app
from predictor.serve.progress import count_ledger, count_project

PARSER = pytest.importorskip("prometheus_client.parser", reason="downstream-predictor[serve] is not installed")


LADDER = Path(__file__).parents[2] / "benchmarks" / "ladder"


def test_health_is_one_word_and_needs_no_token(source):
    closed = TestClient(make_app(source, token="secret"), base_url="http://127.0.0.1")
    answer = closed.get("/healthz")
    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert closed.get("/metrics").status_code == 401
    assert closed.get("/healthz/../").status_code == 401


def test_health_says_where_results_cannot_be_read(source, client, ladder_folder):
    (ladder_folder / "evals.parquet").write_bytes(b"no table")
    for _ in range(200):
        answer = client.get("/healthz")
        if answer.status_code == 503:
            break
        source._stop.wait(0.05)
    assert (answer.status_code, answer.text) == (503, "unreadable\n")


def test_the_numbers_for_prometheus_are_those_of_the_pages(source, client):
    found = {family.name: family for family in PARSER.text_string_to_metric_families(client.get("/metrics").text)}
    rows = source.summary.rows("SELECT count(*) FROM scores")[0][0]
    assert found["predictor_scores"].samples[0].value == rows == 24
    assert found["predictor_runs"].samples[0].value == len(source.summary.runs())
    done = [sample for sample in found["predictor_pairs"].samples if sample.labels["state"] == "done"]
    assert sum(sample.value for sample in done) == source.progress().counts[DONE]
    assert found["predictor_results_readable"].samples[0].value == 1


def test_a_page_that_did_not_change_is_not_sent_again(source, client, ladder_folder):
    first = client.get("/benchmarks/medium")
    tag = {"If-None-Match": first.headers["ETag"]}
    again = client.get("/benchmarks/medium", headers=tag)
    assert (again.status_code, again.content) == (304, b"")
    table = pd.read_parquet(ladder_folder / "evals.parquet")
    table.assign(value=0.99 * table["value"]).to_parquet(ladder_folder / "evals.parquet")
    before = source.facts.generation
    while source.facts.generation == before:
        source._stop.wait(0.05)
    assert client.get("/benchmarks/medium", headers=tag).status_code == 200


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two checkpoints, three tasks of a suite, nothing scored; the ledger knows one pair, as running."""
    (tmp_path / "suite.yaml").write_text(
        "name: mine\ntasks:\n" + "".join(f"  - {{task: t{i}, metric: acc, chance: 0.5}}\n" for i in range(3))
    )
    (tmp_path / "checkpoints.yaml").write_text(
        f"suite: suite.yaml\nsettle_seconds: 0\nselect: {{last: 2}}\n"
        f"families: {{f: {{checkpoints: '{LADDER}/{{run}}/step_{{step}}', tokens_per_step: 1k}}}}\n"
        "runs: {4k: {family: f}}\n"
    )
    (tmp_path / "store").mkdir()
    with Ledger(tmp_path / "store" / "ledger.sqlite") as ledger:
        ledger.started(PairKey("id0", "4k", 10, "t0"))
    return tmp_path / "checkpoints.yaml"


def test_progress_of_a_project_is_that_of_status_with_the_pairs_that_wait(project):
    store = project.parent / "store"
    known = status(load_project(project))
    counted = count_project(project, store)
    assert counted.counts == known.counts()
    assert counted.counts[WAITING] == len(known.pairs) == 6
    # The ledger alone knows one pair, and takes it for running.
    assert count_ledger(store / "ledger.sqlite").counts[RUNNING] == 1
