"""How far to trust a forecast, in one letter and one sentence."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.trend import find_trend
from predictor.quantity import format_factor
from predictor.results.scales import SHARE, Scale

Array = NDArray[np.float64]

# Half-width of the 80% interval, in shares, up to which each letter is given.
LETTERS = (("A", 0.02), ("B", 0.035), ("C", 0.05), ("D", 0.08), ("E", np.inf))
NOT_FORECASTABLE = "F"
# With fewer runs than this no letter above D is given: the backtest has next to nothing to stand on.
RUNS_FOR_TRUST = 5
# Share from which on a benchmark counts as solved.
SATURATED = 0.97
NOISE_ASSUMED = "noise assumed, n_items or stderr would tell"


def not_forecastable(
    score: Array,
    stderr: Array,
    compute: Array,
    chance: float | None,
    *,
    noise: float | None = None,
    scale: Scale = SHARE,
    noise_assumed: bool = False,
) -> str | None:
    """Return why a series carries no forecast, or None.

    Args:
        score: one share per run, shape (runs,).
        stderr: their standard errors.
        compute: the runs' compute.
        chance: the chance level, or None. Runs that are still there do not show when a benchmark will emerge.
        noise: standard error of one run with all of its items' share, as of `find_trend`; that of `stderr` where None.
        scale: what the shares are of; differences are written in its unit.
        noise_assumed: whether the standard errors are of an assumed number of items, which the reason then says.
    """
    if score.size == 1:
        return "only one run was scored on it"
    order = np.argsort(compute)
    score, error = score[order], float(np.median(stderr))
    noise = error if noise is None else noise
    trend = find_trend(score, noise, compute[order])
    upper = score[-max(2, score.size // 3) :]
    doubt = f" ({NOISE_ASSUMED})" if noise_assumed else ""
    if chance is not None:
        margin = 2 * error / np.sqrt(upper.size) + 0.005
        falls_below = trend.moves and not trend.rising and upper.mean() < chance - margin
        if upper.mean() < chance + margin and not falls_below:
            return f"the largest runs are still at chance ({scale.from_share(chance):.2f}){doubt}"
    if upper.mean() >= SATURATED or trend.moves:
        # Scores that do not move because nothing is left to gain are forecast easily.
        return None
    middle, spread = float(np.median(score)), float(score.max() - score.min())
    if spread < 2.5 * noise:
        return (
            f"scores differ by {write_error(spread, middle, scale)} over the ladder, within their noise of "
            f"{write_error(noise, middle, scale, unit=False)}{doubt}"
        )
    return f"scores follow compute no more clearly than noise of {write_error(noise, middle, scale)} does{doubt}"


def count_computes(compute: Array) -> int:
    """Count computes that differ by more than a percent: seeds of one run do not show a trend."""
    return 1 + int((np.diff(np.sort(np.log(compute))) > 0.01).sum())


def write_error(error: float, share: float, scale: Scale, *, unit: bool = True) -> str:
    """Write a difference of shares near a share as `1.2 points`, or in the metric's own unit."""
    if scale.is_share:
        return f"{100 * error:.1f}{' points' if unit else ''}"
    return f"{scale.error_from_share(error, share):.2g}"


def grade(
    half_width: float,
    obstacle: str | None,
    runs: int,
    ratio: float,
    disagreement: float,
    error: float,
    tests: int,
    *,
    median: float = 0.5,
    scale: Scale = SHARE,
    noise_assumed: bool = False,
) -> tuple[str, str]:
    """Return the letter and the sentence.

    Args:
        half_width: half of the 80% interval, in shares as all others.
        obstacle: what `not_forecastable` returned.
        runs: number of runs of different compute that were scored.
        ratio: the target's compute over that of the largest run.
        disagreement: largest less smallest median among the methods that carry weight; NaN where only one does.
        error: mean absolute error on held-out runs; NaN where there were none.
        tests: number of held-out forecasts.
        median: the forecast.
        scale: what the shares are of; differences are written in its unit.
        noise_assumed: whether the noise of a score is that of an assumed number of items, which the sentence then says.
    """
    if obstacle is not None:
        return NOT_FORECASTABLE, f"not forecastable: {obstacle}"
    letter = next(name for name, widest in LETTERS if half_width <= widest)
    reach = f"{format_factor(ratio)}x the compute of the largest run" if ratio > 1 else "within the ladder's compute"
    agreement = f"methods within {write_error(disagreement, median, scale)} of each other"
    parts = [reach, agreement if np.isfinite(disagreement) else "one method alone"]
    if tests:
        missed = write_error(error, median, scale)
        parts.append(f"held-out larger runs missed by {missed} on average ({tests} forecasts)")
    else:
        parts.append("too few runs to hold any out")
    if runs < RUNS_FOR_TRUST and letter in "ABC":
        letter = "D"
        parts.append(f"only {runs} run{'s of different compute' if runs > 1 else ''}")
    if noise_assumed:
        parts.append(NOISE_ASSUMED)
    return letter, "; ".join(parts)
