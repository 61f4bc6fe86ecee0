"""Which further runs would narrow the forecast of a target most within a budget, or which ladder to begin with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor import __version__
from predictor.decisions.belief import Belief, Scale, believe, believe_law
from predictor.decisions.candidates import candidate_runs, check_budget, check_runs
from predictor.decisions.comparison import QUANTILES
from predictor.decisions.design import Limits, choose_runs
from predictor.decisions.frames import PlanFrame
from predictor.errors import ForecastError
from predictor.fitting.units import geometric_mean
from predictor.forecasting import Forecast, fit_forecaster
from predictor.forecasting.forecaster import RESAMPLES
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.forecasting.methods.method import distinct_runs
from predictor.forecasting.panel import SHARED_ERROR, Panel, binomial_error, measurement_error
from predictor.forecasting.target import check_target
from predictor.laws import get_law
from predictor.progress import Progress
from predictor.results import Results

Array = NDArray[np.float64]

SCHEMA = "predictor.plan/1"
MOST_RUNS, MOST_SEEDS = 12, 3
# A benchmark needs this many runs for its law and its noise to be told apart at all.
_FEWEST_RUNS = 3

# What is believed of a benchmark of which nothing was measured. The loss follows published coefficients; the score is a
# logistic curve of it, from chance 25 % towards 95 %, that passes 45 % at 1B parameters and 20B tokens and 75 % at 7B
# and 300B, as open models do on benchmarks of common sense. Standard deviations: of ln E, of the logarithms of
# both terms at the middle of the candidates and of their exponents; of ceiling, ln steepness and middle.
_CHANCE, _GAIN, _STEEPNESS, _MIDDLE = 0.25, 0.7, 4.6, 2.33
_LOSS_SD = (0.15, 0.5, 0.3, 0.5, 0.3)
_LINK_SD = (0.1, 0.4, 0.3)
# What such a law leaves out, and what differs between runs alike but for the seed; items of a typical benchmark.
_DEVIATION, _RUN_NOISE, _ITEMS = 0.012, 0.004, 1000


@dataclass(frozen=True)
class PlannedRun:
    """Runs of one size and length.

    Attributes:
        params: parameters, counted as in the table.
        tokens: training tokens, at the end of the run's own schedule.
        seeds: how many such runs.
    """

    params: float
    tokens: float
    seeds: int

    @property
    def flops(self) -> float:
        """Training compute of all of them, 6·N·D each."""
        return 6.0 * self.params * self.tokens * self.seeds

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON."""
        return {"params": self.params, "tokens": self.tokens, "seeds": self.seeds, "flops": self.flops}


@dataclass(frozen=True)
class Narrowing:
    """What the runs would do for one benchmark.

    Attributes:
        task: the benchmark; None for the typical one that is planned for without results.
        num_fewshot: examples in the prompt, or None.
        median: forecast now.
        grade: of the forecast now; None without results.
        before: width of the 80 % interval now.
        after: its expected width once the runs are scored.
    """

    task: str | None
    num_fewshot: int | None
    median: float
    grade: str | None
    before: float
    after: float

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON."""
        return {
            "task": self.task,
            "num_fewshot": self.num_fewshot,
            "median": self.median,
            "grade": self.grade,
            "width_80": {"before": self.before, "after": self.after},
        }


@dataclass(frozen=True, repr=False)
class Plan(PlanFrame):
    """Runs to train for a target.

    Attributes:
        params: parameters of the target.
        tokens: its training tokens.
        family: whose laws, None without results.
        budget: what may be spent, in FLOPs.
        runs: what to train, the cheapest first.
        tasks: what that does.
        basis: `results`, or the name of the published fit that is the prior.
        record: version, seed, hashes of the inputs, notes.
    """

    params: float
    tokens: float
    family: str | None
    budget: float
    runs: tuple[PlannedRun, ...]
    tasks: tuple[Narrowing, ...]
    basis: str
    record: dict[str, Any]

    @property
    def flops(self) -> float:
        """Training compute of all runs."""
        return float(sum(one.flops for one in self.runs))

    def to_json(self) -> dict[str, Any]:
        """Return the object of the `plan --json` contract."""
        return {
            "schema": SCHEMA,
            "target": {"params": self.params, "tokens": self.tokens, "family": self.family},
            "budget": self.budget,
            "flops": self.flops,
            "basis": self.basis,
            "runs": [one.to_json() for one in self.runs],
            "tasks": [one.to_json() for one in self.tasks],
            "record": self.record,
        }


def plan(
    results: Results,
    params: float,
    tokens: float,
    budget: float,
    *,
    family: str | None = None,
    tasks: Iterable[str] | None = None,
    sizes: Sequence[float] | None = None,
    ratios: Sequence[float] | None = None,
    most_runs: int = MOST_RUNS,
    most_seeds: int = MOST_SEEDS,
    seed: int = 0,
    resamples: int = RESAMPLES,
    progress: Progress | None = None,
) -> Plan:
    """Plan further runs of a ladder.

    The runs are chosen by what they are expected to do for the mean interval over the benchmarks that can be forecast
    (`belief`, `design`). Widths now are those of `forecast`; they are expected to shrink as the standard deviation of
    the belief does.

    Args:
        results: scores of the ladder.
        params: parameters of the target, counted as in the table.
        tokens: its training tokens.
        budget: FLOPs that the runs may cost together, at 6·N·D each with N as in the table.
        family: whose laws to use; the family with the most runs where None.
        tasks: benchmarks to plan for; all where None.
        sizes: parameters that a run may have; those of the table, and steps of two up to the target's, where None.
        ratios: tokens per parameter that a run may have; `candidates.RATIOS` up to what the target or the ladder has
            where None.
        most_runs: how many runs at most.
        most_seeds: how many of them alike but for the seed.
        seed: of the resampling.
        resamples: as of `fit_forecaster`.
        progress: as of `fit_forecaster`, whose fits take nearly all the time.

    Raises:
        UnknownNameError: a task or family that is not there.
        ForecastError: there is no forecast to narrow.
        InputError: the budget pays for no run or for the target itself, or runs are asked for that say nothing of it.
    """
    check_target(params, tokens, results.evals)
    check_budget(params, tokens, budget)
    check_runs(params, sizes, ratios)
    forecaster = fit_forecaster(results, family=family, tasks=tasks, seed=seed, resamples=resamples, progress=progress)
    answer = forecaster.predict(params, tokens)
    panel = forecaster.panel
    candidates = candidate_runs(params, tokens, budget, panel, sizes, ratios)
    places = {series.key: row for row, series in enumerate(panel.series)}
    kept = [
        one
        for one in answer.forecasts
        if one.scale.is_share
        and one.grade != NOT_FORECASTABLE
        and distinct_runs(panel, panel.score[[places[one.series]]])[0] >= _FEWEST_RUNS
    ]
    if not kept:
        raise ForecastError(
            f"no benchmark of family {answer.target.family} can be forecast (grade F, or fewer than {_FEWEST_RUNS} "
            "runs), so that there is no interval to narrow",
            "begin with a ladder: plan without --results",
        )
    rows = np.array([places[one.series] for one in kept], dtype=np.intp)
    points = _points(params, tokens, candidates)
    belief = believe_panel(panel.select(rows), points)
    errors = [measurement_error(panel, int(row), np.array(one.median)) for one, row in zip(kept, rows, strict=True)]
    floor = np.array(errors, dtype=float) ** 2
    chosen = choose_runs(belief, Limits(points.flops, budget, most_runs, most_seeds), floor)
    now = belief.covariance[:, 0, 0]
    shrink = np.sqrt((chosen.variance + floor) / (now + floor))
    narrowed = tuple(
        Narrowing(
            one.task,
            one.num_fewshot,
            one.median,
            one.grade,
            one.intervals["80"][1] - one.intervals["80"][0],
            (one.intervals["80"][1] - one.intervals["80"][0]) * float(factor),
        )
        for one, factor in zip(kept, shrink, strict=True)
    )
    record = {
        "version": __version__,
        "seed": seed,
        "resamples": resamples,
        "inputs": results.inputs,
        "candidates": len(candidates),
        "notes": [*answer.record["notes"], *_not_planned_for(answer, len(kept))],
    }
    return Plan(params, tokens, panel.family, budget, _runs(points, chosen.chosen), narrowed, "results", record)


def plan_first(
    params: float,
    tokens: float,
    budget: float,
    *,
    published: str = "besiroglu",
    sizes: Sequence[float] | None = None,
    ratios: Sequence[float] | None = None,
    most_runs: int = MOST_RUNS,
    most_seeds: int = MOST_SEEDS,
) -> Plan:
    """Plan a first ladder, when nothing has been trained yet.

    The belief is a prior and nothing more: a published fit of the chinchilla law and a typical curve from loss to
    score, both loosely held. It says how to spread runs; how well the target will then be forecast is said by
    `forecast` once they are scored.

    Args:
        params: parameters of the target.
        tokens: its training tokens.
        budget: FLOPs that the runs may cost together, at 6·N·D each.
        published: whose coefficients of the chinchilla law.
        sizes: parameters that a run may have; steps of two from a thousandth of the target's where None.
        ratios: tokens per parameter that a run may have.
        most_runs: how many runs at most.
        most_seeds: how many of them alike but for the seed.

    Raises:
        UnknownNameError: nobody of that name has published the chinchilla law.
        InputError: the budget pays for no run or for the target itself, or runs are asked for that say nothing of it.
    """
    check_budget(params, tokens, budget)
    check_runs(params, sizes, ratios)
    candidates = candidate_runs(params, tokens, budget, None, sizes, ratios)
    points = _points(params, tokens, candidates)
    belief = believe_published(published, points)
    floor = np.array([float(binomial_error(belief.mean[0, 0], _ITEMS)) ** 2])
    chosen = choose_runs(belief, Limits(points.flops, budget, most_runs, most_seeds), floor)
    before, after = (
        2 * QUANTILES["80"] * float(np.sqrt(variance[0] + floor[0]))
        for variance in (belief.covariance[:, 0, 0], chosen.variance)
    )
    narrowed = Narrowing(None, None, float(belief.mean[0, 0]), None, min(before, 1.0), min(after, 1.0))
    record = {
        "version": __version__,
        "inputs": {},
        "candidates": len(candidates),
        "notes": [
            f"a prior, not a forecast: the loss law of {published} and a typical curve from loss to score; "
            "plan again with --results when the first runs are scored"
        ],
    }
    return Plan(params, tokens, None, budget, _runs(points, chosen.chosen), (narrowed,), published, record)


def believe_panel(panel: Panel, points: Scale) -> Belief:
    """Believe what a panel's scores say, with the noise of a further run measured on those there are."""
    return believe(panel, points, lambda scores, row: measurement_error(panel, row, scores))


def believe_published(name: str, points: Scale) -> Belief:
    """Believe in a published fit of the chinchilla law and a typical curve from its loss to a score."""
    values = get_law("chinchilla").published_values(name)
    params, tokens = (geometric_mean(one[1:]) for one in (points.params, points.tokens))
    mean = np.array(
        [
            np.log(values["E"]),
            np.log(values["A"] * params ** -values["alpha"]),
            np.log(values["alpha"]),
            np.log(values["B"] * tokens ** -values["beta"]),
            np.log(values["beta"]),
            _GAIN,
            np.log(_STEEPNESS),
            _MIDDLE,
        ]
    )

    def law(theta: Array, at: Scale) -> Array:
        lowest, size, alpha, data, beta = np.exp(theta[:5])
        loss = lowest + size * (at.params / params) ** -alpha + data * (at.tokens / tokens) ** -beta
        return np.asarray(_CHANCE + theta[5] / (1 + np.exp(np.clip(np.exp(theta[6]) * (loss - theta[7]), -60, 60))))

    scores = np.clip(law(mean, points), 0.0, 1.0)
    noise = np.hypot(SHARED_ERROR * binomial_error(scores, _ITEMS), _RUN_NOISE)
    return believe_law(law, mean, np.array([*_LOSS_SD, *_LINK_SD]), points, _DEVIATION, noise)


def _points(params: float, tokens: float, candidates: list[tuple[float, float]]) -> Scale:
    """Put the target first."""
    pairs = np.array([(params, tokens), *candidates])
    return Scale(pairs[:, 0], pairs[:, 1])


def _runs(points: Scale, chosen: tuple[int, ...]) -> tuple[PlannedRun, ...]:
    counts = Counter(chosen)
    runs = [PlannedRun(float(points.params[i]), float(points.tokens[i]), count) for i, count in counts.items()]
    return tuple(sorted(runs, key=lambda one: (6 * one.params * one.tokens, one.params)))


def _not_planned_for(answer: Forecast, kept: int) -> list[str]:
    left = len(answer.forecasts) - kept
    return [f"{left} benchmarks are not planned for: they cannot be forecast (grade F)"] if left else []
