"""The pages: what they say, what they refuse, and whom they let in."""

import time

import pandas as pd
import pytest
from starlette.testclient import TestClient

from predictor.forecasting import forecast
from predictor.results import read_results
from predictor.serve import Source, make_app


def ask(client, address):
    """Ask until the forecast is made, as the page does by itself."""
    for _ in range(1200):
        answer = client.get(address)
        if "loads again by itself" not in answer.text:
            return answer
        time.sleep(0.05)
    raise AssertionError("never answered")


def test_the_first_page_lists_every_run_with_a_link_to_it(client):
    page = client.get("/").text
    assert "6\N{NO-BREAK SPACE}runs" in page
    assert '<a href="/runs/run-2e%2B08">' in page
    assert "100%" in page


def test_a_run_shows_its_checkpoints_and_scores(client, ladder_folder):
    evals = pd.read_parquet(ladder_folder / "evals.parquet")
    score = evals[(evals["run"] == "run-2e+08") & (evals["task"] == "easy")]["value"].iloc[0]
    page = client.get("/runs/run-2e%2B08").text
    assert f"{100 * score:.1f}" in page
    assert "loss:heldout" in page.replace("<wbr>", "")


def test_a_benchmark_is_a_figure_and_a_table(client):
    page = client.get("/benchmarks/easy").text
    assert 'data-figure="curve"' in page
    assert page.count("<tr>") == 7


def test_the_form_gives_the_forecast_of_the_library(client, ladder_folder):
    page = ask(client, "/forecast?params=13B&tokens=520B").text
    known = forecast(read_results(ladder_folder), 13e9, 520e9).forecasts
    assert all(f"{100 * one.median:.1f}%" in page for one in known if one.grade != "F")
    drawn = ask(client, "/forecast?params=13B&tokens=520B&task=easy").text
    assert 'data-figure="forecast"' in drawn


@pytest.mark.parametrize(
    ("address", "code", "said"),
    [
        ("/runs/nobody", 404, "unknown run"),
        ("/benchmarks/../../etc/passwd", 404, ""),
        ("/benchmarks/nothing", 404, "unknown benchmark"),
        ("/forecast?params=big&tokens=1B", 400, "is not a number"),
        ("/forecast?params=-7&tokens=1B", 400, "is not a number"),
        ("/forecast?params=7B", 400, "is not a number"),
        ("/forecast?params=7B&tokens=1B&family=nobody", 404, "unknown family"),
        ("/forecast?params=" + "x" * 5000 + "&tokens=1B", 400, "is not a number"),
        ("/static/../app.py", 404, ""),
        ("/nowhere", 404, "no such page"),
        ("/runs/<script>alert(1)</script>", 404, "&lt;script&gt;"),
    ],
)
def test_bad_input_is_answered_and_the_next_request_works(client, address, code, said):
    answer = client.get(address)
    assert answer.status_code == code
    assert said in answer.text.lower()
    assert "<script>alert" not in answer.text
    assert client.get("/").status_code == 200


def test_odd_page_numbers_give_a_page_that_exists(client):
    for page in ("0", "-3", "99999999999999999999", "two", "²"):
        assert client.get("/runs/run-2e%2B08", params={"page": page}).status_code == 200


def test_nothing_can_be_sent(client):
    for method in ("post", "put", "delete", "patch"):
        assert getattr(client, method)("/").status_code == 405


def test_a_page_of_the_web_cannot_borrow_the_name_of_this_machine(source):
    outside = TestClient(make_app(source), base_url="http://evil.example")
    assert outside.get("/").status_code == 400
    assert "run-" not in outside.get("/").text


def test_without_the_token_nothing_is_shown(source):
    closed = TestClient(make_app(source, "s3cret"), base_url="http://10.0.0.1")
    for address in ("/", "/runs/run-2e%2B08", "/progress.json", "/static/report.css", "/nowhere", "/?token=wrong"):
        answer = closed.get(address)
        assert answer.status_code == 401
        assert "run-" not in answer.text
        assert "heldout" not in answer.text
    assert closed.get("/", headers={"Authorization": "Bearer s3cret"}).status_code == 200


def test_the_token_in_the_address_becomes_a_cookie(source):
    closed = TestClient(make_app(source, "s3cret"), base_url="http://10.0.0.1", follow_redirects=False)
    answer = closed.get("/?token=s3cret")
    assert answer.status_code == 303
    assert answer.headers["location"] == "/"
    assert "HttpOnly" in answer.headers["set-cookie"]
    assert closed.get("/").status_code == 200


def test_the_token_leads_to_no_other_server(source):
    closed = TestClient(make_app(source, "s3cret"), base_url="http://10.0.0.1", follow_redirects=False)
    answer = closed.get("http://10.0.0.1//elsewhere.example/?token=s3cret")
    assert (answer.status_code, answer.headers["location"]) == (303, "/elsewhere.example/")


def test_runs_of_one_name_in_two_families_have_a_page_each(ladder_folder):
    evals = pd.read_parquet(ladder_folder / "evals.parquet")
    other = evals.assign(family="other", value=evals["value"] / 2)
    pd.concat([evals, other]).to_parquet(ladder_folder / "evals.parquet")
    started = Source(ladder_folder)
    started.start()
    try:
        client = TestClient(make_app(started), base_url="http://127.0.0.1")
        (family,) = evals["family"].unique()
        for name, factor in ((family, 1), ("other", 0.5)):
            page = client.get(f"/runs/{name}/run-2e%2B08").text
            score = evals[(evals["run"] == "run-2e+08") & (evals["task"] == "easy")]["value"].iloc[0] * factor
            assert f"{100 * score:.1f}" in page
        assert client.get("/").text.count('<a href="/runs/') == 2 * evals["run"].nunique()
    finally:
        started.close()


def test_new_scores_appear_and_a_damaged_table_leaves_the_last_ones(client, source, ladder_folder):
    evals = pd.read_parquet(ladder_folder / "evals.parquet")
    more = evals[evals["run"] == "run-8e+08"].assign(run="run-new")
    pd.concat([evals, more]).to_parquet(ladder_folder / "evals.parquet")
    waited = time.monotonic() + 20
    while "run-new" not in client.get("/").text and time.monotonic() < waited:
        time.sleep(0.05)
    assert "run-new" in client.get("/").text
    (ladder_folder / "evals.parquet").write_bytes(b"PAR1 half")
    while "read last" not in client.get("/").text and time.monotonic() < waited:
        time.sleep(0.05)
    page = client.get("/").text
    assert "read last" in page
    assert "run-new" in page


def test_many_forecasts_by_one_visitor_are_refused_with_a_reason(client):
    codes = [client.get(f"/forecast?params={number}B&tokens=520B").status_code for number in range(1, 30)]
    assert codes.count(429) >= 20
    refused = client.get("/forecast?params=77B&tokens=520B")
    assert refused.headers["retry-after"]
    assert "still being made" in refused.text
    assert client.get("/").status_code == 200


def test_the_cookie_is_not_the_token(source):
    closed = TestClient(make_app(source, "s3cret"), base_url="http://10.0.0.1", follow_redirects=False)
    assert "s3cret" not in closed.get("/?token=s3cret").headers["set-cookie"]
    assert TestClient(make_app(source, "s3cret"), cookies={"predictor-session": "s3cret"}).get("/").status_code == 401


def test_pages_are_made_once_for_equal_requests(client, monkeypatch):
    from predictor.serve import pages

    made = []
    real = pages.task_page
    monkeypatch.setattr(pages, "task_page", lambda *asked: made.append(asked) or real(*asked))
    texts = {client.get(f"/benchmarks/easy?nonsense={number}").text for number in range(20)}
    assert len(texts) == len(made) == 1
