"""How often the intervals held the truth: the track record of whole forecasts, in lines for a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from predictor.forecasting import TrackRecord
from predictor.forecasting.track_record import LEVELS

# Fewer forecasts than this say little of how often intervals hold.
ENOUGH = 20
# Intervals that held this many points more seldom than their level says are spoken of first.
_SHORT = 10


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


def nearest_band(coverage: Sequence[Held], ratio: float) -> Held | None:
    """Return the band of distance nearest to the target's that has forecasts enough; None where none has."""
    usable = [band for band in coverage[:-1] if band.forecasts >= ENOUGH]
    return min(usable, key=lambda band: abs(np.log(band.ratio / max(ratio, 1.0)))) if usable else None


def describe_coverage(coverage: Sequence[Held] | None, ratio: float, untested: bool = False) -> str:
    """Write in one sentence how often intervals held at the distance nearest to the target's.

    Args:
        coverage: from `list_coverage`, or None where it was not measured.
        ratio: the target's compute over that of the largest run.
        untested: whether no run could be held out.
    """
    if coverage is None:
        return "not measured: no run could be held out" if untested else "how often intervals hold was not measured"
    near = nearest_band(coverage, ratio)
    held = near or coverage[-1]
    shares = " and ".join(f"{level}% intervals held {100 * held.inside[level]:.0f}%" for level in LEVELS)
    where = f"{held.band} the compute of the fitted runs" if near else "all distances, too few to judge by"
    return (
        f"{shares} of {held.forecasts:,} held-out scores ({where}), missed by {100 * held.error:.1f} points on average"
    )


def warn_of_coverage(coverage: Sequence[Held], ratio: float) -> str | None:
    """Say where intervals held far too seldom; None where they did not.

    Every level that the report shows is looked at, at the distance nearest to the target's and over all held-out runs.

    Args:
        coverage: from `list_coverage`.
        ratio: the target's compute over that of the largest run.
    """
    every = coverage[-1]
    looked_at = [(every, "of all held-out runs")]
    near = nearest_band(coverage, ratio)
    if near is not None:
        # One band that is all there is would be said twice.
        where = f"of held-out runs at the distance nearest to this ({near.band} the compute of the fitted ones)"
        looked_at = [(near, where), *(looked_at if near.forecasts < every.forecasts else [])]
    found = [f"{where} {short}" for one, where in looked_at if (short := _fell_short(one))]
    if not found:
        return None
    told = "; ".join(found)
    return f"{told[0].upper()}{told[1:]}: take the intervals for too narrow."


def _fell_short(one: Held) -> str:
    """Name the levels that held far too seldom, and how often; empty where there are none or too few forecasts."""
    # Shares are compared as they are shown, in whole points.
    shares = {level: round(100 * one.inside[level]) for level in LEVELS}
    short = [f"the {level}% intervals held {share}%" for level, share in shares.items() if share < int(level) - _SHORT]
    return f"{' and '.join(short)} of the scores" if short and one.forecasts >= ENOUGH else ""
