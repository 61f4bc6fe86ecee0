"""The track record in the report: shown where forecasts were registered, and on the first screen once it can judge."""

from dataclasses import replace

import pytest

from predictor.forecasting import fit_forecaster
from predictor.forecasting.register import read_entries, register, resolve, team_record
from predictor.report import build_report
from predictor.report.html import render_html
from predictor.report.team import describe_team
from predictor.results import read_results


@pytest.fixture
def record(ladder_folder):
    """A report, and the record of one forecast that was resolved."""
    whole = read_results(ladder_folder)
    cut = replace(whole, evals=whole.evals[whole.evals["run"] != "run-3e+09"])
    forecaster = fit_forecaster(cut, resamples=5, method="direct")
    register(ladder_folder, forecaster.predict(3.2e9, 128e9), "large")
    resolve(ladder_folder, whole)
    return build_report(forecaster, 3.2e9, 128e9), team_record(read_entries(ladder_folder))


def test_the_report_shows_the_track_record_as_it_is(record):
    report, judged = record
    assert 'id="record"' not in render_html(report)
    page = render_html(replace(report, team=describe_team(judged))).replace("\N{NO-BREAK SPACE}", " ")
    assert 'href="#record"' in page
    part = page[page.index('<section id="record"') :]
    assert "1 registered forecast, 1 resolved, 0 waiting" in part
    assert f"{100 * judged.by_distance()[-1]['error']:.1f}" in part
    assert 'data-figure="record-calibration"' in part
    # One model says too little for the first screen.
    assert "Track record.</b>" not in page


def test_intervals_that_held_too_seldom_are_on_the_first_screen(record):
    report, judged = record
    narrow = replace(describe_team(judged), verdict="too narrow", sentence="the intervals are too narrow")
    page = render_html(replace(report, team=narrow))
    assert page.index("The intervals are too narrow") < page.index("<main>")


def test_the_paper_version_states_it(record):
    pytest.importorskip("fpdf")
    from predictor.report.pdf import _head
    from predictor.report.sheet import Sheet

    report, judged = record
    pages = []
    for team in (None, describe_team(judged)):
        sheet = Sheet("target")
        _head(sheet, replace(report, team=team))
        pages.append(sheet.finish())
    # One more sentence: text is compressed, so that only its length shows.
    assert len(pages[1]) > len(pages[0]) + 50
