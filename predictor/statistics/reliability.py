"""Whether a model's probabilities mean what they say, and whether the place or length of a choice sways it.

Everything is read from the log-likelihoods of the choices: a choice's probability is its share among the choices, the
choice that is taken is the likeliest one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import InputError, UnknownNameError
from predictor.progress import Progress, opened
from predictor.results.items import read_items
from predictor.results.readers import Results
from predictor.results.series import Series, main_shots, with_shots
from predictor.statistics.intervals import clustered_mean
from predictor.statistics.plain import to_plain
from predictor.statistics.sides import ROLES

Array = NDArray[np.float64]
BINS = 15
_ITEMS = ["family", "run", "params", "step", "tokens", "tokens_planned"]


@dataclass(frozen=True)
class Bin:
    """Answers of about one confidence.

    Attributes:
        items: how many.
        confidence: their mean probability of the choice that was taken.
        right: share of them that is right.
    """

    items: int
    confidence: float
    right: float


@dataclass(frozen=True)
class Calibration:
    """One checkpoint on one benchmark.

    Attributes:
        family: the run's family.
        run: the run.
        params: parameters N.
        step: the checkpoint's step, or None.
        tokens: training tokens D.
        items: items with several choices.
        accuracy: share of items whose likeliest choice is right.
        confidence: mean probability of the choice that was taken.
        ece: expected calibration error over 15 bins of equal width, Σ n_b/n |right − confidence|.
        brier: mean over items of Σ_k (p_k − [k is right])², from 0 to 2.
        chosen: share of items in which each place was taken, of items with the most usual number of choices.
        gold: share in which each place is right.
        place_excess: largest excess of a place's share over that of the right answers.
        place_p: p-value of equal shares, by the test of Stuart and Maxwell; NaN where it cannot be computed.
        longest: share of items whose longest choice was taken, less the share in which it is right.
        longest_p: p-value of no difference.
        bins: the reliability curve.
    """

    family: str
    run: str
    params: int
    step: int | None
    tokens: int
    items: int
    accuracy: float
    confidence: float
    ece: float
    brier: float
    chosen: tuple[float, ...]
    gold: tuple[float, ...]
    place_excess: float
    place_p: float
    longest: float
    longest_p: float
    bins: tuple[Bin, ...]


@dataclass(frozen=True)
class Calibrations:
    """Every checkpoint of a benchmark that was asked for, by size and then along training.

    Attributes:
        task: the benchmark.
        num_fewshot: examples in the prompt, or None.
        checkpoints: the numbers.
    """

    task: str
    num_fewshot: int | None
    checkpoints: tuple[Calibration, ...]

    @property
    def label(self) -> str:
        """Name the benchmark, as `arc_easy (5-shot)`."""
        return Series(self.task, "", self.num_fewshot).label

    def to_frame(self) -> pd.DataFrame:
        """Return one row per checkpoint, without the reliability curves."""
        return pd.DataFrame([asdict(one) for one in self.checkpoints]).drop(columns="bins")

    def to_json(self) -> dict[str, Any]:
        """Return everything as values of JSON; what is not known is null."""
        rows = [to_plain(asdict(one)) for one in self.checkpoints]
        return {"task": self.task, "num_fewshot": self.num_fewshot, "checkpoints": rows}


def calibration(
    results: Results,
    task: str,
    *,
    runs: Sequence[str] | None = None,
    step: int | None = None,
    num_fewshot: int | None = None,
    progress: Progress | None = None,
) -> Calibrations:
    """Measure calibration and bias of checkpoints on a benchmark whose answers are chosen.

    Args:
        results: where its items are.
        task: the benchmark.
        runs: whose checkpoints; all where None.
        step: only this checkpoint of each run.
        num_fewshot: which of the prompts, that of the most runs where None.
        progress: opened with the number of checkpoints.

    Raises:
        UnknownNameError: there is no such task or run.
        InputError: no items with several choices were kept.
    """
    name = results.task(task).task
    known = results.evals["run"].unique()
    for run in runs or ():
        if run not in known:
            raise UnknownNameError("run", run, known, str(results.path))
    frame = read_items(results.path, *results.spellings.get(name, (name,)), roles=ROLES, runs=runs)
    if "log_likelihoods" not in frame.columns:
        raise InputError(f"the items of {name} are losses of right answers alone", "calibration needs every choice's")
    shots = main_shots(frame) if num_fewshot is None else num_fewshot
    frame = with_shots(frame, shots)
    frame = frame if step is None else frame[frame["step"] == step]
    several = [
        values is not None and not np.isscalar(values) and len(values) > 1 for values in frame["log_likelihoods"]
    ]
    frame = frame[several]
    if frame.empty:
        raise InputError(f"no items of {name} with several choices were kept there", "name another task, run or step")
    groups = list(frame.groupby(["family", "run", "tokens"]))
    found = []
    with opened(progress, len(groups)) as done:
        for key, own in groups:
            found.append(_calibrate(own))
            done(f"{key[1]} at {key[2]} tokens")
    found.sort(key=lambda one: (one.family, one.params, one.run, one.tokens))
    return Calibrations(name, shots, tuple(found))


def _is_choice(values: Any) -> bool:
    return values is not None and not np.isscalar(values) and len(values) > 1


def _calibrate(rows: pd.DataFrame) -> Calibration:
    likelihoods = [np.asarray(values, float) for values in rows["log_likelihoods"]]
    gold = rows["gold"].to_numpy(np.int64)
    shares = [softmax(values) for values in likelihoods]
    taken = np.array([int(values.argmax()) for values in shares])
    sure = np.array([float(values.max()) for values in shares])
    right = (taken == gold).astype(float)
    bins = reliability_bins(sure, right)
    place = rows.iloc[0]
    chosen, of_gold, excess, place_p = places(taken, gold, np.array([values.size for values in shares]))
    longest, longest_p = length_bias(rows["byte_lengths"], taken, gold)
    return Calibration(
        family=str(place["family"]),
        run=str(place["run"]),
        params=int(place["params"]),
        step=None if pd.isna(place["step"]) else int(place["step"]),
        tokens=int(place["tokens"]),
        items=len(rows),
        accuracy=float(right.mean()),
        confidence=float(sure.mean()),
        ece=sum(one.items * abs(one.right - one.confidence) for one in bins) / len(rows),
        brier=float(np.mean([_brier(values, index) for values, index in zip(shares, gold, strict=True)])),
        chosen=chosen,
        gold=of_gold,
        place_excess=excess,
        place_p=place_p,
        longest=longest,
        longest_p=longest_p,
        bins=tuple(bins),
    )


def softmax(values: Array) -> Array:
    """Turn log-likelihoods into shares that sum to one, the same shape."""
    share = np.exp(values - values.max())
    return np.asarray(share / share.sum())


def _brier(shares: Array, gold: int) -> float:
    return float((shares**2).sum() - 2 * shares[gold] + 1)


def reliability_bins(sure: Array, right: Array, count: int = BINS) -> list[Bin]:
    """Group answers by confidence into bins of equal width; empty bins are left out.

    Args:
        sure: probability of the choice that was taken, in [0, 1], shape (n,).
        right: 1 where it is right, else 0, shape (n,).
        count: how many bins.
    """
    number = np.clip(np.ceil(sure * count).astype(int) - 1, 0, count - 1)
    sizes = np.bincount(number, minlength=count)
    sums = np.bincount(number, sure, count), np.bincount(number, right, count)
    return [Bin(int(n), float(c / n), float(r / n)) for n, c, r in zip(sizes, *sums, strict=True) if n]


def places(
    taken: NDArray[np.int64], gold: NDArray[np.int64], choices: NDArray[np.int64]
) -> tuple[tuple[float, ...], tuple[float, ...], float, float]:
    """Compare how often each place is taken with how often it is right.

    Args:
        taken: place of the choice that was taken, shape (n,).
        gold: place of the right one, shape (n,).
        choices: number of choices, shape (n,); only items with the most usual number count.

    Returns:
        shares of the places taken, shares of the right places, the largest excess, and the p-value of Stuart and
        Maxwell's test of equal shares.
    """
    sizes, counts = np.unique(choices, return_counts=True)
    usual = int(sizes[counts.argmax()])
    keep = choices == usual
    table = np.zeros((usual, usual))
    np.add.at(table, (taken[keep], gold[keep]), 1)
    chosen, of_gold = table.sum(axis=1) / table.sum(), table.sum(axis=0) / table.sum()
    return tuple(chosen.tolist()), tuple(of_gold.tolist()), float((chosen - of_gold).max()), _stuart_maxwell(table)


def _stuart_maxwell(table: Array) -> float:
    used = (table + table.T).sum(axis=1) > 0
    table = table[used][:, used]
    if len(table) < 2 or np.array_equal(table.sum(axis=0), table.sum(axis=1)):
        return 1.0
    from statsmodels.stats.contingency_tables import SquareTable

    try:
        return float(SquareTable(table, shift_zeros=False).homogeneity().pvalue)
    except np.linalg.LinAlgError:
        return math.nan


def length_bias(lengths: pd.Series, taken: NDArray[np.int64], gold: NDArray[np.int64]) -> tuple[float, float]:
    """Compare how often the longest choice is taken with how often it is right; choices of one length do not count."""
    differences = []
    for sizes, chosen, right in zip(lengths, taken, gold, strict=True):
        if sizes is None or np.isscalar(sizes):
            continue
        values = np.asarray(sizes, float)
        longest = values == values.max()
        if longest.sum() == 1:
            differences.append(float(longest[chosen]) - float(longest[right]))
    if len(differences) < 2:
        return math.nan, math.nan
    mean = clustered_mean(np.array(differences))
    return mean.value, mean.p_value()


def to_results(found: Calibrations) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return calibration as a results table, which forecasts like any other.

    Returns:
        the scores, tasks `<task>:ece`, `<task>:brier` and `<task>:place_excess`; and the table that describes them.
    """
    highest = {"ece": 1.0, "brier": 2.0, "place_excess": 1.0}
    rows, tasks = [], []
    for metric, high in highest.items():
        task = f"{found.task}:{metric}"
        tasks.append({"task": task, "metric": metric, "low": 0.0, "high": high, "higher_is_better": False})
        for one in found.checkpoints:
            place = {"family": one.family, "run": one.run, "params": one.params, "step": one.step, "tokens": one.tokens}
            value = {"task": task, "metric": metric, "value": getattr(one, metric), "n_items": one.items}
            rows.append({**place, **value, "num_fewshot": found.num_fewshot})
    return pd.DataFrame(rows), pd.DataFrame(tasks).assign(chance=math.nan)
