"""The pages of registered forecasts and of the track record."""

from dataclasses import replace

import pytest
from starlette.testclient import TestClient

from predictor.forecasting import fit_forecaster
from predictor.forecasting.register import read_entries, register, resolve, team_record
from predictor.results import read_results
from predictor.serve import make_app, registered


@pytest.fixture(autouse=True)
def _read_anew():
    registered._read.cache_clear()


def test_without_registered_forecasts_the_pages_say_how_to_make_one(client):
    assert "predictor forecast --register NAME" in client.get("/registered").text
    assert "no registered forecast has been resolved yet" in client.get("/record").text.lower()
    assert client.get("/registered/1").status_code == 404
    assert client.get("/registered/one").status_code == 404


def test_registered_forecasts_are_shown_beside_their_scores_and_judged(source, ladder_folder):
    whole = read_results(ladder_folder)
    cut = replace(whole, evals=whole.evals[whole.evals["run"] != "run-3e+09"])
    forecast = fit_forecaster(cut, resamples=5, method="direct").predict(3.2e9, 128e9)
    entry = register(ladder_folder, forecast, "<b>large</b>", by="me", note="mix 3", scores=cut)
    client = TestClient(make_app(source), base_url="http://127.0.0.1", raise_server_exceptions=False)
    waiting = client.get("/registered/1").text
    assert waiting.count(">waits<") == 3
    resolve(ladder_folder, whole)
    registered._read.cache_clear()
    page = client.get("/registered/1").text
    truth = whole.evals.set_index(["run", "task"])["value"]["run-3e+09"]
    assert all(f"{100 * truth[task]:.1f}" in page for task in ("easy", "medium", "hard"))
    assert entry.sha256 in page
    assert "<b>large" not in page
    assert "3 of 3" in client.get("/registered").text.replace("\N{NO-BREAK SPACE}", " ")
    page = client.get("/record").text
    error = team_record(read_entries(ladder_folder)).by_distance()[-1]["error"]
    assert f"{100 * error:.1f}" in page
    assert 'data-figure="record-calibration"' in page
    assert 'href="/record" aria-current="page"' in page


def test_a_changed_record_is_named_on_every_page(source, ladder_folder, client):
    forecast = fit_forecaster(read_results(ladder_folder), resamples=5, method="direct").predict(13e9, 520e9)
    register(ladder_folder, forecast, "first")
    path = ladder_folder / "forecasts" / "000001.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b'"first"', b'"worst"'))
    for address in ("/registered", "/record"):
        page = client.get(address).text
        assert "Records were changed" in page
        assert "000001.json" in page
