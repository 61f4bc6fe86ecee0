"""How much a score depends on wording, on the order of choices, on names: variants of one task, item by item."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import InputError, UnknownNameError
from predictor.results.item_measures import measure_items
from predictor.results.readers import Results
from predictor.results.series import main_shots
from predictor.results.store import Store
from predictor.statistics.intervals import clustered_mean
from predictor.statistics.plain import to_plain

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Variant:
    """One variant of the task, as one run answered it.

    Attributes:
        task: its name.
        score: share of right answers.
        drop: the task's score less the variant's, over the same items.
        interval: of the drop, by the items.
    """

    task: str
    score: float
    drop: float
    interval: tuple[float, float]


@dataclass(frozen=True)
class RunRobustness:
    """One run over all variants.

    Attributes:
        run: its name.
        params: its parameters.
        tokens: of the checkpoint, the newest that was scored on all of them.
        items: items that all variants share.
        score: of the task itself.
        variants: each variant.
        mean: over the task and its variants.
        worst: the lowest of them.
        always: share of items that are right in every one.
        never: share of items that are wrong in every one.
    """

    run: str
    params: float
    tokens: float
    items: int
    score: float
    variants: tuple[Variant, ...]
    mean: float
    worst: float
    always: float
    never: float


@dataclass(frozen=True)
class RankingChange:
    """How a variant orders the runs, beside the task.

    Attributes:
        task: the variant.
        tau: Kendall's tau-b of the two orders.
        flipped: pairs of runs that it orders the other way.
        seen: of those, pairs that both order beyond doubt, each by the interval of its difference.
        pairs: pairs of runs in all.
    """

    task: str
    tau: float
    flipped: int
    seen: int
    pairs: int


@dataclass(frozen=True)
class Robustness:
    """The answer of `predictor robustness`.

    Attributes:
        task: the task.
        level: of the intervals.
        runs: every run, the smallest first.
        ranking: every variant; empty for fewer than three runs.
        notes: what to know.
    """

    task: str
    level: float
    runs: tuple[RunRobustness, ...]
    ranking: tuple[RankingChange, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        values: dict[str, Any] = to_plain(asdict(self))
        return values


def robustness(
    results: Results,
    task: str,
    variants: Sequence[str] = (),
    *,
    family: str | None = None,
    num_fewshot: int | None = None,
    level: float = 0.95,
) -> Robustness:
    """Compare a task's variants with it, run by run and item by item.

    Items are paired by their document's number: a variant asks the same documents in the same order.

    Args:
        results: where they were read from.
        task: the task.
        variants: its variants; those whose suite says `variant_of` where none are named.
        family: whose runs; all where None.
        num_fewshot: which of the prompts; that of the most runs where None.
        level: of the intervals.

    Raises:
        UnknownNameError: there is no such task or family.
        InputError: no variant is known, items were not kept, or no run was scored on all of them.
    """
    info = results.task(task)
    names = tuple(dict.fromkeys(variants)) or _declared(results, info.task)
    if info.task in names:
        raise InputError(f"{info.task} is no variant of itself", "name other tasks with --variants")
    notes: list[str] = []
    answers = [answers_of(results, name, family, num_fewshot) for name in (info.task, *names)]
    shared = set.intersection(*(set(found) for found in answers))
    if not shared:
        raise InputError(f"no run was scored on {info.task} and on {', '.join(names)}", "score the same checkpoints")
    newest: dict[str, tuple[str, float]] = {}
    for run, tokens in shared:
        newest[run] = max(newest.get(run, (run, -1.0)), (run, tokens))
    grids: dict[str, Array] = {}
    runs = []
    for key in newest.values():
        params = answers[0][key][0]
        columns = [_by_document(found[key][1], name) for found, name in zip(answers, (info.task, *names), strict=True)]
        joined = pd.concat(columns, axis=1, join="inner").dropna()
        left = max(map(len, columns)) - len(joined)
        if left:
            notes.append(f"{key[0]}: {left} items that are not in every variant are left out")
        if joined.empty:
            raise InputError(f"the variants of {info.task} share no item of {key[0]}", "ask the same documents")
        grids[key[0]] = joined.to_numpy(float)
        runs.append(_of_run(key, params, names, grids[key[0]], level))
    runs.sort(key=lambda one: (one.params, one.run))
    ranking = _ranking(names, [grids[one.run] for one in runs], level) if len(runs) > 2 else ()
    return Robustness(info.task, level, tuple(runs), ranking, tuple(notes))


def _declared(results: Results, task: str) -> tuple[str, ...]:
    rows = Store(results.path).read_tasks() if Store.looks_like(results.path) else None
    found = () if rows is None or "variant_of" not in rows else rows.loc[rows["variant_of"] == task, "task"]
    names = tuple(dict.fromkeys(map(str, found)))
    if not names:
        raise InputError(
            f"no variants of {task} are known", "write variant_of in the suite, or name them with --variants"
        )
    return names


def answers_of(
    results: Results, task: str, family: str | None, num_fewshot: int | None
) -> dict[tuple[str, float], tuple[float, pd.Series]]:
    """Read right and wrong answers, or pass rates where every answer was sampled several times.

    Returns:
        (run, tokens) -> parameters, and values by sub-task and document.

    Raises:
        UnknownNameError: there is no such task or family.
        InputError: the items do not say right or wrong.
    """
    frame = results.items(task)
    if "correct" not in frame.columns:
        raise InputError(f"the items of {task} do not say right or wrong", "score it with 'predictor evaluate'")
    if family is not None:
        known = frame["family"].dropna().unique()
        if family not in known:
            raise UnknownNameError("family", family, known, str(results.path))
        frame = frame[frame["family"] == family]
    if frame["num_fewshot"].notna().any():
        shots = main_shots(frame) if num_fewshot is None else num_fewshot
        frame = frame[frame["num_fewshot"] == shots]
        if frame.empty:
            raise InputError(f"no items of {task} were kept with {shots} examples", "name another --num-fewshot")
    measures = measure_items(frame)
    sampled = np.isfinite(measures["pass_rate"]).all() and bool((frame["samples"].fillna(0) > 1).all())
    frame = frame.assign(value=measures["pass_rate"] if sampled else measures["correct"])
    found = {}
    for _, rows in frame.groupby(["run", "tokens"]):
        keys = ["subtask", "doc_id"]
        first = rows.iloc[0]
        values = rows.drop_duplicates(keys, keep="last").set_index(keys)["value"]
        found[str(first["run"]), float(first["tokens"])] = (float(first["params"]), values)
    return found


def _by_document(values: pd.Series, task: str) -> pd.Series:
    """Name items by their document alone: variants are tasks of other names."""
    if len(set(values.index.get_level_values("subtask"))) > 1:
        raise InputError(f"{task} is a group of tasks", "compare the variants of each of its tasks")
    return values.droplevel("subtask")


def _of_run(key: tuple[str, float], params: float, names: Sequence[str], grid: Array, level: float) -> RunRobustness:
    """Compare the variants of one run; grid has shape (items, 1 + variants)."""
    scores = grid.mean(axis=0)
    variants = []
    for number, name in enumerate(names, 1):
        drop = clustered_mean(grid[:, 0] - grid[:, number])
        variants.append(Variant(name, float(scores[number]), drop.value, drop.interval(level)))
    return RunRobustness(
        key[0],
        params,
        key[1],
        len(grid),
        float(scores[0]),
        tuple(variants),
        float(scores.mean()),
        float(scores.min()),
        float((grid == 1).all(axis=1).mean()),
        float((grid == 0).all(axis=1).mean()),
    )


def _ranking(names: Sequence[str], grids: Sequence[Array], level: float) -> tuple[RankingChange, ...]:
    from scipy.stats import kendalltau

    if len({len(grid) for grid in grids}) > 1:
        return ()
    scores = np.array([grid.mean(axis=0) for grid in grids])
    pairs = list(itertools.combinations(range(len(grids)), 2))
    found = []
    for number, name in enumerate(names, 1):
        flipped = seen = 0
        for a, b in pairs:
            if (scores[a, 0] - scores[b, 0]) * (scores[a, number] - scores[b, number]) < 0:
                flipped += 1
                ends = [clustered_mean(grids[a][:, at] - grids[b][:, at]).interval(level) for at in (0, number)]
                seen += all(low > 0 or high < 0 for low, high in ends)
        tau = float(kendalltau(scores[:, 0], scores[:, number]).statistic)
        found.append(RankingChange(name, tau, flipped, seen, len(pairs)))
    return tuple(found)
