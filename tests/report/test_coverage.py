"""How often intervals held: counted, shown, and warned of where it was too seldom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from predictor.forecast import Forecaster, TrackRecord, track_record
from predictor.report import build_report, write_html
from predictor.report.coverage import list_coverage, warn_of_coverage
from predictor.results import read_results


@pytest.fixture(scope="module")
def record(table: Path) -> TrackRecord:
    return track_record(read_results(table), hold_out=2, resamples=5)


def test_the_table_counts_what_the_intervals_held(record: TrackRecord, forecaster: Forecaster, tmp_path: Path) -> None:
    every = list_coverage(record)[-1]
    inside = [one.inside("80") for one in record.forecasts]
    assert every.forecasts == len(inside)
    assert every.inside["80"] == pytest.approx(sum(inside) / len(inside))
    page = write_html(build_report(forecaster, 1e9, 2e10, record=record), tmp_path / "r.html").read_text(
        encoding="utf-8"
    )
    shown = page[page.index('id="coverage"') :].split("</table>")[0]
    assert f'>{len(inside)}</td><td class="number">{100 * every.inside["80"]:.0f} %</td>' in shown
    assert "is not measured here" not in page


def test_intervals_that_held_too_seldom_at_the_distance_of_the_target_are_warned_of(record: TrackRecord) -> None:
    one, *_, every = list_coverage(record)
    near = replace(one, band="up to 2x", ratio=1.5, forecasts=50, inside={"80": 0.82, "95": 0.95})
    far = replace(one, band="up to 10x", ratio=8.0, forecasts=50, inside={"80": 0.55, "95": 0.8})
    few = replace(far, ratio=20.0, forecasts=3, inside={"80": 0.0, "95": 0.0})
    assert warn_of_coverage([near, far, few, every], 2.0) is None
    assert "up to 10x" in (warn_of_coverage([near, far, few, every], 30.0) or "")
    assert warn_of_coverage([few, every], 30.0) is None
