"""What is forecast: the model that has not been trained yet, and the answer for one benchmark."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InputError
from predictor.forecasting.frames import ForecastFrame
from predictor.quantity import format_quantity
from predictor.results.scales import SHARE, Scale
from predictor.results.series import Series

if TYPE_CHECKING:
    import pandas as pd

    from predictor.forecasting.mean import MeanForecast, Requirements

# A thousand times what has been trained, and more: beyond lies a slip of the hand, as a suffix too many.
MOST_PARAMS, MOST_TOKENS = 1e16, 1e18


# A target with a smaller share of the smallest run's parameters, or tokens, has lost its suffix: `7` for `7B`.
FAR_BELOW = 1e-3


def check_target(params: float, tokens: float, evals: pd.DataFrame | None = None) -> None:
    """Refuse what is no model, or lies far below every run, before the work of fitting.

    Args:
        params: parameters of the target.
        tokens: its training tokens.
        evals: the scores that it is forecast from, where they are known.

    Raises:
        InputError: no model has so few or so many parameters, or training tokens, or the runs have far more.
    """
    if not (1 <= params <= MOST_PARAMS and 1 <= tokens <= MOST_TOKENS):
        raise InputError(
            f"no model has {format_quantity(params)} parameters and {format_quantity(tokens)} training tokens",
            "give the size of a model and the length of its training, as 7B and 140B",
        )
    trained = None if evals is None else evals[evals["tokens"] > 0]
    if trained is not None and not trained.empty:
        lengths = trained.groupby(["family", "run"])["tokens"].max()
        check_reach(params, tokens, float(trained["params"].min()), float(lengths.min()))


def check_reach(params: float, tokens: float, smallest: float, shortest: float) -> None:
    """Refuse a target far below every run.

    Args:
        params: parameters of the target.
        tokens: its training tokens.
        smallest: parameters of the smallest run.
        shortest: tokens of the shortest run.

    Raises:
        InputError: it has less than a thousandth of either.
    """
    for what, given, least in (("params", params, smallest), ("tokens", tokens, shortest)):
        if given < FAR_BELOW * least:
            meant = next((given * suffix for suffix in (1e3, 1e6, 1e9, 1e12) if given * suffix >= least), least)
            here = f"far below every run here (the least has {format_quantity(least)})"
            raise InputError(
                f"{format_quantity(given)} {what} are {here}",
                f"did you mean {format_quantity(meant)}?",
            )


@dataclass(frozen=True)
class Target:
    """The model to forecast.

    Attributes:
        params: its parameters N, counted as in the results table.
        tokens: its training tokens D.
        family: the family whose laws it follows.

    Raises:
        InputError: no model has so few or so many of either.
    """

    params: float
    tokens: float
    family: str

    def __post_init__(self) -> None:
        check_target(self.params, self.tokens)

    @property
    def flops(self) -> float:
        """Training compute, 6·N·D FLOPs."""
        return 6.0 * self.params * self.tokens


@dataclass(frozen=True)
class TaskForecast:
    """The distribution of the target's measured score on one benchmark, in the metric's own unit.

    Attributes:
        task: the benchmark.
        metric: its headline metric.
        num_fewshot: examples in the prompt, or None where the table does not say.
        median: the forecast.
        intervals: level in percent, as `80` -> (lower, upper); sampling noise of the target's own evaluation included.
        grade: A (within two points) to E, F where no forecast should be trusted.
        why: one sentence that justifies the grade.
        chance: score of random guessing, or None where unknown.
        methods: method -> weight in the combination, summing to one.
        by_method: method -> its own median.
        refused: method -> why it gave no forecast.
        largest: score of the run of the largest compute.
        backtest_error: mean absolute error of the combination on held-out larger runs, or None where none could be held
            out.
        scale: range and direction of the metric.
    """

    task: str
    metric: str
    num_fewshot: int | None
    median: float
    intervals: dict[str, tuple[float, float]]
    grade: str
    why: str
    chance: float | None
    methods: dict[str, float]
    by_method: dict[str, float] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    largest: float | None = None
    backtest_error: float | None = None
    scale: Scale = SHARE

    def on(self, scale: Scale) -> TaskForecast:
        """Return a forecast of shares in the unit of what they are shares of."""
        if scale.is_share:
            return self

        def value(share: float) -> float:
            return float(scale.from_share(share))

        error = self.backtest_error
        return replace(
            self,
            median=value(self.median),
            intervals={level: scale.interval(*ends) for level, ends in self.intervals.items()},
            chance=None if self.chance is None else value(self.chance),
            by_method={name: value(median) for name, median in self.by_method.items()},
            largest=None if self.largest is None else value(self.largest),
            backtest_error=None if error is None else scale.error_from_share(error, self.median),
            scale=scale,
        )

    def as_share(self) -> TaskForecast:
        """Return the forecast in shares; undoes `on`."""
        scale = self.scale
        if scale.is_share:
            return self

        def share(value: float) -> float:
            return float(scale.to_share(value))

        intervals = {}
        for level, ends in self.intervals.items():
            shares = scale.to_share(ends)
            intervals[level] = (float(shares.min()), float(shares.max()))
        error = self.backtest_error
        return replace(
            self,
            median=share(self.median),
            intervals=intervals,
            chance=None if self.chance is None else share(self.chance),
            by_method={name: share(median) for name, median in self.by_method.items()},
            largest=None if self.largest is None else share(self.largest),
            backtest_error=None if error is None else float(scale.error_to_share(error, self.median)),
            scale=SHARE,
        )

    @property
    def series(self) -> Series:
        """What was forecast."""
        return Series(self.task, self.metric, self.num_fewshot)

    def to_json(self) -> dict[str, Any]:
        """Return the object of the `forecast --json` contract."""
        return {
            "task": self.task,
            "metric": self.metric,
            "num_fewshot": self.num_fewshot,
            "median": self.median,
            "intervals": {level: list(ends) for level, ends in self.intervals.items()},
            "grade": self.grade,
            "why": self.why,
            "chance": self.chance,
            "methods": self.methods,
            "by_method": self.by_method,
            "refused": self.refused,
            "largest": self.largest,
            "backtest_error": self.backtest_error,
            "scale": self.scale.to_json(),
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> TaskForecast:
        """Read what `to_json` wrote."""
        intervals = {level: (float(low), float(high)) for level, (low, high) in value["intervals"].items()}
        scale = Scale.from_json(value["scale"]) if "scale" in value else SHARE
        return cls(**{**value, "intervals": intervals, "scale": scale})


@dataclass(frozen=True)
class Curve:
    """A forecast along a path of models from the ladder to the target.

    Attributes:
        flops: training compute of each model, shape (points,).
        median: forecast score, the same shape.
        lower: lower end of the 80% interval.
        upper: upper end.
    """

    flops: NDArray[np.float64]
    median: NDArray[np.float64]
    lower: NDArray[np.float64]
    upper: NDArray[np.float64]

    @classmethod
    def on(
        cls,
        scale: Scale,
        flops: NDArray[np.float64],
        median: NDArray[np.float64],
        lower: NDArray[np.float64],
        upper: NDArray[np.float64],
    ) -> Curve:
        """Return a curve of shares in the unit of what they are shares of."""
        ends = (scale.from_share(lower), scale.from_share(upper))
        return cls(flops, scale.from_share(median), np.minimum(*ends), np.maximum(*ends))


@dataclass(frozen=True, repr=False)
class Forecast(ForecastFrame):
    """All forecasts for one target, with the record of how they were made.

    Attributes:
        target: the model.
        forecasts: one per (task, number of few-shot examples).
        record: version, seed, draws, hashes of the inputs, runs used, notes.
        mean: forecast of the mean over the benchmarks, or None where fewer than two can be forecast.
        require: probability of reaching the scores that were required, or None where none were.
    """

    target: Target
    forecasts: tuple[TaskForecast, ...]
    record: dict[str, Any]
    mean: MeanForecast | None = None
    require: Requirements | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the object of the `forecast --json` contract."""
        value = {
            "target": {"params": self.target.params, "tokens": self.target.tokens, "family": self.target.family},
            "forecasts": [answer.to_json() for answer in self.forecasts],
            "mean": self.mean and self.mean.to_json(),
            "record": self.record,
        }
        return value if self.require is None else {**value, "require": self.require.to_json()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Forecast:
        """Read what `to_json` wrote."""
        from predictor.forecasting.mean import MeanForecast, Requirements

        mean, require = value.get("mean"), value.get("require")
        return cls(
            Target(**value["target"]),
            tuple(TaskForecast.from_json(answer) for answer in value["forecasts"]),
            value["record"],
            None if mean is None else MeanForecast.from_json(mean),
            None if require is None else Requirements.from_json(require),
        )
