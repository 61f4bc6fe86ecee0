"""Scores by what is known of each item beside the task: a contamination flag, a frequency in the training data.

A flag divides the items: flagged ones may be easier for every model, so beside the gap of each model stands how much
wider it is than that of a reference model, item by item. A count is read through a law: the score above chance is a
sigmoid of the logarithms of count and size, fitted to all models at once, with errors that hold where answers to one
item are alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import InputError, UnknownNameError
from predictor.results.readers import Results
from predictor.results.tables import read_table
from predictor.statistics.intervals import clustered_mean, quantile, satterthwaite
from predictor.statistics.plain import to_plain
from predictor.statistics.variants import answers_of

Array = NDArray[np.float64]

_BINS = 5
_KEY = ("subtask", "doc_id")
# Fewer items in a part say nothing of it.
FEWEST_ITEMS = 5


@dataclass(frozen=True)
class Gap:
    """One run on clean and on flagged items.

    Attributes:
        run: its name.
        params: its parameters.
        clean: score on the items that are not flagged.
        flagged: score on the others.
        gap: flagged less clean.
        interval: of the gap.
        wider: by how much the gap is wider than the reference's; None for the reference itself.
        wider_interval: of that, item by item.
    """

    run: str
    params: float
    clean: float
    flagged: float
    gap: float
    interval: tuple[float, float]
    wider: float | None
    wider_interval: tuple[float, float] | None


@dataclass(frozen=True)
class CountLaw:
    """score = chance + (1 - chance) / (1 + exp(-(a + b·ln(1 + count) + c·ln N))).

    Attributes:
        coefficients: name -> value, of `constant`, `log_count` and, with several sizes, `log_size`.
        intervals: name -> interval, by a sandwich clustered by item.
        chance: the score of guessing.
    """

    coefficients: Mapping[str, float]
    intervals: Mapping[str, tuple[float, float]]
    chance: float


@dataclass(frozen=True)
class Covariate:
    """The answer of `predictor covariate`.

    Attributes:
        task: the task.
        column: what was known of the items.
        items: how many were joined.
        flagged: how many of them are flagged; None for a count.
        reference: run that gaps are compared with; empty for a count.
        gaps: every run, the smallest first; empty for a count.
        bins: (lowest and highest count, items, run -> score) of bins with equal numbers of items; empty for a flag.
        law: of a count, or None.
        level: of the intervals.
        notes: what to know.
    """

    task: str
    column: str
    items: int
    flagged: int | None
    reference: str
    gaps: tuple[Gap, ...]
    bins: tuple[tuple[tuple[float, float], int, Mapping[str, float]], ...]
    law: CountLaw | None
    level: float
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        values: dict[str, Any] = to_plain(asdict(self))
        return values


def covariate(
    results: Results,
    task: str,
    file: str | Path,
    *,
    column: str | None = None,
    against: str | None = None,
    family: str | None = None,
    num_fewshot: int | None = None,
    level: float = 0.95,
) -> Covariate:
    """Divide a task's score by a column of its items.

    Args:
        results: where the answers are.
        task: the task.
        file: .csv or .parquet with doc_id, with subtask where the task has several, and the column.
        column: which one; the only further one where None.
        against: reference run of a flag; the smallest where None.
        family: whose runs; all where None.
        num_fewshot: which of the prompts; that of the most runs where None.
        level: of the intervals.

    Raises:
        UnknownNameError: there is no such task, column, family or run.
        InputError: the file or the items are not what they should be, or a part has fewer than five items.
    """
    info = results.task(task)
    known = _read(Path(file), column)
    name = str(known.name)
    newest: dict[str, tuple[float, float, pd.Series]] = {}
    for (run, tokens), (params, values) in answers_of(results, info.task, family, num_fewshot).items():
        if run not in newest or newest[run][0] < tokens:
            newest[run] = (tokens, params, values.dropna())
    order = sorted(newest, key=lambda run: (newest[run][1], run))
    joined = pd.concat({run: newest[run][2] for run in order}, axis=1, join="inner")
    if "subtask" not in known.index.names:
        alone = len(set(joined.index.get_level_values("subtask"))) == 1
        joined = joined.droplevel("subtask") if alone else joined
    if joined.index.nlevels != known.index.nlevels:
        raise InputError(f"{info.task} has several sub-tasks", f"add the column subtask to {file}")
    table = joined.join(known, how="inner").dropna()
    notes = [] if len(table) == len(joined) else [f"{len(joined) - len(table)} of {len(joined)} items have no {name}"]
    numbers, grid = table[name].to_numpy(float), table[order].to_numpy(float)
    sizes = np.array([newest[run][1] for run in order])
    if against is not None and against not in order:
        raise UnknownNameError("run", against, order, str(results.path))
    if set(np.unique(numbers)) <= {0.0, 1.0}:
        reference = against or order[0]
        flags = numbers == 1
        _check_parts(name, [int(flags.sum()), int((~flags).sum())])
        gaps = _gaps(order, sizes, grid, flags, order.index(reference), level)
        count = int(flags.sum())
        return Covariate(info.task, name, len(table), count, reference, gaps, (), None, level, tuple(notes))
    if against is not None:
        raise InputError(f"{name} is no flag of 0 and 1", "leave --against out")
    if (numbers < 0).any():
        raise InputError(f"{name} is negative for some items", "give counts or other numbers from zero on")
    _check_parts(name, [len(table)])
    law = _fit_law(numbers, sizes, grid, info.chance or 0.0, level)
    return Covariate(info.task, name, len(table), None, "", (), _bins(order, numbers, grid), law, level, tuple(notes))


def _read(path: Path, column: str | None) -> pd.Series:
    table = read_table(path)
    if "doc_id" not in table.columns:
        raise InputError(f"{path} lacks the column doc_id", "give one row per item, with doc_id and a column")
    keys = [key for key in _KEY if key in table.columns]
    others = [name for name in table.columns if name not in (*_KEY, "task")]
    if column is None and len(others) != 1:
        raise InputError(f"{path} has {len(others)} columns beside doc_id", "name one with --column")
    if column is not None and column not in others:
        raise UnknownNameError("column", column, others, str(path))
    name = column or others[0]
    try:
        values = table.set_index(keys)[name].astype("Float64").astype(float)
    except (TypeError, ValueError):
        raise InputError(f"the column {name} of {path} holds what is no number", "give 0 and 1, or counts") from None
    if values.index.duplicated().any():
        raise InputError(f"{path} names an item twice", "give one row per item, with subtask where there are several")
    return values


def _check_parts(name: str, sizes: Sequence[int]) -> None:
    if min(sizes) < FEWEST_ITEMS:
        raise InputError(
            f"{name} leaves a part with {min(sizes)} items, {FEWEST_ITEMS} are needed", "check that doc_id is right"
        )


def _gaps(
    runs: Sequence[str], sizes: Array, grid: Array, flags: NDArray[np.bool_], reference: int, level: float
) -> tuple[Gap, ...]:
    found = []
    for number, run in enumerate(runs):
        own = grid[:, number]
        gap, interval = _difference(own, flags, level)
        wider = None if number == reference else _difference(own - grid[:, reference], flags, level)
        found.append(
            Gap(
                run,
                float(sizes[number]),
                float(own[~flags].mean()),
                float(own[flags].mean()),
                gap,
                interval,
                None if wider is None else wider[0],
                None if wider is None else wider[1],
            )
        )
    return tuple(found)


def _difference(values: Array, flags: NDArray[np.bool_], level: float) -> tuple[float, tuple[float, float]]:
    """Compute flagged less clean with Welch's interval."""
    flagged, clean = clustered_mean(values[flags]), clustered_mean(values[~flags])
    variance, freedom = satterthwaite([(flagged.variance, flagged.freedom), (clean.variance, clean.freedom)])
    middle = flagged.value - clean.value
    reach = quantile(0.5 + level / 2, freedom) * float(np.sqrt(variance))
    return middle, (middle - reach, middle + reach)


def _bins(
    runs: Sequence[str], values: Array, grid: Array
) -> tuple[tuple[tuple[float, float], int, Mapping[str, float]], ...]:
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _BINS + 1)))
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, max(len(edges) - 2, 0))
    found = []
    for number in np.unique(place):
        rows = place == number
        scores = dict(zip(runs, grid[rows].mean(axis=0).tolist(), strict=True))
        found.append(((float(values[rows].min()), float(values[rows].max())), int(rows.sum()), scores))
    return tuple(found)


def _fit_law(values: Array, sizes: Array, grid: Array, chance: float, level: float) -> CountLaw:
    """Fit the law by maximum quasi-likelihood of right and wrong answers."""
    from scipy.optimize import minimize

    items, runs = grid.shape
    counts, logs = np.repeat(np.log1p(values), runs), np.tile(np.log(sizes), items)
    names = ["constant", "log_count", *(["log_size"] if np.unique(sizes).size > 1 else [])]
    design = np.stack([np.ones(counts.size), counts, logs], axis=1)[:, : len(names)]
    scale = np.where(design.std(axis=0) > 0, design.std(axis=0), 1.0)
    middle = np.where(design.std(axis=0) > 0, design.mean(axis=0), 0.0)
    x, y = (design - middle) / scale, grid.ravel()

    def parts(theta: Array) -> tuple[Array, Array]:
        share = 1 / (1 + np.exp(-np.clip(x @ theta, -40, 40)))
        p = np.clip(chance + (1 - chance) * share, 1e-12, 1 - 1e-12)
        return p, (1 - chance) * share * (1 - share)

    def value(theta: Array) -> tuple[float, Array]:
        p, slope = parts(theta)
        likelihood = float(np.sum(y * np.log(p) + (1 - y) * np.log1p(-p)))
        return -likelihood, np.asarray(-(((y - p) / (p * (1 - p)) * slope) @ x))

    theta = minimize(value, np.zeros(x.shape[1]), jac=True, method="BFGS").x
    p, slope = parts(theta)
    bread = np.linalg.pinv((x * (slope**2 / (p * (1 - p)))[:, None]).T @ x)
    scores = (x * ((y - p) / (p * (1 - p)) * slope)[:, None]).reshape(items, runs, -1).sum(axis=1)
    meat = scores.T @ scores * items / (items - 1)
    # Back from centred and scaled columns: the constant takes up their means.
    back = np.diag(1 / scale)
    back[0] -= middle / scale
    back[0, 0] = 1.0
    found, covariance = back @ theta, back @ bread @ meat @ bread @ back.T
    reach = quantile(0.5 + level / 2, items - 1) * np.sqrt(np.diag(covariance))
    pairs = [(float(low), float(high)) for low, high in zip(found - reach, found + reach, strict=True)]
    return CountLaw(dict(zip(names, found.tolist(), strict=True)), dict(zip(names, pairs, strict=True)), chance)
