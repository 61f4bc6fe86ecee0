"""The figures, read back by plotly itself."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go
import pytest
from known_ladder import PARAMS, TOKENS

from predictor.difficulty import analyse, item_table
from predictor.forecasting import Forecaster
from predictor.report.figures import COLOURS, benchmark_figure, clusters_figure, interval_bar
from predictor.results import read_results


@pytest.fixture(scope="module")
def drawn(forecaster: Forecaster) -> dict[str, go.Figure]:
    forecast, curves = forecaster.predict(PARAMS, TOKENS), forecaster.curves(PARAMS, TOKENS)
    parts = zip(forecaster.rows, forecast.forecasts, curves, strict=True)
    return {
        one.task: go.Figure(benchmark_figure(forecaster.panel, row, one, curve, forecast.target))
        for row, one, curve in parts
    }


def named(figure: go.Figure, name: str) -> go.Scatter:
    return next(trace for trace in figure.data if trace.name == name)


def test_plotly_accepts_every_figure(drawn: dict[str, go.Figure]) -> None:
    # go.Figure raises on a property that plotly does not know.
    assert len(drawn) == 10
    assert all(len(figure.data) == 6 for figure in drawn.values())


def test_every_observation_is_a_point_that_tells_its_run(drawn: dict[str, go.Figure], forecaster: Forecaster) -> None:
    runs = named(drawn["rising_0"], "runs")
    number = next(i for i, one in enumerate(forecaster.panel.series) if one.task == "rising_0")
    assert sorted(runs.y) == pytest.approx(sorted(100 * forecaster.panel.score[number]), abs=0.01)
    assert "run-5" in runs.text[-1]
    assert "320M parameters, 6.4B tokens" in runs.text[-1]
    assert "±" in runs.text[-1]


def test_the_target_carries_both_intervals(drawn: dict[str, go.Figure], forecaster: Forecaster) -> None:
    forecast = next(one for one in forecaster.predict(PARAMS, TOKENS).forecasts if one.task == "rising_0")
    for level in ("80", "95"):
        mark = named(drawn["rising_0"], f"target, {level}% interval")
        low, high = mark.y[0] - mark.error_y.arrayminus[0], mark.y[0] + mark.error_y.array[0]
        assert (low, high) == pytest.approx([100 * end for end in forecast.intervals[level]], abs=0.02)
        assert mark.x[0] == pytest.approx(6 * PARAMS * TOKENS)


def test_chance_is_a_dashed_line_that_is_in_sight(drawn: dict[str, go.Figure]) -> None:
    layout = drawn["rising_0"].layout
    line = layout.shapes[0]
    assert line.line.dash == "dash"
    assert line.y0 == line.y1 == 25
    assert layout.yaxis.range[0] < 25 < layout.yaxis.range[1]


def test_the_unforecastable_get_no_mark_in_the_colour_of_a_forecast(drawn: dict[str, go.Figure]) -> None:
    target = COLOURS["target"][0]
    assert target in drawn["rising_0"].to_json()
    assert target not in drawn["flat"].to_json()


def test_no_light_colour_stands_for_two_dark_ones() -> None:
    light = [pair[0] for pair in COLOURS.values()]
    assert len(set(light)) == len(light)


def test_the_bar_puts_the_median_where_it_belongs(forecaster: Forecaster) -> None:
    forecast = next(one for one in forecaster.predict(PARAMS, TOKENS).forecasts if one.task == "rising_0")
    drawing = str(interval_bar(forecast))
    assert f'class="bar-median" x1="{200 * forecast.median:.1f}"' in drawing
    assert 'class="bar-chance" x1="50.0"' in drawing
    assert np.isfinite(forecast.median)


def test_clusters_of_items_are_drawn_solid_where_they_extrapolate(testbed):
    found = analyse(item_table(read_results(testbed("gemstones")), "openbookqa"), "quantiles")
    figure = clusters_figure(found)
    assert len(figure["data"]) == len(found.clusters)
    dashes = ["solid" if one.kept else "dot" for one in found.clusters]
    assert [trace["line"]["dash"] for trace in figure["data"]] == dashes
    order = np.argsort(found.table.flops[found.observations], kind="stable")
    assert figure["data"][0]["y"] == pytest.approx(100 * found.clusters[0].curve[order], abs=0.01)
