"""The file: complete, self-contained, the same for the same inputs."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from known_ladder import HOSTILE, HOSTILE_RUN, PARAMS, TOKENS

from predictor.errors import InputError
from predictor.forecasting import Forecaster, fit_forecaster
from predictor.report import write_report
from predictor.results import read_results


@pytest.fixture(scope="module")
def page(forecaster: Forecaster, tmp_path_factory: pytest.TempPathFactory) -> str:
    path = write_report(
        forecaster, PARAMS, TOKENS, tmp_path_factory.mktemp("out") / "report.html", command="predictor x"
    )
    return path.read_text(encoding="utf-8")


def unpacked(page: str, name: str) -> str:
    packed = re.search(rf'id="packed-{name}">([^<]*)<', page)
    assert packed is not None
    return gzip.decompress(base64.b64decode(packed[1])).decode()


def test_same_inputs_give_the_same_bytes(table: Path, tmp_path: Path) -> None:
    written = []
    for name in ("one.html", "two.html"):
        fresh = fit_forecaster(read_results(table), tasks=["rising_0", "flat"], resamples=10)
        written.append(write_report(fresh, PARAMS, TOKENS, tmp_path / name).read_bytes())
    assert written[0] == written[1]


def test_the_page_is_small_enough_to_send(page: str) -> None:
    assert len(page.encode()) < 3e6


def test_nothing_is_loaded_by_url(page: str) -> None:
    without_data = re.sub(r"<script type=\"application/octet-stream\".*?</script>", "", page)
    assert not re.search(r"(src|href)=[\"'](?!#|data:,)", without_data)
    assert "default-src 'none'" in without_data


def test_hostile_names_stay_text(page: str) -> None:
    assert HOSTILE not in page
    assert HOSTILE_RUN not in page
    assert "&lt;script&gt;alert" in page
    # Plotly reads HTML in hover texts: names are escaped there a second time.
    assert HOSTILE_RUN not in json.loads(unpacked(page, "figures"))["benchmark-1"]["data"][3]["text"][3]


def test_every_forecast_is_told_in_the_table(page: str, forecaster: Forecaster) -> None:
    for one in forecaster.predict(PARAMS, TOKENS).forecasts:
        low, high = (f"{100 * end:.1f}" for end in one.intervals["95"])
        assert f"{low}–{high}" in page
        if one.grade != "F":
            assert f"{100 * one.median:.1f}%" in page


def test_graded_benchmarks_come_first_and_f_has_its_own_heading(page: str) -> None:
    order = re.findall(r'<tr role="row" data-anchor="[^"]*" data-grade="(.)"', page)
    assert order == sorted(order)
    assert order[-1] == "F"
    assert page.index('id="firm-table"') < page.index("Not forecastable</h2>") < page.index('id="unsure-table"')


def test_no_number_is_given_for_what_cannot_be_forecast(page: str, forecaster: Forecaster) -> None:
    row = page[page.index('id="unsure-table"') :].split("<tbody")[1].split("</tbody>")[0]
    flat = next(one for one in forecaster.predict(PARAMS, TOKENS).forecasts if one.task == "flat")
    assert flat.grade == "F"
    assert 'class="bar-median"' not in row
    assert 'data-label="Forecast"' not in row


def test_the_record_is_complete(page: str, forecaster: Forecaster) -> None:
    for said in (*forecaster.record["inputs"].values(), "predictor x", "run-5", "two_step_heldout", "Resamples"):
        assert said.replace("_", "_<wbr>") in page or said in page
    assert "loss of the right answers was scored" in page


def test_one_run_held_out_once_is_averaged_by_hand(forecaster: Forecaster, page: str) -> None:
    forecast = forecaster.predict(PARAMS, TOKENS)
    firm = [row for row, one in zip(forecaster.rows, forecast.forecasts, strict=True) if one.grade != "F"]
    history = forecaster.history
    own = history[(history["method"] == "direct") & (history["held_out"] == 1) & history["series"].isin(firm)]
    expected = f"{100 * (own['forecast'] - own['truth']).abs().mean():.1f}"
    table = page[page.index("Mean absolute error in points, benchmarks graded A to E") :]
    line = re.search(r"<tr><th scope=\"row\">direct<.*?</tr>", table, re.DOTALL)
    assert line is not None
    assert re.findall(r'class="number">([^<]*)<', line[0])[0] == expected


def test_a_forecast_without_a_backtest_says_so(forecaster: Forecaster, tmp_path: Path) -> None:
    bare = replace(forecaster, history=forecaster.history.iloc[:0])
    text = write_report(bare, PARAMS, TOKENS, tmp_path / "report.html").read_text(encoding="utf-8")
    assert "too few runs to hold any out" in text.lower()


def test_a_report_replaces_an_older_one_and_leaves_nothing_beside(forecaster: Forecaster, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("old")
    write_report(forecaster, PARAMS, TOKENS, out)
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]


@pytest.mark.parametrize("place", ["missing/report.html", "file.txt/report.html", "."])
def test_a_place_that_cannot_be_written_is_an_input_error(forecaster: Forecaster, tmp_path: Path, place: str) -> None:
    (tmp_path / "file.txt").write_text("a file, no folder")
    with pytest.raises(InputError) as caught:
        write_report(forecaster, PARAMS, TOKENS, tmp_path / place)
    assert caught.value.remedy
