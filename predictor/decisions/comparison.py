"""Which of several families will be better at the target, and how sure that is."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from predictor import __version__
from predictor.decisions.common_scales import Gaps, blend, common_gaps
from predictor.decisions.comparison_notes import comparison_notes
from predictor.decisions.contenders import fit_contenders
from predictor.decisions.correlation import Correlation, measure_correlation
from predictor.decisions.frames import ComparisonFrame
from predictor.decisions.loss_predictors import LossPredictor, rank_losses
from predictor.decisions.multiplier import Multiplier, compute_multipliers
from predictor.errors import ForecastError
from predictor.fitting import stable_generator
from predictor.forecasting import AUTO, Forecaster, TaskForecast
from predictor.forecasting.forecaster import RESAMPLES
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.forecasting.target import check_target
from predictor.progress import Progress
from predictor.results import Results
from predictor.results.series import Series

Array = NDArray[np.float64]

SCHEMA = "predictor.compare/1"
# Half-widths of central intervals of the normal distribution, in standard deviations.
QUANTILES = {"80": 1.2815515655, "95": 1.9599639845}
# Draws of all scores together, for ranks: a chance is then known to a percent.
_DRAWS = 4000
# Typical difference between two recipes at one scale, in shares: where no scale is common, and for how many pairs the
# mean over all benchmarks counts beside a benchmark's own.
_TYPICAL_GAP = 0.03
_GAP_PRIOR = 3.0
_LEAST_GAP = 0.002
# Recipes differ more at the target than at the scales seen so far: factor of the variance.
_GROWTH = 2.0


@dataclass(frozen=True)
class Pair:
    """Two families on one benchmark or on the mean of several.

    Attributes:
        a: the family that is expected to be better.
        b: the other one.
        difference: expected score of `a` less that of `b`, zero or more.
        intervals: level in percent -> interval of the difference.
        probability: that `a` scores higher, a half or more.
    """

    a: str
    b: str
    difference: float
    intervals: dict[str, tuple[float, float]]
    probability: float

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON."""
        intervals = {level: list(ends) for level, ends in self.intervals.items()}
        return {
            "a": self.a,
            "b": self.b,
            "difference": self.difference,
            "intervals": intervals,
            "probability": self.probability,
        }


@dataclass(frozen=True)
class Standing:
    """One family among the others.

    Attributes:
        family: its name.
        expected: its score as all families together lead to expect it.
        forecast: its score as its own runs alone lead to expect it, as `predictor forecast` says.
        intervals: level in percent -> interval of the score.
        best: probability that it scores highest.
        rank: expected rank, 1 the best.
        grade: of its forecast; None for the mean over benchmarks.
    """

    family: str
    expected: float
    forecast: float
    intervals: dict[str, tuple[float, float]]
    best: float
    rank: float
    grade: str | None

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON."""
        return {
            "family": self.family,
            "expected": self.expected,
            "forecast": self.forecast,
            "intervals": {level: list(ends) for level, ends in self.intervals.items()},
            "best": self.best,
            "rank": self.rank,
            "grade": self.grade,
        }


@dataclass(frozen=True)
class Ranking:
    """Families by their expected score, the best first, and every pair of them.

    Attributes:
        task: the benchmark; None for the mean over benchmarks.
        metric: its metric, None for the mean.
        num_fewshot: examples in the prompt, or None.
        standings: one per family.
        pairs: one per pair, in the order of the standings.
    """

    task: str | None
    metric: str | None
    num_fewshot: int | None
    standings: tuple[Standing, ...]
    pairs: tuple[Pair, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON."""
        return {
            "task": self.task,
            "metric": self.metric,
            "num_fewshot": self.num_fewshot,
            "standings": [one.to_json() for one in self.standings],
            "pairs": [one.to_json() for one in self.pairs],
        }


@dataclass(frozen=True, repr=False)
class Comparison(ComparisonFrame):
    """Several families at one target.

    Attributes:
        params: parameters of the target, the same for all.
        tokens: its training tokens.
        overall: by the mean score over the benchmarks that can be forecast for every family; None where none can.
        averaged: names of those benchmarks.
        tasks: one ranking for each benchmark that two or more families were scored on.
        left_out: family -> why it is not compared.
        correlation: of the forecasts' errors.
        record: version, seed, hashes of the inputs, notes.
        multipliers: how many times the compute one family is worth another, by pairs.
        loss_predictors: which held-out loss predicts which benchmark over all families.
    """

    params: float
    tokens: float
    overall: Ranking | None
    averaged: tuple[str, ...]
    tasks: tuple[Ranking, ...]
    left_out: dict[str, str]
    correlation: Correlation
    record: dict[str, Any]
    multipliers: tuple[Multiplier, ...] = ()
    loss_predictors: tuple[LossPredictor, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the object of the `compare --json` contract."""
        return {
            "schema": SCHEMA,
            "target": {"params": self.params, "tokens": self.tokens},
            "overall": None if self.overall is None else {**self.overall.to_json(), "averaged": list(self.averaged)},
            "tasks": [one.to_json() for one in self.tasks],
            "left_out": self.left_out,
            "correlation": self.correlation.to_json(),
            "multipliers": [multiplier.to_json() for multiplier in self.multipliers],
            "loss_predictors": [predictor.to_json() for predictor in self.loss_predictors],
            "record": self.record,
        }


def compare(
    results: Results,
    params: float,
    tokens: float,
    *,
    families: Iterable[str] | None = None,
    tasks: Iterable[str] | None = None,
    method: str = AUTO,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> Comparison:
    """Forecast each family at the target and rank them, per benchmark and by their mean score.

    Args:
        results: scores of the families' runs.
        params: parameters of the target, counted as in the table.
        tokens: its training tokens.
        families: which to compare; all where None.
        tasks: benchmarks to look at; all where None.
        method: as of `fit_forecaster`.
        seed: of the resampling and of the draws that ranks are counted on.
        resamples: as of `fit_forecaster`.
        progress: opened with the number of families; gives what is called with a line after each.

    Raises:
        UnknownNameError: a family, task or method that is not there.
        ForecastError: fewer than two families carry a forecast, or no two were scored on the same benchmark.
    """
    check_target(params, tokens, results.evals)
    forecasters, left_out = fit_contenders(
        results, families, tasks=tasks, method=method, seed=seed, resamples=resamples, progress=progress
    )
    answers = {name: one.predict(params, tokens) for name, one in forecasters.items()}
    correlation = measure_correlation(forecasters)
    # Differences and means over benchmarks are in points: metrics on other scales are left out.
    forecasts = {
        name: {one.series: one for one in answer.forecasts if one.scale.is_share} for name, answer in answers.items()
    }
    others = sorted({one.task for answer in answers.values() for one in answer.forecasts if not one.scale.is_share})
    rankings, overall, averaged = rank_forecasts(forecasts, forecasters, correlation, seed)
    if not rankings:
        raise ForecastError(
            f"no two of {', '.join(forecasts)} were scored on the same benchmark",
            "score them on one suite, or name other --families",
        )
    record = {
        "version": __version__,
        "seed": seed,
        "resamples": resamples,
        "method": method,
        "inputs": results.inputs,
        "runs": {name: one.record["runs"] for name, one in forecasters.items()},
        "compute_ratio": {name: answer.record["compute_ratio"] for name, answer in answers.items()},
        "notes": [*results.notes, *not_in_points(others), *comparison_notes(overall, rankings, averaged)],
    }
    best = (overall or rankings[0]).standings[0].family
    multipliers = compute_multipliers(forecasters, params, tokens, best, seed)
    predictors = rank_losses({name: one.panel for name, one in forecasters.items()})
    return Comparison(
        params, tokens, overall, averaged, rankings, left_out, correlation, record, multipliers, predictors
    )


def not_in_points(tasks: list[str]) -> list[str]:
    """Report the benchmarks that are left out because their metrics are not shares."""
    return [f"left out, as their metrics are not in points: {', '.join(tasks)}"] if tasks else []


def rank_forecasts(
    forecasts: Mapping[str, Mapping[Series, TaskForecast]],
    forecasters: Mapping[str, Forecaster],
    correlation: Correlation,
    seed: int = 0,
) -> tuple[tuple[Ranking, ...], Ranking | None, tuple[str, ...]]:
    """Rank families by their forecasts, which may be of different targets.

    On each benchmark the differences between families are a mean of those of the forecasts and, with twice the weight,
    of those at the scales the families have in common, shrunk towards none as far as recipes differ less than such
    forecasts err: a normal prior whose width is read from the differences at common scales (empirical Bayes). Errors
    are normal, with the widths of the forecasts' intervals and the correlations given: between family f on benchmark t
    and family g on benchmark u it is the product of that of the families and that of the benchmarks.

    Args:
        forecasts: family -> benchmark -> its forecast.
        forecasters: family -> what made it.
        correlation: of the forecasts' errors.
        seed: of the draws that ranks are counted on.

    Returns:
        a ranking for each benchmark that two families share, that by the mean score over the benchmarks that every
        family has and none is graded F on (None where there is none), and the names of those benchmarks.
    """
    families = list(forecasts)
    panels = {name: forecasters[name].panel for name in families}
    rows = {name: {series.key: row for row, series in enumerate(panels[name].series)} for name in families}
    keys = [
        key
        for key in sorted({key for own in forecasts.values() for key in own}, key=lambda key: key.columns)
        if sum(key in own for own in forecasts.values()) >= 2
    ]
    seen = {}
    for key in keys:
        shared = [name for name in families if key in forecasts[name]]
        seen[key] = common_gaps(
            panels,
            {name: rows[name][key] for name in shared},
            {name: forecasts[name][key].median for name in shared},
        )
    everything = np.concatenate([one.seen for one in seen.values()]) if seen else np.zeros(0)
    typical = float(np.mean(everything**2)) if everything.size else _TYPICAL_GAP**2
    rankings = []
    for key in keys:
        own = {name: forecasts[name][key] for name in families if key in forecasts[name]}
        rankings.append(_rank(key, own, [own], [seen[key]], _variance(seen[key].seen, typical), correlation, seed))
    trusted = [
        key for key in keys if all(key in own and own[key].grade != NOT_FORECASTABLE for own in forecasts.values())
    ]
    if not trusted:
        return tuple(rankings), None, ()
    own_forecasts = [{name: forecasts[name][key] for name in families} for key in trusted]
    gaps = [seen[key] for key in trusted]
    means = np.mean([one.mean for one in gaps], axis=0)
    everywhere = np.all([one.known for one in gaps], axis=0)
    prior = _variance(means[np.triu(everywhere)], typical / len(gaps))
    overall = _rank(None, own_forecasts[0], own_forecasts, gaps, prior, correlation, seed)
    return tuple(rankings), overall, tuple(key.label for key in trusted)


def _variance(gaps: Array, typical: float) -> float:
    """Return the variance of the difference between two families at the target, before any forecast of it."""
    seen = (float((gaps**2).sum()) + _GAP_PRIOR * typical) / (gaps.size + _GAP_PRIOR)
    return max(_GROWTH * seen, _LEAST_GAP**2)


def spread_of(one: TaskForecast) -> float:
    """Return the standard deviation that a forecast's 80% interval stands for; a side cut off at 0 or 1 is left out."""
    low, high = one.intervals["80"]
    return max(one.median - low, high - one.median, 1e-6) / QUANTILES["80"]


def _rank(
    key: Series | None,
    families: Mapping[str, TaskForecast],
    forecasts: list[dict[str, TaskForecast]],
    gaps: list[Gaps],
    prior: float,
    correlation: Correlation,
    seed: int,
) -> Ranking:
    """Rank families by their mean over benchmarks: one entry of `forecasts` and of `gaps` for each."""
    names, count = list(families), len(forecasts)
    median = np.array([[one[name].median for name in names] for one in forecasts])
    spread = np.array([[spread_of(one[name]) for name in names] for one in forecasts])
    blended = np.array([blend(row, gap) for row, gap in zip(median, gaps, strict=True)])
    # What families differ by at common scales may be more than there is left to gain at the target.
    blended = np.clip(blended, 0.0, 1.0).mean(axis=0)
    benchmarks, between = (
        _equicorrelated(count, correlation.benchmarks),
        _equicorrelated(len(names), correlation.families),
    )
    # The sum over benchmarks t, u of spread_tf · spread_ug · R_tu · R_fg, over their number squared.
    covariance = np.einsum("tf,tu,ug->fg", spread, benchmarks, spread) * between / count**2
    mean, covariance = _shrink(blended, covariance, prior)
    mean = np.clip(mean, 0.0, 1.0)
    generator = stable_generator(seed, "compare", repr(key and key.columns))
    draws = mean + generator.standard_normal((_DRAWS, len(names))) @ np.linalg.cholesky(covariance).T
    ranks = 1 + np.argsort(np.argsort(-draws, axis=1), axis=1)
    order = np.argsort(-mean, kind="stable")
    standings = tuple(
        Standing(
            family=names[i],
            expected=float(mean[i]),
            forecast=float(median[:, i].mean()),
            intervals=_ends(float(mean[i]), float(np.sqrt(covariance[i, i])), 0.0),
            best=float((ranks[:, i] == 1).mean()),
            rank=float(ranks[:, i].mean()),
            grade=None if key is None else families[names[i]].grade,
        )
        for i in order
    )
    pairs = tuple(_pair(names, mean, covariance, int(i), int(j)) for i, j in itertools.combinations(order, 2))
    if key is None:
        return Ranking(None, None, None, standings, pairs)
    return Ranking(key.task, key.metric, key.num_fewshot, standings, pairs)


def _shrink(mean: Array, covariance: Array, prior: float) -> tuple[Array, Array]:
    """Draw families together: each is a common level, of which nothing is known, and an effect of variance prior/2."""
    size = mean.size
    effects = prior / 2 * np.eye(size)
    precision = np.linalg.inv(effects + covariance)
    level = precision.sum(axis=0) @ mean / precision.sum()
    gain = effects @ precision
    # Kriging with an unknown mean: the second term is what not knowing the level adds.
    lost = (1.0 - gain.sum(axis=1))[:, None]
    posterior = effects - gain @ effects + lost @ lost.T / precision.sum()
    return level + gain @ (mean - level), (posterior + posterior.T) / 2 + 1e-12 * np.eye(size)


def _ends(middle: float, spread: float, least: float) -> dict[str, tuple[float, float]]:
    return {
        level: (max(middle - width * spread, least), min(middle + width * spread, 1.0))
        for level, width in QUANTILES.items()
    }


def _pair(families: list[str], mean: Array, covariance: Array, i: int, j: int) -> Pair:
    gap = float(mean[i] - mean[j])
    spread = float(np.sqrt(covariance[i, i] + covariance[j, j] - 2 * covariance[i, j]))
    return Pair(families[i], families[j], gap, _ends(gap, spread, -1.0), float(ndtr(gap / spread)))


def _equicorrelated(size: int, correlation: float) -> Array:
    return np.asarray((1 - correlation) * np.eye(size) + correlation)
