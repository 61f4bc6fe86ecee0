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
from numpy.typing import NDArray

from predictor.results.passes import pass_rate, sampled

Array = NDArray[np.float64]


def measure_items(frame: pd.DataFrame) -> dict[str, Array]:
    """Compute the measures of rows of a store's items, each of shape (rows,), NaN where a record does not carry one."""
    count = len(frame)
    measures = {name: np.full(count, np.nan) for name in ("correct", "probability", "nats", "nats_per_byte", "margin")}
    measures["correct"] = frame["correct"].to_numpy(float)
    measures["pass_rate"] = pass_rate(*sampled(frame))
    lists = frame["log_likelihoods"]
    number = np.array([0 if values is None or np.isscalar(values) else len(values) for values in lists])
    # Items of one number of choices are stacked and computed together.
    for choices in np.unique(number[number > 0]):
        rows = np.flatnonzero(number == choices)
        scores = np.stack([np.asarray(lists.iloc[i], float) for i in rows])
        sizes = np.stack([np.asarray(frame["byte_lengths"].iloc[i], float) for i in rows])
        gold = frame["gold"].iloc[rows].to_numpy(np.intp)
        places = np.arange(rows.size)
        right = scores[places, gold]
        measures["nats"][rows] = -right
        measures["nats_per_byte"][rows] = -right / sizes[places, gold]
        if choices > 1:
            top = scores.max(axis=1, keepdims=True)
            share = np.exp(scores - top)
            measures["probability"][rows] = share[places, gold] / share.sum(axis=1)
            others = scores.copy()
            others[places, gold] = -np.inf
            measures["margin"][rows] = right - others.max(axis=1)
    return measures
