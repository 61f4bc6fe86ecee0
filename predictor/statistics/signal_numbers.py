"""What the runs of a table say of one series: its noise, its spread, its order, and where it stands.

A series is one benchmark by one metric with one number of examples, or a held-out loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
# Checkpoints at the end of a run whose scatter is its noise, and how many of them there must be.
LAST, LEAST = 10, 4
# Runs are of one size up to this ratio of parameters and of tokens.
ALIKE = 1.1
# Of two sizes one is smaller from this ratio of compute on.
APART = 2.0
# Recipes of one size from which their spread can be told.
RECIPES = 3


@dataclass(frozen=True)
class Numbers:
    """What was measured of a series.

    Attributes:
        runs: how many were scored on it.
        noise: standard deviation of one checkpoint's score, in the metric's unit; NaN where nothing tells.
        noise_from: `checkpoints`, `items` (the stated or binomial standard error), or empty.
        spread: standard deviation of scores at one size over recipes, or over the ladder; noise included.
        spread_over: `recipes` or `sizes`.
        agreement: share of pairs whose order would be seen again, from spread and noise; NaN where unknown.
        decision: share of pairs of recipes whose order at the smaller size is that of the headline at the larger one.
        decision_pairs: how many pairs that is of.
        over_size: Kendall's rank correlation of score and compute within families, better counting up.
        over_tokens: the same along training, mean over runs.
        compute: Spearman's rank correlation of the ends of runs with compute, better counting up.
        losses: held-out loss -> Spearman's correlation of the ends of runs with it, better counting up on both.
    """

    runs: int
    noise: float
    noise_from: str
    spread: float
    spread_over: str
    agreement: float
    decision: float
    decision_pairs: int
    over_size: float
    over_tokens: float
    compute: float
    losses: dict[str, float]

    @property
    def ratio(self) -> float:
        """Signal to noise: the spread over the noise."""
        return self.spread / self.noise if self.noise > 0 else math.inf if self.noise == 0 else math.nan


def newest(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the newest checkpoint of each run, with a column `size` that numbers runs of equal N and D."""
    last = rows.loc[rows.groupby(["family", "run"])["tokens"].idxmax()].reset_index(drop=True)
    return last.assign(flops=6.0 * last["params"].astype(float) * last["tokens"].astype(float), size=sizes_of(last))


def sizes_of(rows: pd.DataFrame) -> NDArray[np.int64]:
    """Number the sizes: runs that differ by less than `ALIKE` in parameters and in tokens share one."""
    steps = []
    for column in ("params", "tokens"):
        values = np.log(np.maximum(rows[column].to_numpy(float), 1.0))
        order = np.argsort(values, kind="stable")
        jumps = np.r_[0, np.cumsum(np.diff(values[order]) > math.log(ALIKE))]
        numbered = np.empty(values.size, dtype=np.int64)
        numbered[order] = jumps
        steps.append(numbered)
    return np.asarray(steps[0] * (steps[1].max(initial=0) + 1) + steps[1], dtype=np.int64)


def measure(
    rows: pd.DataFrame, target: pd.DataFrame, up: float, errors: Array, losses: dict[str, pd.Series]
) -> Numbers:
    """Compute the numbers of one series.

    Args:
        rows: its scores, all runs and checkpoints, without missing values.
        target: the newest scores of the benchmark's headline, as `newest` returns them, better counting up.
        up: 1 where higher is better, else -1.
        errors: standard errors of the rows, shape (rows,), NaN where unknown.
        losses: held-out loss -> its newest value by (family, run), better counting up.
    """
    rows = rows.assign(value=up * rows["value"], error=errors)
    last = newest(rows)
    noise, source = noise_of(rows)
    spread, over = spread_of(last)
    right, pairs = decisions(last, target)
    return Numbers(
        runs=len(last),
        noise=noise,
        noise_from=source,
        spread=spread,
        spread_over=over,
        agreement=agreement_of(spread, noise),
        decision=right / pairs if pairs else math.nan,
        decision_pairs=pairs,
        over_size=_over_size(last),
        over_tokens=_over_tokens(rows),
        compute=rank_correlation(last["value"].to_numpy(float), last["flops"].to_numpy(float)),
        losses={name: _with_loss(last, values) for name, values in losses.items()},
    )


def noise_of(rows: pd.DataFrame) -> tuple[float, str]:
    """Estimate the noise of one checkpoint, pooled over runs.

    Half the mean square of the steps between the last checkpoints of a run is their variance without the trend; where
    no run has four of them, the standard errors of the scores stand in, which leave out the noise of training.

    Args:
        rows: scores with a column `error`, their standard errors.
    """
    squares, count = 0.0, 0
    for _, run in rows.sort_values("tokens").groupby(["family", "run"], sort=False):
        values = run["value"].to_numpy(float)[-LAST:]
        if values.size >= LEAST:
            squares += float((np.diff(values) ** 2).sum()) / 2
            count += values.size - 1
    if count:
        return math.sqrt(squares / count), "checkpoints"
    errors = newest(rows)["error"].dropna().to_numpy(float)
    return (math.sqrt(float(np.mean(errors**2))), "items") if errors.size else (math.nan, "")


def spread_of(last: pd.DataFrame) -> tuple[float, str]:
    """Compute the standard deviation of scores: over recipes of one size, pooled over sizes, else over the ladder."""
    squares, freedom = 0.0, 0
    for _, group in last.groupby("size"):
        if group["family"].nunique() >= RECIPES:
            means = group.groupby("family")["value"].mean()
            squares += float(((means - means.mean()) ** 2).sum())
            freedom += len(means) - 1
    if freedom:
        return math.sqrt(squares / freedom), "recipes"
    return (float(last["value"].std(ddof=1)), "sizes") if len(last) > 1 else (math.nan, "")


def agreement_of(spread: float, noise: float) -> float:
    """Compute how often two recipes come in the same order as without noise, by Sheppard's formula.

    True scores spread by s and noise n give pairs whose differences correlate by s / √(s² + n²) with the true ones:
    their signs agree in a share 1/2 + arctan(s / n) / π.

    Args:
        spread: of the scores, noise included.
        noise: of one score.
    """
    if math.isnan(spread) or math.isnan(noise):
        return math.nan
    own = math.sqrt(max(spread**2 - noise**2, 0.0))
    return 0.5 + math.atan2(own, noise) / math.pi if own or noise else 0.5


def decisions(last: pd.DataFrame, target: pd.DataFrame) -> tuple[float, int]:
    """Count how often the order of two recipes at a smaller size is that of the target at a larger one; ties are half.

    Args:
        last: newest scores of the series, better counting up.
        target: newest scores of what decides at the larger size.

    Returns:
        how many pairs agree, and how many pairs there are.
    """
    right, pairs = 0.0, 0
    small = [group.groupby("family")[["value", "flops"]].mean() for _, group in last.groupby("size")]
    large = [group.groupby("family")[["value", "flops"]].mean() for _, group in target.groupby("size")]
    for low in small:
        for high in large:
            if high["flops"].median() < APART * low["flops"].median():
                continue
            shared = low.index.intersection(high.index)
            signs = [np.sign(_differences(group.loc[shared, "value"].to_numpy(float))) for group in (low, high)]
            decided = signs[1] != 0
            right += float(np.where(signs[0] == 0, 0.5, signs[0] == signs[1])[decided].sum())
            pairs += int(decided.sum())
    return right, pairs


def _differences(values: Array) -> Array:
    first, second = np.triu_indices(values.size, 1)
    return np.asarray(values[first] - values[second])


def _over_size(last: pd.DataFrame) -> float:
    """Compute Kendall's correlation with compute over pairs of one family that lie apart in compute."""
    signs = []
    for _, group in last.groupby("family"):
        size, value = np.log(group["flops"].to_numpy(float)), group["value"].to_numpy(float)
        steps = _differences(size)
        far = np.abs(steps) >= math.log(APART)
        signs.append((np.sign(steps) * np.sign(_differences(value)))[far])
    everything = np.concatenate(signs) if signs else np.empty(0)
    return float(everything.mean()) if everything.size else math.nan


def _over_tokens(rows: pd.DataFrame) -> float:
    found = []
    for _, run in rows.sort_values("tokens").groupby(["family", "run"], sort=False):
        values = run["value"].to_numpy(float)
        if values.size >= LEAST:
            found.append(float(np.sign(-_differences(values)).mean()))
    return float(np.mean(found)) if found else math.nan


def rank_correlation(a: Array, b: Array) -> float:
    """Compute Spearman's correlation; NaN for fewer than three runs or where one does not vary."""
    if a.size < 3 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return math.nan
    ranks = [pd.Series(values).rank().to_numpy() for values in (a, b)]
    return float(np.corrcoef(ranks[0], ranks[1])[0, 1])


def _with_loss(last: pd.DataFrame, values: pd.Series) -> float:
    place = pd.MultiIndex.from_frame(last[["family", "run"]])
    loss = values.reindex(place).to_numpy(float)
    known = np.isfinite(loss)
    return rank_correlation(last["value"].to_numpy(float)[known], loss[known])
