"""The table of a forecast on terminals of 80, 100 and 200 columns."""

import io

import pytest

import predictor
from predictor.cli import tables

LONG = "a_benchmark_with_quite_a_long_name_of_its_own"


@pytest.fixture(scope="module")
def forecast(draw_ladder):
    table = draw_ladder(middles={"easy": 2.9, LONG: 2.6})
    return predictor.forecast(table, params="6B", tokens="240B", atlas=False, resamples=10)


@pytest.mark.parametrize("width", [80, 100, 200])
def test_names_are_never_cut_and_key_columns_never_dropped(forecast, monkeypatch, capsys, width):
    out = io.StringIO()
    monkeypatch.setattr(tables, "console", lambda: tables._Console(width=width, file=out))
    tables.print_forecast(forecast, why=True)
    lines = out.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    header = lines[1].split()
    assert {"task", "shots", "metric", "forecast", "grade"} <= set(header)
    assert "…" not in out.getvalue()
    # A long name is folded over several lines, none of its letters lost.
    start = next(number for number, line in enumerate(lines) if line.startswith("a_bench"))
    first = "".join(line.split(" ")[0] for line in lines[start : start + 5])
    assert first.startswith(LONG)
    for answer in forecast.forecasts:
        assert answer.scale.write(answer.median) in out.getvalue()
    # Reasons have a column where there is room, and lines below the table where there is none.
    below = capsys.readouterr().out
    assert all((answer.why in below) == (width < 120) for answer in forecast.forecasts)
