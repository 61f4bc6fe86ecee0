"""Which checkpoints a law may be fitted to: the annealed ends of runs, or points along a constant learning rate."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.intp] | NDArray[np.bool_] | slice

# A checkpoint counts as the end of its run's schedule from this share of the planned tokens on: the learning rate has
# reached its floor there, and averaging the last few checkpoints takes out some of their noise.
ANNEALED_FROM = 0.97
# From here on the last stretch of a run lies close to a line in log tokens, the same for all runs of a benchmark; its
# checkpoints, brought to the end along that line, tell the end's score with less noise than the last one alone.
STRETCH_FROM = 0.75
# Runs without a planned end (constant learning rate) give this many checkpoints, evenly in log tokens.
CHECKPOINTS_PER_RUN = 8
# Earlier than this share of the run's tokens, a constant-rate run is still in its warm-up.
EARLIEST_SHARE = 0.02
SERIES = ["task", "metric", "num_fewshot"]
SUMS = ("x", "y", "xx", "xy", "yy", "size")


def annealed_checkpoints(rows: pd.DataFrame) -> pd.DataFrame:
    """Choose the checkpoints that a law may be fitted to.

    Each benchmark is looked at by itself: a run whose newest checkpoint was not scored on it gives an older one.

    Args:
        rows: results of one family, `num_fewshot` without missing values.

    Returns:
        the rows of the chosen checkpoints, with a column `slot` that numbers the observations of a run; the checkpoints
        at the end of a run's schedule share one.
    """
    points = rows[["run", *SERIES, "tokens"]].copy()
    points["planned"] = _planned(rows)
    points["last"] = points.groupby(["run", *SERIES], dropna=False)["tokens"].transform("max").astype(float)
    tokens, end = points["tokens"].to_numpy(float), points["planned"].to_numpy()
    # A run that has not reached its planned end gives its latest checkpoint, which understates what it will score.
    ended = (points["last"] >= ANNEALED_FROM * points["planned"]).to_numpy()
    keep = np.isfinite(end) & np.where(ended, tokens >= ANNEALED_FROM * end, tokens == points["last"].to_numpy(float))
    slot = np.where(ended, 0, points["tokens"].to_numpy())
    for _, index in points[~np.isfinite(end)].groupby("run").indices.items():
        place = np.flatnonzero(~np.isfinite(end))[index]
        usable = np.unique(tokens[place])
        usable = usable[usable >= EARLIEST_SHARE * usable.max()]
        wanted = np.geomspace(usable.min(), usable.max(), CHECKPOINTS_PER_RUN)
        chosen = usable[np.unique(np.abs(np.log(usable[None, :] / wanted[:, None])).argmin(axis=1))]
        keep[place] = np.isin(tokens[place], chosen)
    return rows.assign(slot=slot)[keep]


def last_stretches(rows: pd.DataFrame) -> pd.DataFrame:
    """Sum up the last stretch of each finished run's checkpoints, as `Stretches` wants it.

    Args:
        rows: scores of one family, `num_fewshot` without missing values.

    Returns:
        columns run, task, metric, num_fewshot and the `SUMS`; only runs with two or more checkpoints in the stretch.
    """
    share = rows["tokens"].to_numpy(float) / _planned(rows)
    table = rows.assign(share=share)[share >= STRETCH_FROM]
    keys = ["run", *SERIES]
    last = table.groupby(keys)["share"].transform("max")
    table = table[last >= ANNEALED_FROM]
    table = table.assign(x=np.log(np.minimum(table["share"], 1.0)), y=table["value"].astype(float))
    own = table.groupby(keys)
    dx, dy = table["x"] - own["x"].transform("mean"), table["y"] - own["y"].transform("mean")
    table = table.assign(xx=dx**2, xy=dx * dy, yy=dy**2)
    sums = table.groupby(keys, as_index=False).agg(
        x=("x", "mean"), y=("y", "mean"), xx=("xx", "sum"), xy=("xy", "sum"), yy=("yy", "sum"), size=("y", "size")
    )
    return sums[sums["size"] >= 2].reset_index(drop=True)


@dataclass(frozen=True)
class Stretches:
    """The last stretches of runs, as sums from which any of the runs can be left out. T series, M observations.

    Attributes:
        x: mean logarithm of the share of the schedule, shape (T, M); NaN, as all others, where there is no stretch.
        y: mean score, the same shape.
        xx: sum of squares of x about its mean, the same shape.
        xy: sum of products of x and score about their means, the same shape.
        yy: sum of squares of the score about its mean, the same shape.
        size: number of checkpoints, the same shape.
        stderr: standard error that the table states of the score, the same shape; NaN where it states none.
    """

    x: Array
    y: Array
    xx: Array
    xy: Array
    yy: Array
    size: Array
    stderr: Array

    def ends(self) -> tuple[Array, Array]:
        """Estimate what each run scores at the end of its schedule.

        Within a benchmark the stretch rises by the same amount per unit of log tokens in every run (one slope, a level
        for each run); a checkpoint before the end has not been annealed fully, and the slope makes up for that.

        Returns:
            the scores and what the scatter of checkpoints leaves uncertain of them, each of shape (T, M), NaN where
            there is no stretch.
        """
        # Ridge: scatter of a point against slopes of up to ten points per unit of log tokens. Checkpoints that lie side
        # by side give no slope.
        slope = np.nansum(self.xy, axis=1, keepdims=True) / (np.nansum(self.xx, axis=1, keepdims=True) + 0.01)
        rest = np.nansum(self.yy - 2 * slope * self.xy + slope**2 * self.xx, axis=1, keepdims=True)
        freedom = np.nansum(self.size - 1, axis=1, keepdims=True) - 1
        variance = np.maximum(rest, 0.0) / np.maximum(freedom, 1)
        return np.clip(self.y - slope * self.x, 0.0, 1.0), np.sqrt(variance / self.size)

    def select(self, series: Index, observations: Index) -> Stretches:
        """Keep some of the series and of the observations."""
        return Stretches(*(getattr(self, one.name)[series][:, observations] for one in fields(self)))


def end_scores(rows: pd.DataFrame) -> pd.DataFrame:
    """Estimate what each finished run scores at the end of its schedule, from all runs; see `Stretches.ends`.

    Args:
        rows: scores of one family, `num_fewshot` without missing values.

    Returns:
        columns run, task, metric, num_fewshot and `end`; only runs with two or more checkpoints in the last stretch.
    """
    sums = last_stretches(rows)
    sums["end"] = np.nan
    for index in sums.groupby(SERIES).indices.values():
        own = sums.iloc[index]
        stretches = Stretches(
            **{name: own[name].to_numpy(float)[None, :] for name in SUMS}, stderr=np.full((1, len(own)), np.nan)
        )
        sums.loc[own.index, "end"] = stretches.ends()[0][0]
    return sums[["run", *SERIES, "end"]]


def _planned(rows: pd.DataFrame) -> Array:
    """Give the tokens at which each row's run ends its schedule, NaN where that is unknown, shape (rows,)."""
    planned = rows.groupby("run")["tokens_planned"].transform("max").astype("Float64")
    return np.asarray(planned.to_numpy(dtype=float, na_value=np.nan), dtype=np.float64)
