"""How often the intervals held the truth: the track record of whole forecasts, in lines for a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictor.forecast import TrackRecord

# Fewer forecasts than this say little of how often intervals hold.
_ENOUGH = 20
# An 80 % interval that held less often than this is to be spoken of first.
_SELDOM = 0.7


@dataclass(frozen=True)
class Held:
    """What came of the forecasts of one band of distance, or of all.

    Attributes:
        band: its name, as `up to 5x`, or `all`.
        ratio: geometric mean of the held-out runs' compute over that of the largest fitted run.
        forecasts: how many.
        inside: level -> share of measured scores inside the interval.
        width: level -> mean width of the interval, in shares.
        error: mean absolute error of the forecast, in shares.
        noise_floor: error of a perfect forecast, from the noise of the measured score.
    """

    band: str
    ratio: float
    forecasts: int
    inside: dict[str, float]
    width: dict[str, float]
    error: float
    noise_floor: float


def list_coverage(record: TrackRecord) -> tuple[Held, ...]:
    """List coverage by distance, nearest first, all forecasts last."""
    ratios = record.frame().assign(log=lambda rows: np.log(rows["ratio"]))
    means = np.exp(ratios.groupby("band")["log"].mean())
    overall = float(np.exp(ratios["log"].mean()))
    return tuple(
        Held(
            band=one["band"],
            ratio=float(means.get(one["band"], overall)),
            forecasts=one["forecasts"],
            inside=one["coverage"],
            width=one["width"],
            error=one["errors"]["combination"]["mean"],
            noise_floor=one["noise_floor"],
        )
        for one in record.by_distance()
    )


def warn_of_coverage(coverage: Sequence[Held], ratio: float) -> str | None:
    """Say where intervals held far too seldom at about the target's distance; None where they did not.

    Args:
        coverage: from `list_coverage`.
        ratio: the target's compute over that of the largest run.
    """
    bands = [one for one in coverage[:-1] if one.forecasts >= _ENOUGH]
    if not bands:
        return None
    near = min(bands, key=lambda one: abs(np.log(one.ratio / max(ratio, 1.0))))
    if near.inside["80"] >= _SELDOM:
        return None
    return (
        f"Of held-out runs at about this distance ({near.band} the compute of the fitted ones) the 80 % intervals held "
        f"{100 * near.inside['80']:.0f} % of the scores: take the intervals for too narrow."
    )
