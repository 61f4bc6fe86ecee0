"""The sampled answers of one task at the end of each run, as a store kept them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.errors import InputError, UnknownNameError
from predictor.results.passes import pass_rate, pass_rate_variance, sampled
from predictor.results.readers import Results
from predictor.results.series import main_shots
from predictor.statistics.intervals import quantile

Array = NDArray[np.float64]
_KEY = ["subtask", "doc_id"]


@dataclass(frozen=True)
class SampledModel:
    """What was sampled of one model. I items.

    Attributes:
        run: its run.
        params: its parameters.
        tokens: training tokens of its newest checkpoint with samples.
        samples: of each item, answers that were sampled, shape (I,).
        passes: of each item, right ones among them.
        until: of each item, the number of right answers at which sampling stopped; NaN where the number of samples was
            set beforehand or was the cap.
        counts: of each item, how often each distinct answer came; None where answers were not kept.
        right: of each item, which of those answers are right; None likewise.
    """

    run: str
    params: float
    tokens: float
    samples: Array
    passes: Array
    until: Array
    counts: list[Array] | None = None
    right: list[Array] | None = None

    @property
    def rate(self) -> float:
        """Pass rate: the mean over the items of unbiased estimates."""
        return float(pass_rate(self.samples, self.passes, self.until).mean())

    @property
    def stderr(self) -> float:
        """Standard error of the pass rate over further samples of the same items."""
        variances = pass_rate_variance(self.samples, self.passes, self.until)
        # One or two samples do not show their variance: take the largest that a share can have.
        variances = np.where(np.isnan(variances), 0.25, variances)
        return float(np.sqrt(variances.sum()) / variances.size)

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """Compute an interval of the pass rate over further samples of the same items.

        By the error of log(-log rate), which keeps it within 0 and 1. Without any right answer it ends where so few
        samples would have shown none with a probability of half of what the level leaves.
        """
        rate, tail = self.rate, (1 - level) / 2
        if self.passes.sum() == 0:
            return 0.0, float(min(1.0, -np.log(tail) / self.samples.sum()))
        if rate >= 1:
            return float(tail ** (1 / self.samples.sum())), 1.0
        place, reach = np.log(-np.log(rate)), quantile(1 - tail, np.inf) * self.error_of_place
        low, high = np.exp(-np.exp(place + reach)), np.exp(-np.exp(place - reach))
        return float(low), float(high)

    @property
    def error_of_place(self) -> float:
        """Standard error of log(-log rate), by linearisation."""
        return self.stderr / (self.rate * -np.log(self.rate))


def sampled_models(
    results: Results, task: str, *, family: str | None = None, num_fewshot: int | None = None
) -> tuple[list[SampledModel], tuple[str, ...]]:
    """Read the sampled answers of one family's runs, the smallest first.

    Args:
        results: where they were read from.
        task: the task.
        family: whose runs; the family with the most runs where None.
        num_fewshot: which of the prompts; that of the most runs where None.

    Returns:
        the models, all on the same items, and notes.

    Raises:
        UnknownNameError: no such task or family is here.
        InputError: the items have no samples, or the runs share none of them.
    """
    frame = results.items(task)
    if "samples" not in frame.columns or not (frame["samples"].fillna(0) > 1).any():
        raise InputError(
            f"the answers to {task} were not sampled", "set samples, or until_passes and most_samples, in the suite"
        )
    known = sorted(frame["family"].dropna().unique())
    chosen = family or str(frame.groupby("family")["run"].nunique().idxmax())
    if chosen not in known:
        raise UnknownNameError("family", chosen, known, str(results.path))
    frame = frame[(frame["family"] == chosen) & (frame["samples"].fillna(0) > 0) & frame["passes"].notna()]
    shots = main_shots(frame) if num_fewshot is None else num_fewshot
    frame = frame[frame["num_fewshot"] == shots] if frame["num_fewshot"].notna().any() else frame
    if frame.empty:
        raise InputError(f"no answers to {task} were sampled with {shots} examples", "name another --num-fewshot")
    frame = frame[frame["tokens"] == frame.groupby("run")["tokens"].transform("max")]
    runs = frame["run"].nunique()
    shared = frame.groupby(_KEY)["run"].transform("nunique") == runs
    if not shared.any():
        raise InputError(f"the runs share no item of {task}", "sample the same items of every run")
    left = int((~shared).sum())
    notes = (f"{left} items that not every run was asked are left out",) if left else ()
    own = frame[shared].sort_values(_KEY, kind="stable")
    models = [_model(str(run), rows) for run, rows in own.groupby("run", sort=False)]
    return sorted(models, key=lambda model: (model.params, model.run)), notes


def _model(run: str, rows: pd.DataFrame) -> SampledModel:
    samples, passes, until = sampled(rows)
    counts = right = None
    if "answer_counts" in rows.columns and rows["answer_counts"].notna().all():
        counts = [np.asarray(values, dtype=np.float64) for values in rows["answer_counts"]]
        right = [np.asarray(values, dtype=np.float64) for values in rows["answer_passes"]]
    first = rows.iloc[0]
    return SampledModel(run, float(first["params"]), float(first["tokens"]), samples, passes, until, counts, right)
