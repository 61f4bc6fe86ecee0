"""Read tables of scores, with a row per score or a column per benchmark: CSV, TSV, JSON lines, Parquet, gzip."""

from __future__ import annotations

import gzip
import json
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from predictor.errors import InputError
from predictor.quantity import parse_count
from predictor.results.csv_rows import read_csv_rows
from predictor.results.formats.choices import choose_metric
from predictor.results.formats.found import Facts, FoundModel, LeftOut, Score, files_below
from predictor.results.formats.table_columns import Column, recognise
from predictor.results.parquet import read_parquet
from predictor.results.schema import FALSE, TRUE, is_share

_LARGEST = 512 << 20  # bytes of a table, unpacked
_ENDINGS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json", ".parquet", ".pq")
_MISSING = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>", "-", "—"})
# What tells one checkpoint, or one evaluation of it, from another.
_OF_MODEL = (
    "model",
    "revision",
    "run",
    "family",
    "params",
    "params_non_embedding",
    "tokens",
    "tokens_planned",
    "step",
    "flops",
    "date",
)
_COUNTS = ("params", "params_non_embedding", "tokens", "tokens_planned", "step")
_SCORED = frozenset({"value", "stderr", "score"})
_KINDS = "give a file that ends in .csv, .tsv, .jsonl or .parquet, or in one of these and .gz"


@dataclass(frozen=True)
class Tables:
    """Tables of scores.

    Attributes:
        columns: header -> what it is, for columns that are not recognised; see `table_columns.recognise`.
        percent: scores in [0, 1] are written in percent.
        metric: the metric of scores that name none.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    percent: bool = False
    metric: str | None = None
    name: str = "table"
    remedy: str = _KINDS

    def sources(self, path: Path) -> list[Path]:
        """Return the tables below a folder."""
        patterns = [f"*{ending}{zipped}" for ending in _ENDINGS if ending != ".json" for zipped in ("", ".gz")]
        return files_below(path, *patterns)

    def recognises(self, source: Path) -> bool:
        """Return whether a file is a table of scores."""
        try:
            self.read(source)
        except InputError:
            return False
        return True

    def read(self, source: Path) -> list[FoundModel]:
        """Read one table, one model for every checkpoint and date in it.

        Raises:
            InputError: it cannot be read, lacks a column, or a cell is no number.
        """
        headers, rows = read_rows(source)
        columns, unknown = recognise(headers, self.columns, str(source))
        marked = [column.header for column in columns if column.name in _SCORED and _is_marked(column, rows, source)]
        self._require(columns, headers, source)
        if not rows:
            raise InputError(f"{source} has no rows", "write at least one score")
        left_out = [
            LeftOut(f"column {header} of {source.name}", f"it is no known column or benchmark; {_use(header, rows)}")
            for header in unknown
        ]
        of_model = [column for column in columns if column.name in _OF_MODEL]
        groups: dict[tuple[Any, ...], list[Score]] = {}
        for number, row in enumerate(rows, 1):
            cells = {column.name: _cell(row[column.header], column, number, source) for column in of_model}
            key = tuple(cells.get(name) for name in _OF_MODEL)
            groups.setdefault(key, []).extend(self._scores(row, columns, number, source))
        self._check_percent(groups, source)
        models = [self._model(dict(zip(_OF_MODEL, key, strict=True)), scores, source) for key, scores in groups.items()]
        models[-1] = replace(models[-1], left_out=tuple(left_out), notes=(*self._assumed(columns), *_noted(marked)))
        return models

    def _assumed(self, columns: list[Column]) -> tuple[str, ...]:
        """Report the metrics of columns that name a benchmark alone."""
        if self.metric is not None:
            return ()
        tasks = [column.task for column in columns if column.name == "score" and column.metric is None and column.task]
        if not tasks:
            return ()
        named = ", ".join(f"{choose_metric(task, ())} of {task}" for task in tasks)
        return (f"taken for the usual metric of each benchmark: {named}; --metric states another",)

    def _require(self, columns: list[Column], headers: list[str], source: Path) -> None:
        names = {column.name for column in columns}
        wide = "score" in names
        lacking = [] if wide else [name for name in ("task", "value") if name not in names]
        if not wide and "metric" not in names and self.metric is None:
            lacking.insert(min(1, len(lacking)), "metric")
        if lacking:
            raise InputError(
                f"{source} lacks the column{'s' if len(lacking) > 1 else ''} {', '.join(lacking)}",
                f"name columns with --map COLUMN={lacking[0]}; it has {', '.join(headers) or 'no columns'}",
            )

    def _scores(self, row: Mapping[str, Any], columns: list[Column], number: int, source: Path) -> list[Score]:
        by_name = {column.name: column for column in columns if column.name != "score"}

        def cell(name: str) -> Any:
            return _cell(row[by_name[name].header], by_name[name], number, source) if name in by_name else None

        place = {name: cell(name) for name in ("num_fewshot", "n_items", "filter", "higher_is_better")}
        if "value" in by_name:
            task, metric = cell("task"), cell("metric") or self.metric
            for name, known in (("task", task), ("metric", metric)):
                if known is None:
                    raise InputError(f"{source}: column {name} is empty in row {number}", "fill it in")
            value, stderr = cell("value"), cell("stderr")
            assert metric is not None
            return [self._score(task, metric, value, stderr, place)]
        scores = []
        for column in (column for column in columns if column.name == "score"):
            task = column.task or cell("task")
            if task is None:
                raise InputError(f"{source}: column task is empty in row {number}", "fill it in")
            metric = column.metric or self.metric or choose_metric(task, ())
            if metric is None:
                raise InputError(f"{source}: the metric of {column.header} is not known", "give --metric, as acc")
            shots = place["num_fewshot"] if column.num_fewshot is None else column.num_fewshot
            value = _cell(row[column.header], column, number, source)
            scores.append(self._score(task, metric, value, None, {**place, "num_fewshot": shots}))
        return scores

    def _score(self, task: str, metric: str, value: float | None, stderr: float | None, place: dict[str, Any]) -> Score:
        name, comma, of_filter = metric.partition(",")
        if isinstance(value, Percents) and not is_share(name):
            raise InputError(f"{task}: {value:g}% is written for {name}, which is no share", "leave out the % sign")
        return Score(
            task,
            name,
            self._in_unit(value, name),
            self._in_unit(stderr, name),
            **{**place, "filter": of_filter if comma else place["filter"]},
        )

    def _in_unit(self, value: float | None, metric: str) -> float:
        """Return a cell in the metric's own unit, NaN for an empty one."""
        if value is None:
            return math.nan
        percents = isinstance(value, Percents) or (self.percent and is_share(metric))
        return value / 100 if percents else value

    def _check_percent(self, groups: Mapping[Any, list[Score]], source: Path) -> None:
        shares = [
            score
            for scores in groups.values()
            for score in scores
            if is_share(score.metric) and math.isfinite(score.value)
        ]
        largest = max(shares, key=lambda score: score.value, default=None)
        if largest is None:
            return
        if self.percent and largest.value <= 0.01:
            raise InputError(
                f"{source}: no score exceeds {100 * largest.value:g}, so they are no percents", "leave --percent out"
            )
        if not self.percent and largest.value > 1:
            raise InputError(
                f"{source} has a score outside [0, 1], {largest.value:g} ({largest.task}, {largest.metric})",
                "give --percent, or divide percents by 100",
            )

    def _model(self, cells: dict[str, Any], scores: list[Score], source: Path) -> FoundModel:
        facts = Facts(harness=None, **{name: cells[name] for name in ("run", "family", *_COUNTS, "flops", "date")})
        return FoundModel(cells["model"], (source,), cells["revision"], facts, tuple(scores))


def read_rows(path: Path) -> tuple[list[str], list[dict[str, Any]]]:
    """Read a table's header and its rows; cells of CSV are text, as they stand.

    Raises:
        InputError: the file is missing, empty, of another kind, or damaged.
    """
    if not path.is_file():
        raise InputError(f"{path} does not exist", "check the path")
    zipped = path.suffix == ".gz"
    ending = Path(path.stem).suffix if zipped else path.suffix
    if ending not in _ENDINGS:
        raise InputError(f"{path} is no table that can be read", _KINDS)
    try:
        content = _content(path, zipped)
        if ending in (".parquet", ".pq"):
            frame: pd.DataFrame = read_parquet(pa.py_buffer(content)).to_pandas()
            return _text(frame.columns), [
                dict(zip(_text(row), row.values(), strict=True)) for row in frame.to_dict("records")
            ]
        text = content.decode("utf-8-sig")
        rows = _json_rows(text, ending) if "json" in ending or ending == ".ndjson" else None
    except UnicodeDecodeError:
        raise InputError(f"{path} is not UTF-8", "save it as Parquet, or as CSV in UTF-8") from None
    except (pa.ArrowException, OSError, EOFError, ValueError, RecursionError, zlib.error) as error:
        raise InputError(f"{path} cannot be read as a table ({error})", "write it again as Parquet or CSV") from None
    if rows is not None:
        headers = list(dict.fromkeys(header for row in rows for header in row))
        return headers, [{header: row.get(header) for header in headers} for row in rows]
    headers, lines = read_csv_rows(text, path, ending)
    return headers, [dict(zip(headers, line, strict=True)) for line in lines]


def _content(path: Path, zipped: bool) -> bytes:
    """Read a file, unpacked; a few kilobytes may stand for any number of bytes."""
    with path.open("rb") as raw:
        content = (gzip.GzipFile(fileobj=raw) if zipped else raw).read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"it is larger than {_LARGEST >> 20} MiB")
    return content


def _text(names: Any) -> list[str]:
    return [str(name) for name in names]


def _json_rows(text: str, ending: str) -> list[dict[str, Any]]:
    found = json.loads(text) if ending == ".json" else [json.loads(line) for line in text.split("\n") if line.strip()]
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise ValueError("it is no list of objects")
    return found


def _cell(value: Any, column: Column, number: int, source: Path) -> Any:
    """Read a cell as what its column holds; None where it is empty."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return None
    if not isinstance(value, int | float) and str(value).strip().lower() in _MISSING:
        return None
    if column.name in _SCORED:
        return _number(value, column, number, source)
    if column.name in _COUNTS:
        return _count(value, column, number, source)
    if column.name == "flops":
        return _number(value, column, number, source) * column.scale
    if column.name in ("num_fewshot", "n_items"):
        return _count(value, column, number, source)
    if column.name == "higher_is_better":
        return _truth(value, number, source)
    return str(value).strip()


class Percents(float):
    """A number that is written with a % sign, as 31 for `31%`."""


def _is_marked(column: Column, rows: list[dict[str, Any]], source: Path) -> bool:
    """Return whether the cells of a column say that they are percents, as `31%`.

    Raises:
        InputError: some say it and others do not, which may then be shares or percents.
    """
    cells = [str(row[column.header]).strip() for row in rows if row[column.header] is not None]
    filled = [cell for cell in cells if cell.lower() not in _MISSING]
    marked = [cell for cell in filled if cell.endswith("%")]
    if marked and len(marked) < len(filled):
        other = next(cell for cell in filled if not cell.endswith("%"))
        raise InputError(
            f"{source}: column {column.header} has {marked[0]} and {other}",
            "write all its cells with a % sign, or none",
        )
    return bool(marked)


def _noted(marked: list[str]) -> tuple[str, ...]:
    """Report the columns whose cells were read as percents."""
    return (f"cells with a % sign are read as percents, as 31% = 0.31: {', '.join(marked)}",) if marked else ()


def _use(header: str, rows: list[dict[str, Any]]) -> str:
    """Return how to say what a column is: one of numbers may be scores, one of text may name the runs."""
    cells = [str(row[header]).strip().removesuffix("%") for row in rows if row[header] is not None]
    try:
        _ = [float(cell) for cell in cells if cell.lower() not in _MISSING]
    except ValueError:
        return f"--map '{header}=run' takes it as the names of the runs"
    return f"--map '{header}=task:NAME' takes it as scores"


def _number(value: Any, column: Column, number: int, source: Path) -> float:
    text = str(value).strip()
    try:
        if column.name in _SCORED and text.endswith("%"):
            return Percents(text[:-1])
        return float(value)
    except (TypeError, ValueError):
        name = column.header if column.name == "score" else column.name
        raise InputError(
            f"{source}: column {name} is not a number in row {number} ('{value}')", "write a number"
        ) from None


def _truth(value: Any, number: int, source: Path) -> bool:
    text = str(value).strip().lower()
    if text not in (*TRUE, *FALSE):
        raise InputError(f"{source}: column higher_is_better is '{value}' in row {number}", "write true or false")
    return text in TRUE


def _count(value: Any, column: Column, number: int, source: Path) -> int:
    try:
        plain = float(value)
    except (TypeError, ValueError):
        try:
            return parse_count(str(value))
        except InputError:
            _number(value, column, number, source)
            raise
    if not math.isfinite(plain) or plain < 0 or plain * column.scale > 4e18:
        raise InputError(f"{source}: column {column.name} is {value} in row {number}", "write a count as 7e9 or 7B")
    if column.name in ("step", "num_fewshot", "n_items") and plain != round(plain):
        raise InputError(f"{source}: column {column.name} is {value} in row {number}", "write a whole number")
    return round(plain * column.scale)
