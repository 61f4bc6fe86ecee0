"""What to do about runs in training: whether one will reach what is required of it, and which of several ends best."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import ForecastError, UnknownNameError
from predictor.forecasting.trajectory.tracker import RunTrack, SeriesTrack

Array = NDArray[np.float64]

_DRAWS = 20_000
# Correlation between benchmarks of what a run's forecasts leave open: assumed, not measured. It matters only where
# candidates are compared over many benchmarks.
_ALIKE = 0.3


@dataclass(frozen=True)
class Requirement:
    """A score that a run has to end with.

    Attributes:
        label: the benchmark.
        least: the score, in the unit of its metric.
        probability: of ending there or better.
    """

    label: str
    least: float
    probability: float

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON."""
        return {"series": self.label, "least": self.least, "probability": round(self.probability, 6)}


@dataclass(frozen=True)
class Candidate:
    """One of several runs in training.

    Attributes:
        run: its name.
        mean: forecast of its mean score over the benchmarks that all candidates share, at its end, in [0, 1].
        low: lower end of the 80% interval.
        high: upper end.
        best: probability that it ends best of all.
        tokens_left: until its end.
        flops_left: 6·N·D of these.
    """

    run: str
    mean: float
    low: float
    high: float
    best: float
    tokens_left: float
    flops_left: float


@dataclass(frozen=True)
class Candidates:
    """Several runs side by side.

    Attributes:
        candidates: the runs, as given.
        series: labels of the benchmarks that all were scored on.
        best_by_series: label -> probability of each run to end best on it.
    """

    candidates: tuple[Candidate, ...]
    series: tuple[str, ...]
    best_by_series: dict[str, tuple[float, ...]]

    @property
    def leader(self) -> Candidate:
        """The one most likely to end best."""
        return max(self.candidates, key=lambda candidate: candidate.best)

    def saved(self) -> tuple[float, float]:
        """Return the tokens and FLOPs that stopping all but the leader now would save."""
        rest = [candidate for candidate in self.candidates if candidate is not self.leader]
        return sum(one.tokens_left for one in rest), sum(one.flops_left for one in rest)

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON."""
        tokens, flops = self.saved()
        return {
            "series": list(self.series),
            "candidates": [
                {
                    "run": candidate.run,
                    "mean": round(candidate.mean, 6),
                    "interval_80": [round(candidate.low, 6), round(candidate.high, 6)],
                    "probability_best": round(candidate.best, 4),
                    "tokens_left": candidate.tokens_left,
                    "flops_left": candidate.flops_left,
                }
                for candidate in self.candidates
            ],
            "best_by_series": {label: [round(value, 4) for value in row] for label, row in self.best_by_series.items()},
            "stopping_all_but_the_leader_saves": {"leader": self.leader.run, "tokens": tokens, "flops": flops},
        }


def judge(track: RunTrack, required: Sequence[tuple[str, float]]) -> tuple[Requirement, ...]:
    """Compute the probability that a run ends with each required score or better.

    Args:
        track: of the run, with all benchmarks that are asked for.
        required: name of a benchmark, or its label as `arc_easy (5-shot)`, and the score in the metric's unit.

    Raises:
        UnknownNameError: the run is not tracked on the benchmark.
        ForecastError: the benchmark is tracked with several numbers of examples, or the score is not one.
    """
    return tuple(_judge(_find(track, name), least) for name, least in required)


def _judge(series: SeriesTrack, least: float) -> Requirement:
    kind = series.series
    if kind.share.is_share and not 0 <= least <= 1:
        raise ForecastError(f"{least:g} is no score of {kind.label}", "give a share between 0 and 1, as 0.55")
    place = float(kind.scale(np.array([least]))[0])
    return Requirement(kind.label, least, _normal((series.end_median - place) / max(series.end_error, 1e-12)))


def _find(track: RunTrack, name: str) -> SeriesTrack:
    benchmarks = [series for series in track.series if not series.series.is_loss]
    found = [series for series in benchmarks if name in (series.series.task, series.series.label)]
    if not found:
        raise UnknownNameError("task", name, [series.series.label for series in benchmarks], f"run {track.run}")
    if len(found) > 1:
        labels = ", ".join(f"'{series.series.label}'" for series in found)
        raise ForecastError(f"{name} is tracked as {labels}", "name one of them")
    return found[0]


def _normal(deviations: float) -> float:
    return 0.5 * (1 + math.erf(deviations / math.sqrt(2)))


def compare_candidates(tracks: Sequence[RunTrack], seed: int = 0) -> Candidates:
    """Compute the probability that each of several runs ends best, on the mean of the benchmarks they share.

    Args:
        tracks: two runs or more.
        seed: of the draws.

    Raises:
        ForecastError: there are fewer than two, or they share no benchmark.
    """
    if len(tracks) < 2:
        raise ForecastError("one run alone cannot be compared", "name two runs or more")
    by_label = [
        {series.series.label: series for series in track.series if not series.series.is_loss} for track in tracks
    ]
    shared = [label for label in by_label[0] if all(label in own for own in by_label)]
    if not shared:
        raise ForecastError("the runs share no benchmark", "score them on the same benchmarks")
    random = np.random.default_rng(seed)
    scores = np.array([_draw([own[label] for label in shared], random) for own in by_label])
    means = scores.mean(axis=1)
    best = np.bincount(means.argmax(axis=0), minlength=len(tracks)) / _DRAWS
    candidates = []
    for track, mean, probability in zip(tracks, means, best, strict=True):
        low, middle, high = np.quantile(mean, [0.1, 0.5, 0.9])
        left = max(track.end - track.tokens, 0.0)
        parts = (float(middle), float(low), float(high), float(probability), left, 6 * track.params * left)
        candidates.append(Candidate(track.run, *parts))
    by_series = {
        label: tuple(np.bincount(scores[:, number].argmax(axis=0), minlength=len(tracks)) / _DRAWS)
        for number, label in enumerate(shared)
    }
    return Candidates(tuple(candidates), tuple(shared), by_series)


def _draw(series: list[SeriesTrack], random: np.random.Generator) -> Array:
    """Draw shares at the end that are alike between benchmarks, shape (series, draws)."""
    common = math.sqrt(_ALIKE) * random.standard_normal(_DRAWS)
    own = math.sqrt(1 - _ALIKE) * random.standard_normal((len(series), _DRAWS))
    median = np.array([one.end_median for one in series])[:, None]
    error = np.array([one.end_error for one in series])[:, None]
    return np.asarray(1 / (1 + np.exp(-(median + error * (common + own)))))
