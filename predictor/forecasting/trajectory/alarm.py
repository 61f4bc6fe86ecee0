"""When a run leaves its path for more than noise: one verdict per run, whatever the number of its benchmarks.

At each checkpoint all series of a kind are pooled into one number: how much worse they came than the forecast made from
the checkpoints before, in standard deviations of that pooled number. Two tests read it. A jump is one checkpoint far
out, as after a spike of the loss. A drift is many checkpoints on the bad side, each within its noise, as after a defect
of the data: the cumulative sum of Page (1954), Continuous Inspection Schemes, Biometrika 41.

A run better than its forecast raises no alarm.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.quantity import format_quantity

Array = NDArray[np.float64]

BENCHMARKS, LOSSES = "benchmarks", "losses"

# Pooled over benchmarks, departures of the published runs of benchmarks/accuracy/track.py scatter as independent normal
# numbers of variance one or less. Were they just that, one run of 200 checkpoints in 160 would jump, and one in 190
# drift. Losses wander together and in ways no smooth path foresees: more is asked of them, set on those runs.
# Standard deviations on the bad side from which one checkpoint is a jump.
JUMP = {BENCHMARKS: 4.0, LOSSES: 5.5}
# What each checkpoint may lie on the bad side before it adds to the sum, and the sum from which a run drifts.
ALLOWANCE = 1.0
DRIFT = {BENCHMARKS: 4.5, LOSSES: 14.0}
# Correlation between series of what a forecast leaves open about a run.
_COMMON = {BENCHMARKS: 0.0, LOSSES: 1.0}
# Correlation between series of a checkpoint's noise: the first that explains the rehearsals is taken.
_ALIKE = (0.0, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
# One series alone, however far out, counts no more than this.
_FURTHEST = 6.0
# The first share of a run is a warm-up in which scores move fastest and forecasts are least tried.
WARM_UP = 0.1
_NINETY = 1.645
_WIDEST = 3.0
# One rehearsal alone may have gone better than most: departures count for this share less, for half of it after two, ….
_FEW = 0.15


@dataclass(frozen=True)
class Departures:
    """How far a run's series came from what was expected. T series, K checkpoints.

    Attributes:
        worse: standard deviations on the bad side, shape (T, K), NaN where not measured.
        certain: share of the variance that is not the checkpoint's noise, the same shape.
        weight: how much a series can tell, the same shape: one at chance cannot fall.
        judged: whether a checkpoint is past the warm-up, shape (K,).
    """

    worse: Array
    certain: Array
    weight: Array
    judged: NDArray[np.bool_]


@dataclass(frozen=True)
class Signal:
    """The pooled departure of a run's series. K checkpoints.

    Attributes:
        name: `benchmarks` or `losses`.
        tokens: of the checkpoints, shape (K,).
        worse: standard deviations on the bad side, shape (K,); zero during the warm-up.
        drift: cumulative sum, shape (K,); checkpoints at which only some of the series were scored add less.
    """

    name: str
    tokens: Array
    worse: Array
    drift: Array


@dataclass(frozen=True)
class Alarm:
    """A run left its path.

    Attributes:
        kind: `jump` or `drift`.
        signal: `benchmarks` or `losses`, what was pooled.
        since: tokens of the first checkpoint that is out of line.
        raised: tokens of the checkpoint at which it was known.
        size: standard deviations of a jump, or the sum of a drift, when it was raised.
    """

    kind: str
    signal: str
    since: float
    raised: float
    size: float

    def describe(self) -> str:
        """Return a sentence: what happened and when."""
        since, raised = format_quantity(self.since), format_quantity(self.raised)
        if self.kind == "jump":
            return f"the {self.signal} jumped {self.size:.1f} standard deviations to the bad side at {since} tokens"
        return f"the {self.signal} drift to the bad side since {since} tokens, known at {raised} (sum {self.size:.1f})"


def pool(departures: Departures, common: float, alike: float) -> Array:
    """Pool departures of several series at each checkpoint into one of variance one.

    Args:
        departures: of the series.
        common: correlation between series of what the forecast leaves open.
        alike: correlation between series of the noise.

    Returns:
        shape (K,), zero where nothing was measured.
    """
    seen = np.isfinite(departures.worse)
    weight = np.where(seen, departures.weight, 0.0)
    total = np.zeros(weight.shape[1])
    for share, correlation in ((departures.certain, common), (1 - departures.certain, alike)):
        error = weight * np.sqrt(np.where(seen, share, 0.0))
        total += correlation * error.sum(axis=0) ** 2 + (1 - correlation) * (error**2).sum(axis=0)
    worse = np.where(seen, np.clip(departures.worse, -_FURTHEST, _FURTHEST), 0.0)
    return np.asarray((weight * worse).sum(axis=0) / np.sqrt(np.where(total > 0, total, np.inf)))


def make_signal(
    name: str, tokens: Array, run: Departures, rehearsals: list[Departures], *, untried: bool = False
) -> Signal:
    """Pool a run's departures by what the rehearsals of other runs say about how alike series err.

    Args:
        name: `benchmarks` or `losses`.
        tokens: of the run's checkpoints, shape (K,).
        run: its departures.
        rehearsals: those of other runs.
        untried: whether the rehearsals were easier than the run, so that it is given all the room there is.
    """
    common, alike, stretch = _COMMON[name], _ALIKE[2], 1.0
    rehearsed = [one for one in rehearsals if one.judged.any()]
    if rehearsed:
        for alike in _ALIKE:
            pooled = [pool(one, common, alike)[one.judged] for one in rehearsed]
            stretch = float(np.quantile(np.abs(np.concatenate(pooled)), 0.9) / _NINETY)
            if stretch <= 1:
                break
        stretch = _without_alarms(name, pooled, max(stretch, 1.0)) * (1 + _FEW / len(rehearsed))
    worse = np.where(run.judged, pool(run, common, alike), 0.0) / (_WIDEST if untried else stretch)
    return Signal(name, tokens, worse, cumulate(worse * _share_scored(run)))


def _share_scored(departures: Departures) -> Array:
    """Compute the share of what a run can show that was scored at each checkpoint, a standard deviation, shape (K,).

    What was not scored counts as come as expected: a sum over checkpoints at which only a few series were scored would
    rest on how well those few are modelled, which rehearsals of whole checkpoints do not try.
    """
    told = (np.where(np.isfinite(departures.worse), departures.weight, 0.0) ** 2).sum(axis=0) * departures.judged
    most = np.maximum.accumulate(told)
    return np.asarray(np.sqrt(told / np.where(most > 0, most, 1.0)))


def _without_alarms(name: str, pooled: list[Array], stretch: float) -> float:
    """Widen until hardly any rehearsal would raise an alarm: forecasts that err the same way again and again do.

    One in three may, as it may have had reason to.
    """
    while stretch < _WIDEST:
        flagged = sum(cumulate(one / stretch).max(initial=0.0) > DRIFT[name] for one in pooled)
        if flagged <= (len(pooled) - 1) // 3:
            break
        stretch *= 1.1
    return min(stretch, _WIDEST)


def cumulate(worse: Array) -> Array:
    """Sum departures on the bad side, less the allowance, never below zero; shape as given."""
    sums, level = np.zeros_like(worse), 0.0
    for place, value in enumerate(worse):
        level = max(0.0, level + float(value) - ALLOWANCE)
        sums[place] = level
    return sums


def find_alarms(signal: Signal) -> list[Alarm]:
    """List the first jump and the first drift of a signal, by when they were raised."""
    found = []
    out = np.flatnonzero(signal.worse > JUMP[signal.name])
    if out.size:
        at, tokens = int(out[0]), float(signal.tokens[out[0]])
        found.append(Alarm("jump", signal.name, tokens, tokens, float(signal.worse[at])))
    out = np.flatnonzero(signal.drift > DRIFT[signal.name])
    if out.size:
        at = int(out[0])
        # It began after the sum was last zero.
        zero = np.flatnonzero(signal.drift[:at] == 0)
        began = int(zero[-1]) + 1 if zero.size else 0
        since, raised = float(signal.tokens[began]), float(signal.tokens[at])
        found.append(Alarm("drift", signal.name, since, raised, float(signal.drift[at])))
    return sorted(found, key=lambda one: (one.raised, one.kind))
