"""How often intervals held: counted, shown, and warned of where it was too seldom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from predictor.forecasting import Forecaster, TrackRecord, track_record
from predictor.report import build_report, write_html
from predictor.report.coverage import Held, list_coverage, warn_of_coverage
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
    assert f'>{len(inside)}</td><td class="number">{100 * every.inside["80"]:.0f}%</td>' in shown
    assert "is not measured here" not in page


def held(band: str, ratio: float, forecasts: int, inside80: float, inside95: float) -> Held:
    return Held(band, ratio, forecasts, {"80": inside80, "95": inside95}, {"80": 0.1, "95": 0.2}, 0.02, 0.01)


def test_intervals_that_held_too_seldom_at_the_distance_of_the_target_are_warned_of() -> None:
    near, far = held("up to 2x", 1.5, 50, 0.82, 0.95), held("up to 10x", 8.0, 50, 0.55, 0.95)
    few, every = held("over 10x", 20.0, 3, 0.0, 0.0), held("all", 4.0, 103, 0.75, 0.95)
    assert warn_of_coverage([near, far, few, every], 2.0) is None
    told = warn_of_coverage([near, far, few, every], 30.0)
    # 30 times is further than any band with forecasts enough: what is said of the nearest is said as such.
    assert told == (
        "Of held-out runs at the distance nearest to this (up to 10x the compute of the fitted ones) the 80% "
        "intervals held 55% of the scores: take the intervals for too narrow."
    )
    assert warn_of_coverage([few, replace(few, band="all")], 30.0) is None


def test_intervals_that_held_too_seldom_over_all_are_warned_of_though_those_nearby_held() -> None:
    near, far = held("up to 2x", 1.5, 30, 0.82, 0.95), held("up to 10x", 8.0, 50, 0.6, 0.95)
    told = warn_of_coverage([near, far, held("all", 4.0, 80, 0.68, 0.95)], 2.0)
    assert told == "Of all held-out runs the 80% intervals held 68% of the scores: take the intervals for too narrow."


@pytest.mark.parametrize(("level", "other"), [("80", "95"), ("95", "80")])
def test_every_level_that_is_shown_is_looked_at(level: str, other: str) -> None:
    near, every = held("up to 2x", 1.5, 50, 0.8, 0.95), held("all", 1.5, 60, 0.8, 0.95)
    assert warn_of_coverage([near, every], 2.0) is None
    for short in (near, every):
        bad = replace(short, inside={**short.inside, level: int(level) / 100 - 0.11})
        told = warn_of_coverage([bad, every] if short is near else [near, bad], 2.0) or ""
        assert f"{level}% intervals" in told
        assert f"{other}% intervals" not in told


def test_one_band_alone_is_not_warned_of_twice() -> None:
    near = held("up to 2x", 1.5, 50, 0.5, 0.8)
    told = warn_of_coverage([near, replace(near, band="all")], 2.0) or ""
    assert told.count("of the scores") == 1
    assert "the 80% intervals held 50% and the 95% intervals held 80% of the scores" in told
