"""Check the intervals of forecasts against what became of earlier ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.forecasting.mean import SharedErrors
from predictor.forecasting.register.entries import Outcome
from predictor.forecasting.target import Forecast

# Fewer forecasts, or of fewer models, say little of how often intervals hold. Assumed, not tuned: with 20 forecasts of
# five models the share inside an 80% interval has a standard error of about 13 points.
FEWEST_FORECASTS, FEWEST_TARGETS = 20, 5
# One-sided normal quantile of 5%: of right intervals one record in twenty is called narrow.
_CLEAR = 1.645
FEW, HOLD, NARROW, WIDE = "too few", "hold", "too narrow", "too wide"


@dataclass(frozen=True)
class Check:
    """Whether intervals held as often as they say.

    Attributes:
        verdict: `too few` to say, `hold`, `too narrow` or `too wide`.
        forecasts: number of resolved forecasts of benchmarks.
        targets: number of different models.
        inside: level -> share of scores inside the interval; empty where there are none.
        factor: what the half-widths of the 80% intervals would have to be multiplied by to have held 80% of the scores;
            None where there are none.
    """

    verdict: str
    forecasts: int
    targets: int
    inside: dict[str, float]
    factor: float | None

    @property
    def sentence(self) -> str:
        """The check in one sentence."""
        if not self.forecasts:
            return "no registered forecast has been resolved yet"
        of = f"{self.forecasts} resolved forecast{'' if self.forecasts == 1 else 's'} of {_models(self.targets)}"
        held = f"80% intervals held {100 * self.inside['80']:.0f}%, 95% intervals {100 * self.inside['95']:.0f}%"
        if self.verdict == FEW:
            return f"{held} of {of}; {FEWEST_FORECASTS} forecasts of {FEWEST_TARGETS} models are needed to judge"
        if self.verdict == HOLD:
            return f"{held} of {of}: the intervals hold"
        wanted = "" if self.factor is None else f"; {self.factor:.1f} times as wide they would have held 80%"
        return f"{held} of {of}: the intervals are {self.verdict}{wanted}"

    def to_json(self) -> dict[str, Any]:
        """Return the numbers by name, and the sentence."""
        return {**vars(self), "sentence": self.sentence}


def check_intervals(judged: Sequence[tuple[Forecast, Outcome]]) -> Check:
    """Judge whether the intervals of resolved forecasts held as often as they say.

    Errors on the benchmarks of one model are correlated, so n forecasts of m models count as
    n / (1 + (n/m - 1) r) independent ones, with r the correlation that the forecasts state.

    Args:
        judged: forecasts, each with the outcome of one of its benchmarks.
    """
    count, targets = len(judged), len({forecast.target for forecast, _ in judged})
    if not count:
        return Check(FEW, 0, 0, {}, None)
    inside = {level: float(np.mean([outcome.inside[level] for _, outcome in judged])) for level in ("80", "95")}
    reach = [_reach(forecast, outcome) for forecast, outcome in judged]
    needed = float(np.quantile(reach, 0.8, method="higher"))
    factor = needed if np.isfinite(needed) else None
    if count < FEWEST_FORECASTS or targets < FEWEST_TARGETS:
        return Check(FEW, count, targets, inside, factor)
    correlation = float(np.mean([SharedErrors.in_record(forecast.record).correlation for forecast, _ in judged]))
    independent = count / (1 + (count / targets - 1) * correlation)
    score = (inside["80"] - 0.8) / np.sqrt(0.8 * 0.2 / independent)
    verdict = NARROW if score < -_CLEAR else WIDE if score > _CLEAR else HOLD
    return Check(verdict, count, targets, inside, factor)


def _reach(forecast: Forecast, outcome: Outcome) -> float:
    """Return the error over the half-width of the 80% interval on its side."""
    answer = next(found for found in forecast.forecasts if found.series == outcome.series)
    low, high = answer.intervals["80"]
    half = outcome.median - low if outcome.truth < outcome.median else high - outcome.median
    error = abs(outcome.error)
    return 0.0 if error == 0 else error / half if half > 0 else float("inf")


def _models(count: int) -> str:
    return f"{count} model{'' if count == 1 else 's'}"
