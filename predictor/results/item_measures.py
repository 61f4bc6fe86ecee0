"""What an item's record says of a checkpoint: from log-likelihoods to probabilities, margins and losses.

| measure | meaning |
|---|---|
| `correct` | 1 where the item was answered right, as lm-eval judged it |
| `probability` | of the right choice, with the choices' log-likelihoods normalised over the choices |
| `nats` | minus the log-likelihood of the right answer |
| `nats_per_byte` | the same per UTF-8 byte of the answer |
| `margin` | log-likelihood of the right choice minus that of the best wrong one, in nats |
| `pass_rate` | chance that a sampled answer is right, without bias (`predictor.results.passes`) |
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from predictor.results.passes import pass_rate, sampled

Array = NDArray[np.float64]


# Rows that are measured at once: what is made of their lists takes several times their memory.
_AT_ONCE = 100_000


def measure_items(frame: pd.DataFrame) -> dict[str, Array]:
    """Compute the measures of rows of a store's items, each of shape (rows,), NaN where a record does not carry one."""
    parts = [_measure(frame.iloc[first : first + _AT_ONCE]) for first in range(0, max(len(frame), 1), _AT_ONCE)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _measure(frame: pd.DataFrame) -> dict[str, Array]:
    count = len(frame)
    measures = {name: np.full(count, np.nan) for name in ("correct", "probability", "nats", "nats_per_byte", "margin")}
    measures["correct"] = frame["correct"].to_numpy(float)
    measures["pass_rate"] = pass_rate(*sampled(frame))
    number, values = _lists(frame["log_likelihoods"])
    sizes = _lists(frame["byte_lengths"])[1]
    start = np.cumsum(number) - number
    # Items of one number of choices are computed together.
    for choices in np.unique(number[number > 0]):
        rows = np.flatnonzero(number == choices)
        scores = values[start[rows, None] + np.arange(choices)]
        gold = frame["gold"].iloc[rows].to_numpy(np.intp)
        places = np.arange(rows.size)
        right = scores[places, gold]
        measures["nats"][rows] = -right
        measures["nats_per_byte"][rows] = -right / sizes[start[rows] + gold]
        if choices > 1:
            top = scores.max(axis=1, keepdims=True)
            share = np.exp(scores - top)
            measures["probability"][rows] = share[places, gold] / share.sum(axis=1)
            scores[places, gold] = -np.inf
            measures["margin"][rows] = right - scores.max(axis=1)
    return measures


def _lists(column: pd.Series) -> tuple[NDArray[np.intp], Array]:
    """Return the length of each list of numbers, 0 where there is none, and all their values one after the other."""
    found = pa.array(column, type=pa.large_list(pa.float64()), from_pandas=True)
    lists = found.combine_chunks() if isinstance(found, pa.ChunkedArray) else found
    number = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return number.astype(np.intp), np.asarray(lists.flatten().to_numpy(zero_copy_only=False), dtype=np.float64)
