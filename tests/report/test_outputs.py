"""The report's other forms: on paper, as single figures, as tables."""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from known_ladder import HOSTILE, PARAMS, TOKENS
from PIL import Image

from predictor.errors import InputError
from predictor.forecasting import Forecaster, track_record
from predictor.report import Report, build_report, fit_loss_laws, write_figures, write_pdf, write_tables
from predictor.report.drawings import list_drawings
from predictor.report.figures.static import render_figure
from predictor.results import read_results

fpdf = pytest.importorskip("fpdf", reason="downstream-predictor[paper] is not installed")


@pytest.fixture(scope="module")
def report(forecaster: Forecaster, table: Path) -> Report:
    results = read_results(table)
    return build_report(
        forecaster,
        PARAMS,
        TOKENS,
        command="predictor x",
        laws=fit_loss_laws(results, "ladder", PARAMS, TOKENS),
        record=track_record(results, hold_out=2, resamples=5),
    )


@pytest.fixture(scope="module")
def short(report: Report) -> Report:
    """Two benchmarks, one with a hostile name and one that is not forecast: every kind of figure once."""
    return replace(
        report, firm=tuple(one for one in report.firm if one.forecast.task == HOSTILE), unsure=report.unsure[:1]
    )


@pytest.fixture(scope="module")
def single(short: Report) -> Report:
    """One benchmark and the backtest, as figures take nearly all the time."""
    return replace(short, unsure=(), laws=(), covered=None, sensitivity=None)


@pytest.fixture(scope="module")
def paper(single: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pdf(single, tmp_path_factory.mktemp("paper") / "report.pdf")


@pytest.fixture(scope="module")
def figures(short: Report, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("out") / "figures"
    write_figures(short, folder)
    return folder


def test_every_figure_comes_in_three_formats(figures: Path, short: Report) -> None:
    names = {path.name for path in figures.iterdir()}
    expected = {f"{one.name}.{ending}" for one in list_drawings(short) for ending in ("svg", "pdf", "png")}
    assert names == expected
    assert {"backtest.svg", "coverage.pdf", "flat-0-shot-acc.png"} <= names
    for path in figures.iterdir():
        if path.suffix == ".svg":
            assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"
        elif path.suffix == ".pdf":
            assert path.read_bytes().startswith(b"%PDF-")
        else:
            with Image.open(path) as picture:
                assert picture.size == ((1040, 1040) if path.stem == "backtest" else (1280, 840))


def test_a_hostile_name_stays_in_its_folder_and_out_of_the_markup(figures: Path) -> None:
    assert (figures / "script_alert_task_script_-0-shot-acc.svg").is_file()
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+", path.name) for path in figures.iterdir())
    assert not any(b"<script>alert" in path.read_bytes() for path in figures.glob("*.svg"))


def test_a_figure_on_paper_shows_the_colours_and_places_of_the_one_in_the_browser(short: Report) -> None:
    # The only orange in the picture is the target: its middle lies where the axes of the figure put it.
    one = short.firm[0]
    drawn = io.BytesIO(render_figure(one.figure, ("png",), legend=False)["png"])
    pixels = np.asarray(Image.open(drawn).convert("RGB")).astype(int)
    orange = np.abs(pixels - np.array([0xC4, 0x4F, 0x00])).sum(axis=2) < 30
    grid = np.abs(pixels - np.array([0xE3, 0xE7, 0xEC])).sum(axis=2) < 6
    left, right = np.flatnonzero(grid.any(axis=0))[[0, -1]]
    low, high = one.figure["layout"]["xaxis"]["range"]
    place = (np.log10(6 * PARAMS * TOKENS) - low) / (high - low)
    assert np.flatnonzero(orange.any(axis=0)).mean() == pytest.approx(left + place * (right - left), abs=6)


def test_equal_reports_are_equal_bytes(single: Report, paper: Path, figures: Path, tmp_path: Path) -> None:
    assert write_pdf(single, tmp_path / "again.pdf").read_bytes() == paper.read_bytes()
    again = write_figures(replace(single, tested=None, sensitivity=None), tmp_path / "figures")
    assert len(again) == 3
    for path in again:
        assert path.read_bytes() == (figures / path.name).read_bytes(), path.name


def test_names_with_formulas_in_them_are_printed_as_they_are(short: Report) -> None:
    made = render_figure(short.firm[0].figure, ("svg",), title=r"$\frac{1}{$ a_b", subtitle="100 $ % {")
    assert made["svg"].startswith(b"<?xml")


def test_the_paper_version_is_vectors_and_text(paper: Path) -> None:
    content = paper.read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"/Subtype /Image" not in content
    # The fonts go with it, and so does the text behind their glyphs.
    assert b"/FontFile2" in content
    assert b"/ToUnicode" in content
    assert [one.name for one in paper.parent.iterdir()] == ["report.pdf"]


def test_the_tables_hold_the_numbers_of_the_report(report: Report, tmp_path: Path) -> None:
    write_tables(report, tmp_path / "tables")
    read = {path.stem: pd.read_csv(path) for path in (tmp_path / "tables").iterdir()}
    forecasts = read["forecasts"].set_index("task")
    for one in report.firm:
        assert forecasts.loc[one.forecast.task, "median"] == pytest.approx(one.forecast.median, rel=1e-5)
        assert forecasts.loc[one.forecast.task, "low80"] == pytest.approx(one.forecast.intervals["80"][0], rel=1e-5)
    assert np.isnan(forecasts.loc["flat", "median"])
    assert len(read["observations"]) == 6 * 10
    assert len(read["curves"]) == 40 * 10
    assert len(read["what_if"]) == 25 * 10
    assert read["methods"].groupby("task")["weight"].sum().to_numpy() == pytest.approx(1.0, abs=1e-5)
    combined = read["backtest"].query("method == 'combination' and task == 'rising_0'")
    assert (combined["forecast"] - combined["truth"]).to_numpy() == pytest.approx(combined["error"], abs=1e-5)
    assert read["coverage"]["distance"].iloc[-1] == "all"
    assert list(read["runs"]["run"]) == [run.name for run in report.runs]


def test_one_csv_file_is_the_forecasts_alone(report: Report, tmp_path: Path) -> None:
    assert write_tables(report, tmp_path / "forecasts.csv") == [tmp_path / "forecasts.csv"]
    assert len(pd.read_csv(tmp_path / "forecasts.csv")) == 10


def test_a_folder_that_is_a_file_is_refused(report: Report, tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("kept")
    for write in (write_figures, write_tables):
        with pytest.raises(InputError, match="is a file"):
            write(report, tmp_path / "taken")
    assert (tmp_path / "taken").read_text() == "kept"
