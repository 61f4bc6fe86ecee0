"""What `import predictor` offers: names, types, frames; and that nothing is imported before it is used."""

import importlib
import inspect
import json
import subprocess
import sys
import types
from pathlib import Path

import click
import numpy as np
import pandas as pd
import pytest

import predictor
from predictor.cli.app import COMMANDS, app

PACKAGE = Path(predictor.__file__).parent


def test_the_names_on_offer_are_these():
    assert predictor.__all__ == [
        "Comparison",
        "Differences",
        "Forecast",
        "Forecaster",
        "ModelRanking",
        "Outcome",
        "Plan",
        "PredictorError",
        "Project",
        "Results",
        "RunTrack",
        "Signals",
        "TrackRecord",
        "__version__",
        "backtest",
        "compare",
        "diff",
        "evaluate",
        "fit_forecaster",
        "forecast",
        "laws",
        "load_project",
        "plan",
        "rank",
        "read_results",
        "record",
        "register",
        "registered",
        "resolve",
        "signal",
        "track",
    ]
    for name in predictor.__all__:
        assert getattr(predictor, name) is not None


def test_no_module_is_hidden_by_a_function():
    modules = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    for name in modules & set(predictor.__all__):
        assert isinstance(getattr(predictor, name), types.ModuleType), name
    # The other way round: importing a module leaves the function of the command beside it.
    importlib.import_module("predictor.forecasting.panel")
    assert inspect.isfunction(predictor.forecast)


def test_importing_it_imports_nothing_that_is_slow():
    slow = "{'numpy', 'pandas', 'pydantic', 'yaml', 'click', 'scipy', 'torch', 'importlib.metadata', 'predictor.api'}"
    code = f"import sys, predictor; print(sorted({slow} & set(sys.modules))); print(len(dir(predictor)) > 20)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["[]", "True"]


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'forcast'"):
        predictor.forcast  # noqa: B018


# In Python a forecast that was made is registered by a function of its own.
REGISTERING = {"register", "note", "by", "run", "store"}


@pytest.mark.parametrize("name", ["forecast", "backtest", "compare", "plan", "rank", "resolve", "record"])
def test_options_of_a_command_are_arguments_of_its_function(name):
    command = app.get_command(click.Context(app), name)
    assert COMMANDS[name] == name
    options = {parameter.name for parameter in command.params} - {"json_path", "why", "config"}
    if name == "forecast":
        assert options >= REGISTERING
        assert set(inspect.signature(predictor.register).parameters) >= REGISTERING - {"register"}
        options -= REGISTERING
    parameters = inspect.signature(getattr(predictor, name)).parameters
    assert options <= set(parameters)
    for parameter in list(parameters.values())[1:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY, parameter


@pytest.fixture(scope="module")
def table(draw_ladder):
    return draw_ladder()


@pytest.fixture(scope="module")
def forecast(table):
    return predictor.forecast(table, params="400M", tokens="8B", atlas=False, resamples=10, require={"mean": 0.3})


def test_a_data_frame_and_a_file_are_forecast_alike(table, forecast, tmp_path):
    path = tmp_path / "evals.csv"
    table.to_csv(path, index=False)
    again = predictor.forecast(str(path), params=4e8, tokens=8_000_000_000, atlas=False, resamples=10)
    pd.testing.assert_frame_equal(again.to_frame(), forecast.to_frame())
    assert again.record["inputs"] != {}


def test_a_forecast_is_a_frame_with_named_intervals(forecast):
    frame = forecast.to_frame()
    assert list(frame.columns[:8]) == ["task", "metric", "num_fewshot", "median", "lo-80", "hi-80", "lo-95", "hi-95"]
    for row, answer in zip(frame.to_dict("records"), forecast.forecasts, strict=True):
        assert row["task"] == answer.task
        if answer.grade == "F":
            assert np.isnan([row["median"], row["lo-80"], row["hi-95"]]).all()
        else:
            assert (row["median"], row["lo-80"], row["hi-80"]) == (answer.median, *answer.intervals["80"])
            assert row["lo-95"] <= row["lo-80"] <= row["median"] <= row["hi-80"] <= row["hi-95"]
    assert forecast.require.each[0].name == "mean"


def test_a_forecast_shows_itself_in_one_line_as_a_table_and_as_a_figure(forecast):
    assert repr(forecast).startswith("<Forecast: ")
    assert "400M parameters, 8B tokens" in repr(forecast)
    assert len(repr(forecast)) < 120
    assert "<th>lo-80</th>" in forecast._repr_html_()
    drawn = [trace for trace in forecast.plot().data if trace.mode == "markers"]
    known = [answer.median for answer in forecast.forecasts if answer.grade != "F"]
    assert list(drawn[0].x) == known


def test_what_json_keeps_is_what_the_command_prints(forecast):
    assert predictor.Forecast.from_json(json.loads(json.dumps(forecast.to_json()))) == forecast


def test_a_backtest_is_a_frame_of_held_out_scores(table):
    record = predictor.backtest(table, hold_out=1, resamples=10)
    frame = record.to_frame()
    assert {"run", "truth", "median", "lo-80", "hi-80", "error"} <= set(frame.columns)
    np.testing.assert_allclose(frame["error"], frame["median"] - frame["truth"])
    error = record.by_distance()[-1]["errors"]["combination"]["mean"]
    assert f"{100 * error:.1f} points" in repr(record)
    assert len(record.plot().data) == 4


def test_sizes_and_lists_are_read_as_people_write_them(table):
    plan = predictor.plan(budget="1e21", params="7B", tokens="140B", sizes="100M,400M", ratios=[20, "40"])
    assert set(plan.to_frame()["params"]) <= {1e8, 4e8}
    assert plan.to_frame()["flops"].sum() == pytest.approx(plan.flops)
    assert "towards 7B parameters" in repr(plan)
    with pytest.raises(predictor.PredictorError, match="params 'seven' is not a number"):
        predictor.forecast(table, params="seven", tokens="300B")
    with pytest.raises(predictor.PredictorError, match="unknown task 'no_such'"):
        predictor.forecast(table, params="400M", tokens="8B", tasks="no_such")


def test_results_know_themselves(table):
    results = predictor.read_results(table)
    assert repr(results).startswith(f"<Results: {table['run'].nunique()} runs of 1 family, ")
    assert len(results.to_frame()) == len(table)
    assert predictor.read_results(table).inputs == results.inputs
    changed = table.assign(value=table["value"] * 0.5)
    assert predictor.read_results(changed).inputs != results.inputs
