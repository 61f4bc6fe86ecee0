"""How far to trust a forecast, in one letter and one sentence."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor.quantity import format_factor

Array = NDArray[np.float64]

# Half-width of the 80 % interval, in shares, up to which each letter is given.
LETTERS = (("A", 0.02), ("B", 0.035), ("C", 0.05), ("D", 0.08), ("E", np.inf))
NOT_FORECASTABLE = "F"
# With fewer runs than this no letter above D is given: the backtest has next to nothing to stand on.
RUNS_FOR_TRUST = 5
# Share from which on a benchmark counts as solved.
SATURATED = 0.97


def not_forecastable(score: Array, stderr: Array, compute: Array, chance: float | None) -> str | None:
    """Say why a series carries no forecast, or None.

    Args:
        score: one score per run, shape (runs,).
        stderr: their standard errors.
        compute: the runs' compute.
        chance: the chance level, or None. Runs that are still there say nothing of when a benchmark will emerge.
    """
    order = np.argsort(compute)
    score, error = score[order], float(np.median(stderr))
    upper = score[-max(2, score.size // 3) :]
    if chance is not None and upper.mean() - chance < 2 * error / np.sqrt(upper.size) + 0.005:
        return f"the largest runs are still at chance ({chance:.2f})"
    if upper.mean() >= SATURATED:
        # Scores that do not move because nothing is left to gain are forecast easily.
        return None
    spread = float(score.max() - score.min())
    if spread < 2.5 * error:
        return f"scores differ by {100 * spread:.1f} points over the ladder, within their noise of {100 * error:.1f}"
    if score.size >= 4:
        # Spearman's, by hand of pandas: importing scipy.stats would take longer than a whole query.
        rank = float(np.corrcoef(np.arange(score.size), pd.Series(score).rank())[0, 1])
        if rank < 0.3:
            return f"scores do not rise with compute (rank correlation {rank:.2f})"
    return None


def grade(
    half_width: float, obstacle: str | None, runs: int, ratio: float, disagreement: float, error: float, tests: int
) -> tuple[str, str]:
    """Give the letter and the sentence.

    Args:
        half_width: half of the 80 % interval.
        obstacle: what `not_forecastable` said.
        runs: number of runs of different compute that were scored.
        ratio: the target's compute over that of the largest run.
        disagreement: largest less smallest median among the methods that carry weight.
        error: mean absolute error on held-out runs; NaN where there were none.
        tests: number of held-out forecasts.
    """
    if obstacle is not None:
        return NOT_FORECASTABLE, f"not forecastable: {obstacle}"
    letter = next(name for name, widest in LETTERS if half_width <= widest)
    reach = f"{format_factor(ratio)}x the compute of the largest run" if ratio > 1 else "within the ladder's compute"
    parts = [reach, f"methods within {100 * disagreement:.1f} points of each other"]
    if tests:
        parts.append(f"held-out larger runs missed by {100 * error:.1f} points on average ({tests} forecasts)")
    else:
        parts.append("too few runs to hold any out")
    if runs < RUNS_FOR_TRUST and letter in "ABC":
        letter = "D"
        parts.append(f"only {runs} runs of different compute")
    return letter, "; ".join(parts)
