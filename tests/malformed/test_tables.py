"""Results tables, task tables and items that nobody can mean."""

import json
import zlib

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

TARGET = ("--params", "7B", "--tokens", "300B")
# Every command that reads results, with what else it needs.
COMMANDS = {
    "forecast": TARGET,
    "query": ("easy", *TARGET),
    "report": (*TARGET, "--out", "report.html"),
    "backtest": (),
    "track": ("--run", "run-1e+08"),
    "rank": (),
    "density": ("--reference", "drawn"),
    "compare": TARGET,
    "plan": (*TARGET, "--budget", "1e21"),
    "difficulty": ("easy",),
    "subset": ("easy", "--size", "10"),
    "laws": ("fit", "chinchilla", "--task", "loss:heldout"),
    "import": ("table", "--store", "store"),
}
# What is imported is left out row by row, and listed.
_IN_TURN = [command for command in COMMANDS if command != "import"]


def turn_of(name):
    """A command for each case, the same one whatever ran before."""
    return _IN_TURN[zlib.crc32(name.encode()) % len(_IN_TURN)]


def arguments(command, path):
    """The arguments of a command that reads the results at a path."""
    more = COMMANDS[command]
    if command == "import":
        return (command, more[0], path, *more[1:])
    return (command, *more, "--results", path)


@pytest.fixture(scope="module")
def table(draw_ladder):
    return draw_ladder()


def with_cell(column, value):
    """Put a value into one cell; all others of the column become objects beside it."""

    def change(frame):
        frame = frame.copy()
        frame[column] = frame[column].astype(object) if column in frame else None
        frame.loc[3, column] = value
        return frame

    return change


def with_all(column, value):
    return lambda frame: frame.assign(**{column: [value] * len(frame)})


def without(column):
    return lambda frame: frame.drop(columns=column)


# What is done to a table of a ladder, and a part of what is said.
CHANGED = {
    **{
        f"without_{name}": (without(name), f"lacks the column {name}")
        for name in ("run", "params", "tokens", "task", "metric", "value")
    },
    "without_rows": (lambda frame: frame[:0], "has no rows"),
    "without_columns": (lambda frame: frame[[]], "is empty"),
    "columns_in_capitals": (lambda frame: frame.rename(columns=str.upper), "lacks the columns"),
    "columns_with_blanks": (lambda frame: frame.rename(columns=lambda name: f" {name}"), "lacks the columns"),
    "value_word": (with_cell("value", "high"), "column value is not a number in row 4"),
    "value_percent": (with_all("value", 55.0), "a score outside [0, 1]"),
    "value_infinite": (with_cell("value", float("inf")), "infinite"),
    "value_minus_infinite": (with_cell("value", float("-inf")), "infinite"),
    "value_negative": (with_all("value", -0.5), "a"),
    "value_huge": (with_all("value", 1e308), "a score"),
    "values_missing": (with_all("value", None), "every value is missing"),
    "values_nan": (with_all("value", float("nan")), "every value is missing"),
    "values_words": (with_all("value", "n.a."), "column value is not a number in row 1"),
    "value_long": (with_cell("value", "x" * 5_000_000), "column value is not a number in row 4"),
    "value_comma": (with_cell("value", "0,5"), "column value is not a number in row 4"),
    "params_word": (with_cell("params", "big"), "column params is not a number in row 4"),
    "params_suffix": (with_cell("params", "7Bx"), "column params is not a number in row 4"),
    "params_missing": (with_cell("params", None), "column params is empty in row 4"),
    "params_negative": (with_all("params", -7), "params that are not positive"),
    "params_zero": (with_all("params", 0), "params that are not positive"),
    "params_infinite": (with_all("params", float("inf")), "column params is inf in row 1"),
    "params_beyond_64_bits": (with_all("params", 1e19), "no count here exceeds 4e+18"),
    "tokens_word": (with_cell("tokens", "many"), "column tokens is not a number in row 4"),
    "tokens_missing": (with_all("tokens", None), "column tokens is empty in row 1"),
    "tokens_negative": (with_all("tokens", -1), "negative tokens"),
    "tokens_beyond_64_bits": (with_all("tokens", 1e30), "no count here exceeds 4e+18"),
    "tokens_planned_word": (with_all("tokens_planned", "soon"), "column tokens_planned is not a number"),
    "tokens_planned_huge": (with_all("tokens_planned", 1e300), "no count here exceeds 4e+18"),
    "step_word": (with_all("step", "last"), "column step is not a number in row 1"),
    "stderr_negative": (with_all("stderr", -0.1), "negative stderr"),
    "stderr_word": (with_all("stderr", "small"), "column stderr is not a number"),
    "n_items_zero": (with_all("n_items", 0), "n_items that are not positive"),
    "n_items_huge": (with_all("n_items", 1e25), "no count here exceeds 4e+18"),
    "num_fewshot_word": (with_all("num_fewshot", "five"), "column num_fewshot is not a number"),
    "width_word": (with_all("width", "wide"), "column width is not a number"),
    "depth_zero": (with_all("depth", 0), "a depth that is not positive"),
    "run_missing": (with_cell("run", None), "column run is empty in row 4"),
    "task_missing": (with_cell("task", None), "column task is empty in row 4"),
    "metric_missing": (with_cell("metric", None), "column metric is empty in row 4"),
    "two_sizes": (with_cell("params", 5), "for two sizes"),
    "direction_word": (with_all("higher_is_better", "perhaps"), "higher_is_better"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_a_table_with_a_mistake_is_one_line(refused, tmp_path, table, name):
    change, said = CHANGED[name]
    path = tmp_path / "evals.csv"
    change(table).to_csv(path, index=False)
    assert said in refused(*arguments(turn_of(name), path))


def as_parquet(frame):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pandas(frame, preserve_index=False), sink)
    return sink.getvalue().to_pybytes()


def as_csv(frame, **options):
    return frame.to_csv(index=False, **options).encode()


def torn(frame):
    content = as_parquet(frame)
    return content[: len(content) // 2]


def bent(frame):
    content = bytearray(as_parquet(frame))
    content[len(content) // 3] ^= 0xFF
    content[-40] ^= 0xFF
    return bytes(content)


def of_lists(frame):
    return as_parquet(frame.assign(value=[[value] for value in frame["value"]]))


def of_structs(frame):
    return as_parquet(frame.assign(task=[{"name": task} for task in frame["task"]]))


def of_bytes(frame):
    return as_parquet(frame.assign(value=[b"\xff" for _ in frame["value"]]))


def with_column_twice(frame):
    table = pa.Table.from_pandas(frame, preserve_index=False)
    sink = pa.BufferOutputStream()
    pq.write_table(table.append_column("value", table["value"]), sink)
    return sink.getvalue().to_pybytes()


def of_dates(frame):
    return as_parquet(frame.assign(value=pd.Timestamp("2026-01-31")))


def without_columns(frame):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table({}), sink)
    return sink.getvalue().to_pybytes()


# A file's name, its bytes made of a table, and a part of what is said.
FILES = {
    "empty_csv": ("t.csv", lambda frame: b"", "is empty"),
    "blank_csv": ("t.csv", lambda frame: b"\n\n\n", "t.csv"),
    "header_alone": ("t.csv", lambda frame: as_csv(frame[:0]), "has no rows"),
    "words": ("t.csv", lambda frame: b"these are not scores\nat all\n", "lacks the columns"),
    "ragged": (
        "t.csv",
        lambda frame: as_csv(frame) + b"1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18\n",
        "cannot be read",
    ),
    "quote_open": ("t.csv", lambda frame: as_csv(frame) + b'"open,', "t.csv"),
    "utf16_csv": ("t.csv", lambda frame: frame.to_csv(index=False).encode("utf-16"), "is not UTF-8"),
    "latin1_csv": (
        "t.csv",
        lambda frame: as_csv(frame).replace(b"easy", "\u00e9asy".encode("latin-1")),
        "is not UTF-8",
    ),
    "nul_csv": ("t.csv", lambda frame: as_csv(frame).replace(b"value", b"va\0ue"), "t.csv"),
    "nuls": ("t.csv", lambda frame: b"\0" * 4096, "t.csv"),
    "parquet_as_csv": ("t.csv", as_parquet, "t.csv"),
    "csv_as_parquet": ("t.parquet", as_csv, "cannot be read"),
    "empty_parquet": ("t.parquet", lambda frame: b"", "t.parquet"),
    "torn_parquet": ("t.parquet", torn, "cannot be read"),
    "bent_parquet": ("t.parquet", bent, "t.parquet"),
    "magic_alone": ("t.parquet", lambda frame: b"PAR1PAR1", "cannot be read"),
    "footer_length": ("t.parquet", lambda frame: b"PAR1" + b"\xff" * 4 + b"PAR1", "cannot be read"),
    "parquet_of_lists": ("t.parquet", of_lists, "t.parquet"),
    "parquet_of_structs": ("t.parquet", of_structs, "t.parquet"),
    "parquet_of_bytes": ("t.parquet", of_bytes, "t.parquet"),
    "parquet_of_dates": ("t.parquet", of_dates, "t.parquet"),
    "parquet_without_columns": ("t.parquet", without_columns, "lacks the columns"),
    "parquet_with_a_column_twice": ("t.parquet", with_column_twice, "t.parquet"),
    "json": ("t.json", lambda frame: frame.to_json().encode(), "t.json"),
    "deep_json_lines": ("t.jsonl", lambda frame: b"[" * 100_000, "t.jsonl"),
    "broken_json_lines": ("t.jsonl", lambda frame: b'{"run": "a"\n', "t.jsonl"),
    "broken_gzip": ("t.csv.gz", lambda frame: b"\x1f\x8b\x08\x00" + b"x" * 100, "t.csv.gz"),
    "excel": ("t.xlsx", lambda frame: b"PK\x03\x04" + b"x" * 100, "t.xlsx"),
    "no_ending": ("t", as_csv, "/t "),
    "pickle": ("t.pkl", lambda frame: b"\x80\x04N.", "t.pkl"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_another_kind_is_one_line(refused, tmp_path, table, name):
    file, content, said = FILES[name]
    (tmp_path / file).write_bytes(content(table))
    assert said in refused(*arguments(turn_of(name), tmp_path / file))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_says_that_there_is_nothing(refused, tmp_path, command):
    assert "nowhere" in refused(*arguments(command, tmp_path / "nowhere.parquet"))
    (tmp_path / "folder").mkdir()
    assert "folder" in refused(*arguments(command, tmp_path / "folder"))


TASKS = {
    "without_task": (without("task"), "lacks the column task"),
    "without_metric": (without("metric"), "lacks the column metric"),
    "chance_word": (with_all("chance", "low"), "chance of easy is 'low', which is no number"),
    "chance_of_one": (with_all("chance", 1.0), "chance"),
    "chance_negative": (with_all("chance", -0.1), "chance"),
    "chance_infinite": (with_all("chance", float("inf")), "chance"),
    "n_items_word": (with_all("n_items", "some"), "n_items"),
    "n_items_infinite": (with_all("n_items", float("inf")), "n_items"),
    "n_items_negative": (with_all("n_items", -3), "n_items"),
    "low_word": (with_all("low", "bottom"), "low"),
    "high_below_low": (lambda frame: frame.assign(low=1.0, high=0.0), "easy"),
    "direction_word": (with_all("higher_is_better", "perhaps"), "higher_is_better"),
}


@pytest.mark.parametrize("name", TASKS)
def test_a_task_table_with_a_mistake_is_one_line(refused, ladder_folder, name):
    change, said = TASKS[name]
    tasks = pd.read_parquet(ladder_folder / "tasks.parquet")
    change(tasks).to_parquet(ladder_folder / "tasks.parquet")
    assert said in refused(*arguments("forecast", ladder_folder))


@pytest.mark.parametrize("content", [b"", b"PAR1PAR1", b"no parquet at all"])
def test_a_task_table_that_is_none_is_one_line(refused, ladder_folder, content):
    (ladder_folder / "tasks.parquet").write_bytes(content)
    assert "tasks.parquet" in refused(*arguments("rank", ladder_folder))


ITEMS = {
    "without_values": (without("values"), "values"),
    "without_run": (without("run"), "run"),
    "of_other_lengths": (
        lambda frame: frame.assign(values=[[0.5] * (3 + number) for number in range(len(frame))]),
        "items",
    ),
    "of_words": (lambda frame: frame.assign(values=[["a", "b"]] * len(frame)), "items"),
    "not_lists": (with_all("values", 0.5), "items"),
    "empty_lists": (lambda frame: frame.assign(values=[[]] * len(frame)), "items"),
    "no_rows": (lambda frame: frame[:0], "easy"),
    "values_missing": (with_all("values", None), "items"),
}


@pytest.mark.parametrize("command", ["difficulty", "subset"])
@pytest.mark.parametrize("name", ITEMS)
def test_items_with_a_mistake_are_one_line(refused, ladder_folder, name, command):
    change, said = ITEMS[name]
    evals = pd.read_parquet(ladder_folder / "evals.parquet")
    runs = evals[evals["task"] == "easy"][["family", "run", "params", "tokens"]]
    values = [list(np.linspace(0, 1, 40)) for _ in range(len(runs))]
    (ladder_folder / "items").mkdir()
    change(runs.reset_index(drop=True).assign(step=1, values=values)).to_parquet(
        ladder_folder / "items" / "easy.parquet"
    )
    assert said in refused(*arguments(command, ladder_folder))


# Options that contradict the table or themselves.
OPTIONS = {
    "family_unknown": ("forecast", ("--family", "nosuch"), "unknown family 'nosuch'"),
    "task_unknown": ("forecast", ("--tasks", "nosuch"), "unknown task 'nosuch'"),
    "tasks_empty": ("forecast", ("--tasks", ","), "is empty"),
    "method_unknown": ("forecast", ("--method", "nosuch"), "nosuch"),
    "seed_negative": ("forecast", ("--seed", "-1"), "--seed"),
    "seed_word": ("forecast", ("--seed", "x"), "--seed"),
    "require_word": ("forecast", ("--require", "easy"), "easy"),
    "require_unknown": ("forecast", ("--require", "nosuch=0.5"), "nosuch"),
    "require_infinite": ("forecast", ("--require", "easy=inf"), "easy"),
    "suite_unknown": ("forecast", ("--suite", "nosuch"), "nosuch"),
    "params_word": ("forecast", ("--params", "many"), "--params 'many' is not a number"),
    "params_long": ("forecast", ("--params", "x" * 100_000), "is not a number"),
    "params_infinite": ("forecast", ("--params", "1e400"), "must be positive and finite"),
    "params_negative": ("forecast", ("--params", "-7B"), "--params"),
    "params_zero": ("forecast", ("--params", "0"), "must be positive"),
    "params_tiny": ("forecast", ("--params", "1e-30"), "no model has 1e-30 parameters"),
    "params_huge": ("forecast", ("--params", "1e300"), "no model has"),
    "tokens_huge": ("forecast", ("--tokens", "1e300"), "no model has"),
    "tokens_nan": ("forecast", ("--tokens", "nan"), "--tokens 'nan' is not a number"),
    "json_folder": ("forecast", ("--json", "."), "is a folder"),
    "json_nowhere": ("forecast", ("--json", "nowhere/x.json"), "does not exist"),
    "json_results": ("forecast", ("--json", "evals.parquet"), "would replace"),
    "out_folder": ("report", ("--out", "."), "is a folder"),
    "out_nowhere": ("report", ("--out", "nowhere/report.html"), "does not exist"),
    "out_results": ("report", ("--out", "evals.parquet"), "would replace"),
    "out_name_too_long": ("report", ("--out", "x" * 300 + ".html"), "x"),
    "run_unknown": ("track", ("--run", "nosuch"), "unknown run 'nosuch'"),
    "hold_out_none": ("backtest", ("--hold-out", "0"), "--hold-out"),
    "hold_out_all": ("backtest", ("--hold-out", "99"), "99"),
    "hold_out_huge": ("backtest", ("--hold-out", "9" * 30), "9"),
    "reference_unknown": ("density", ("--reference", "nosuch"), "nosuch"),
    "budget_word": ("plan", ("--budget", "lots"), "--budget 'lots' is not a number"),
    "budget_tiny": ("plan", ("--budget", "1"), "budget"),
    "sizes_word": ("plan", ("--sizes", "a,b"), "sizes"),
    "size_none": ("subset", ("--size", "0"), "--size"),
    "size_huge": ("subset", ("--size", "9" * 25), "easy"),
    "radius_none": ("difficulty", ("--radius", "0"), "--radius"),
    "port_huge": ("serve", ("--port", "70000"), "--port"),
    "family_long": ("forecast", ("--family", "f" * 5000), "unknown family"),
    "family_escape": ("forecast", ("--family", "f\x1b[31m"), "unknown family 'f?[31m'"),
}


@pytest.mark.parametrize("name", OPTIONS)
def test_an_option_with_a_mistake_is_one_line(refused, ladder_folder, name):
    command, more, said = OPTIONS[name]
    base = list(COMMANDS.get(command, ()))
    if more[0] in base:
        at = base.index(more[0])
        del base[at : at + 2]
    assert said in refused(command, *base, "--results", ladder_folder, *more)


def test_a_table_with_a_byte_order_mark_is_read(tmp_path, table):
    from predictor.results.readers import read_results

    table.to_csv(tmp_path / "t.csv", index=False, encoding="utf-8-sig")
    assert len(read_results(tmp_path / "t.csv").evals) == len(table)
    assert json.loads(json.dumps(sorted(read_results(tmp_path / "t.csv").tasks))) == ["easy", "hard", "medium"]
