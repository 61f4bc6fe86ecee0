"""Is B better than A? Differences on every benchmark and over the suite, with what could have been seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from predictor import __version__
from predictor.errors import InputError
from predictor.presentation import Presentable, finished
from predictor.progress import Progress, opened
from predictor.results.readers import Results
from predictor.results.series import Series
from predictor.results.task_info import listed
from predictor.statistics.benchmark_difference import Difference, Setting, differences_of
from predictor.statistics.difference import BETTER, WORSE, adjust
from predictor.statistics.groups import Groups, read_groups
from predictor.statistics.measures import DEFAULT, check_measures
from predictor.statistics.plain import to_plain
from predictor.statistics.sides import Side, read_side, shared_series
from predictor.statistics.suite_difference import suite_difference

if TYPE_CHECKING:
    import pandas as pd

# So many benchmarks stand in a note.
_NAMED = 4


@dataclass(frozen=True, repr=False)
class Differences(Presentable):
    """One side against one or several others.

    Attributes:
        candidate: what is compared, in words.
        baselines: what it is compared with.
        rows: a difference for every baseline, benchmark and measure.
        suites: their mean over the benchmarks, for every baseline and measure with two or more.
        level: of the intervals and of the verdicts, as 0.95.
        detect: the difference for which the number of items is computed.
        measures: what was compared, the first decides whether the candidate is worse.
        left_out: benchmark -> why it is not compared.
        notes: what a reader should know.
        record: version and inputs.
    """

    candidate: str
    baselines: tuple[str, ...]
    rows: tuple[Difference, ...]
    suites: tuple[Difference, ...]
    level: float
    detect: float
    measures: tuple[str, ...]
    left_out: dict[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    record: dict[str, Any] = field(default_factory=dict)

    def is_worse(self) -> bool:
        """Return whether the candidate is worse by the first measure, on average or on a benchmark after Holm."""
        rows = (*self.suites, *self.rows)
        return any(row.verdict == WORSE for row in rows if row.measure == self.measures[0])

    def name(self, row: Difference) -> str:
        """Name a row's benchmark, with the number of examples where a task has several."""
        if row.benchmarks > 1:
            return f"mean of {row.benchmarks}"
        several = len({other.num_fewshot for other in self.rows if other.task == row.task}) > 1
        return row.label if several else row.task

    def to_frame(self) -> pd.DataFrame:
        """Return one row per baseline, benchmark and measure, those over the suite last (`task` is `mean`)."""
        import pandas as pd

        return pd.DataFrame([_flat(row) for row in (*self.rows, *self.suites)])

    def plot(self) -> Any:
        """Draw each difference with its interval: shares in [0, 1], other measures in their unit."""
        import plotly.graph_objects as go

        figure = go.Figure()
        for measure in self.measures:
            rows = [row for row in (*self.suites, *self.rows) if row.measure == measure]
            names = [f"{self.name(row)} {row.metric}, against {row.baseline}" for row in rows]
            above = [row.interval[1] - row.difference for row in rows]
            below = [row.difference - row.interval[0] for row in rows]
            reach = {"type": "data", "array": above, "arrayminus": below}
            values = [row.difference for row in rows]
            figure.add_scatter(x=values, y=names, error_x=reach, mode="markers", name=measure)
        title = f"{self.summary()}, {100 * self.level:g}% intervals"
        return finished(figure, title, "difference", rows=len(self.rows) + len(self.suites))

    def summary(self) -> str:
        """Return the comparison in one line."""
        worse = sum(row.verdict == WORSE for row in self.rows)
        better = sum(row.verdict == BETTER for row in self.rows)
        sides = f"{self.candidate} less {', '.join(self.baselines)}"
        return f"{sides}: {better} better and {worse} worse of {len(self.rows)}"

    def to_json(self) -> dict[str, Any]:
        """Return everything as values of JSON; what is not known is null."""
        return {
            "candidate": self.candidate,
            "baselines": list(self.baselines),
            "level": self.level,
            "detect": self.detect,
            "differences": [_json(row) for row in self.rows],
            "suite": [_json(row) for row in self.suites],
            "left_out": self.left_out,
            "notes": list(self.notes),
            "record": self.record,
        }


def diff(
    a: str | Side,
    b: str | Side | None = None,
    *,
    results: Results | str | Path | None = None,
    against: Sequence[str | Side] = (),
    family: str | None = None,
    tasks: Sequence[str] | None = None,
    measures: Sequence[str] = DEFAULT,
    level: float = 0.95,
    cluster: str | Path = "auto",
    detect: float = 0.01,
    progress: Progress | None = None,
) -> Differences:
    """Compute how much better B is than A, on every benchmark that both were scored on and on average.

    Args:
        a: the baseline, see `predictor.statistics.sides.read_side`; the candidate where `b` is None.
        b: the candidate.
        results: where runs are that are named without a path.
        against: further baselines.
        family: of the runs, where several families have a run of that name.
        tasks: benchmarks to look at; all where None.
        measures: what is compared of each benchmark, see `predictor.statistics.measures`.
        level: of the intervals; a benchmark counts as better or worse where its p-value, adjusted by Holm for all
            benchmarks and baselines of the measure, is at most one less the level.
        cluster: how items come in groups: `auto`, `none`, `subtask`, `document`, or a table's file with the columns
            doc_id and group, and where they matter subtask and task.
        detect: for which difference to compute the number of items, in the measure's unit.
        progress: opened with the number of benchmarks.

    Raises:
        UnknownNameError: there is no such run, checkpoint, task or family.
        InputError: nothing can be compared, or a name can mean several things.

    Examples:
        >>> diff("1b@28000", "1b@56000", results="store/").to_frame()  # doctest: +SKIP
    """
    check_measures(measures)
    _check(level, detect)
    loaded = _read(results)
    sides = [side if isinstance(side, Side) else read_side(side, loaded, family) for side in _in_order(a, b, against)]
    _check_apart(sides)
    setting = Setting(tuple(measures), level, read_groups(cluster), detect)
    left_out: dict[str, str] = {}
    rows: list[Difference] = []
    chosen = [(baseline, series) for baseline in sides[:-1] for series in _series(baseline, sides[-1], tasks, left_out)]
    with opened(progress, len(chosen)) as done:
        for baseline, (task, shots) in chosen:
            rows += differences_of(baseline, sides[-1], task, shots, setting, left_out)
            done(f"{baseline.label}: {Series(task, '', shots).label}")
    if not rows:
        raise InputError(
            f"nothing of {sides[0].name} and {sides[-1].name} can be compared",
            next(iter(left_out.values()), "score both on one benchmark, with the same number of examples"),
        )
    rows, suites = _adjusted(rows, level), _suites(rows, setting)
    if not any(row.measure == measures[0] for row in rows):
        left_out[measures[0]] = "no benchmark has it on both sides"
    record = {"version": __version__, "inputs": {str(s.results.path): s.results.inputs for s in sides}}
    baselines = tuple(side.label for side in sides[:-1])
    notes = (*_notes(sides, rows, setting.groups), *(note for mean in suites for note in mean.notes))
    return Differences(
        candidate=sides[-1].label,
        baselines=baselines,
        rows=tuple(rows),
        suites=tuple(suites),
        level=level,
        detect=detect,
        measures=tuple(measures),
        left_out=left_out,
        notes=notes,
        record=record,
    )


def _check(level: float, detect: float) -> None:
    if not 0.5 <= level < 1:
        raise InputError(f"the level is {level:g}", "give one from 0.5 to below 1, as 0.95")
    if not (math.isfinite(detect) and detect > 0):
        raise InputError(f"the difference to detect is {detect:g}", "give a positive one, as 0.01 for a point")


def _check_apart(sides: Sequence[Side]) -> None:
    """Refuse two names of one checkpoint.

    Raises:
        InputError: two sides are the same checkpoints.
    """
    seen: dict[tuple[object, ...], str] = {}
    for side in sides:
        place = (side.results.path.resolve(), *sorted(zip(side.rows["run"], side.rows["tokens"], strict=True)))
        if place in seen:
            raise InputError(f"{seen[place]} and {side.name} are the same checkpoint", "name two different ones")
        seen[place] = side.name


def _read(results: Results | str | Path | None) -> Results | None:
    from predictor.results.readers import read_results
    from predictor.statistics.sides import ROLES

    return results if isinstance(results, Results) or results is None else read_results(results, ROLES)


def _in_order(a: str | Side, b: str | Side | None, against: Sequence[str | Side]) -> list[str | Side]:
    """List the baselines and then the candidate.

    Raises:
        InputError: there is nothing to compare with, or a side is named twice.
    """
    sides = [*([a] if b is not None else []), *against, b if b is not None else a]
    if len(sides) < 2:
        raise InputError(f"{a} has nothing to be compared with", "name a second run, or --against another")
    names = [side.name if isinstance(side, Side) else side for side in sides]
    if len(set(names)) < len(names):
        raise InputError(f"{names[-1]} is compared with itself or one side is named twice", "name different sides")
    return sides


def _series(a: Side, b: Side, tasks: Sequence[str] | None, left_out: dict[str, str]) -> list[tuple[str, int]]:
    """List what both sides were scored on; what only one of them was is noted."""
    shared = shared_series([a, b])
    if tasks is not None:
        wanted = {_task(a, b, name) for name in tasks}
        shared = [series for series in shared if series[0] in wanted]
    either = {name for side in (a, b) for name in side.rows["task"].astype(str)}
    for task in sorted(either if tasks is None else wanted):
        if task not in {name for name, _ in shared}:
            left_out[task] = f"not scored on both {a.name} and {b.name} with the same number of examples"
    return shared


def _task(a: Side, b: Side, name: str) -> str:
    for side in (a, b):
        if name in set(side.rows["task"]):
            return name
    return a.results.task(name).task


def _adjusted(rows: list[Difference], level: float) -> list[Difference]:
    """Adjust the p-values of each measure for the number of its benchmarks and baselines."""
    adjusted = list(rows)
    for measure in dict.fromkeys(row.measure for row in rows):
        index = [number for number, row in enumerate(rows) if row.measure == measure]
        found = adjust([rows[number].p_value for number in index], level)
        for number, holm, bh in zip(index, *found, strict=True):
            adjusted[number] = replace(rows[number], holm=holm, bh=bh).judged(holm, level)
    return adjusted


def _suites(rows: Sequence[Difference], setting: Setting) -> list[Difference]:
    baselines = dict.fromkeys(row.baseline for row in rows)
    keys = [(baseline, measure) for baseline in baselines for measure in setting.measures]
    means = [suite_difference([row for row in rows if (row.baseline, row.measure) == key], setting) for key in keys]
    return [mean for mean in means if mean is not None]


def _notes(sides: Sequence[Side], rows: Sequence[Difference], groups: Groups) -> tuple[str, ...]:
    notes = _by_benchmark(rows)
    several = [side for side in sides if len(side.runs) > 1]
    if not several:
        notes.append("intervals say how sure the difference of these checkpoints is; training again would add to them")
    elif len(several) < len(sides):
        notes.append(f"the runs of {several[0].name} say how much seeds matter, of sides with one run too")
    behind = [side.label for side in sides if len(side.runs) == 1 and len(side.rows["tokens"].unique()) > 1]
    if behind:
        notes.append(f"{', '.join(behind)}: the newest checkpoint of each benchmark is taken, not the same for all")
    return (*notes, *groups.notes)


def _by_benchmark(rows: Sequence[Difference]) -> list[str]:
    """List the notes of rows, each once with the benchmarks it is of."""
    of: dict[str, list[str]] = {}
    for row in rows:
        for note in row.notes:
            of.setdefault(note, []).append(row.label)
    named = {note: list(dict.fromkeys(labels)) for note, labels in of.items()}
    return [f"{note}: {listed(labels[:_NAMED], len(labels))}" for note, labels in named.items()]


def _flat(row: Difference) -> dict[str, Any]:
    values = {
        name: value for name, value in asdict(row).items() if name not in ("estimate", "apart", "mcnemar", "notes")
    }
    test = row.mcnemar
    values |= {"only_a": test and test.only_a, "only_b": test and test.only_b, "mcnemar_p": test and test.p_value}
    for name in ("interval", "unpaired", "bounds"):
        ends = values.pop(name) or (math.nan, math.nan)
        values |= {f"{name}_low": ends[0], f"{name}_high": ends[1]}
    return values


def _json(row: Difference) -> dict[str, Any]:
    values = {name: value for name, value in asdict(row).items() if name not in ("estimate", "apart")}
    return {name: to_plain(value) for name, value in values.items()}
