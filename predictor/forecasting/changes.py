"""What moved between two forecasts of one target, and what they were made from differently."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from predictor.errors import InputError
from predictor.forecasting.grade import NOT_FORECASTABLE
from predictor.forecasting.mean import MeanForecast
from predictor.forecasting.target import Forecast, TaskForecast
from predictor.quantity import format_quantity
from predictor.results.series import Series
from predictor.results.task_info import listed

# A weight in the combination that changed by less has not changed the forecast.
_WEIGHT = 0.1
_SHOWN = 5


@dataclass(frozen=True)
class Move:
    """One benchmark in two forecasts.

    Attributes:
        series: the benchmark.
        before: its earlier forecast, or None where it is new.
        after: its later forecast, or None where it is gone.
    """

    series: Series
    before: TaskForecast | None
    after: TaskForecast | None

    @property
    def difference(self) -> float | None:
        """The later median less the earlier one, in the metric's own unit; None unless both are forecasts."""
        if not (_is_firm(self.before) and _is_firm(self.after)):
            return None
        assert self.before is not None
        assert self.after is not None
        return self.after.median - self.before.median

    @property
    def leaves_interval(self) -> bool:
        """Whether the later median lies outside the earlier 80% interval."""
        if self.difference is None or self.before is None or self.after is None:
            return False
        low, high = self.before.intervals["80"]
        return not low <= self.after.median <= high

    @property
    def what(self) -> str:
        """What happened, as `+1.2 points`, `new`, `gone`, `no longer forecastable` or `unchanged`."""
        if self.before is None or self.after is None:
            return "new" if self.before is None else "gone"
        difference = self.difference
        if difference is None:
            was, now = _is_firm(self.before), _is_firm(self.after)
            return "unchanged" if was == now else "now forecastable" if now else "no longer forecastable"
        if self.after.scale.is_share:
            return _in_points(difference)
        return f"{difference:+.3g}" if difference else "unchanged"


@dataclass(frozen=True)
class Changes:
    """What changed from one forecast of a target to another.

    Attributes:
        moves: one per benchmark of either, in the order of the later forecast; those that are gone come last.
        mean_before: the earlier forecast of the mean, or None.
        mean_after: the later one, or None.
        causes: what the two were made from differently, a clause each; empty where nothing is known to differ.
    """

    moves: tuple[Move, ...]
    mean_before: MeanForecast | None
    mean_after: MeanForecast | None
    causes: tuple[str, ...]

    @property
    def mean_difference(self) -> float | None:
        """The later mean less the earlier, in shares; None where they are not over the same benchmarks."""
        before, after = self.mean_before, self.mean_after
        if before is None or after is None or set(before.series) != set(after.series):
            return None
        return after.median - before.median

    def of(self, series: Series) -> Move | None:
        """Return the move of one benchmark, or None where neither forecast has it."""
        return next((move for move in self.moves if move.series == series), None)

    def to_json(self) -> dict[str, Any]:
        """Return the numbers by name; the forecasts themselves are in their own files."""
        return {
            "mean_difference": self.mean_difference,
            "causes": list(self.causes),
            "moves": [
                {
                    "task": move.series.task,
                    "metric": move.series.metric,
                    "num_fewshot": move.series.num_fewshot,
                    "before": move.before and move.before.median,
                    "after": move.after and move.after.median,
                    "grade_before": move.before and move.before.grade,
                    "grade_after": move.after and move.after.grade,
                    "leaves_interval": move.leaves_interval,
                    "what": move.what,
                }
                for move in self.moves
            ],
        }


def compare_forecasts(before: Forecast, after: Forecast) -> Changes:
    """Compare two forecasts of one target.

    Args:
        before: the earlier forecast.
        after: the later one.

    Raises:
        InputError: they are of different targets.
    """
    old, new = before.target, after.target
    if (old.params, old.tokens, old.family) != (new.params, new.tokens, new.family):
        raise InputError(
            f"the earlier forecast is of {_describe(before)}, this one of {_describe(after)}",
            "compare forecasts of one target",
        )
    earlier = {answer.series: answer for answer in before.forecasts}
    later = {answer.series: answer for answer in after.forecasts}
    moves = [Move(series, earlier.get(series), answer) for series, answer in later.items()]
    moves += [Move(series, answer, None) for series, answer in earlier.items() if series not in later]
    causes = (*_causes(before.record, after.record), *_weights(moves))
    return Changes(tuple(moves), before.mean, after.mean, causes)


def _describe(forecast: Forecast) -> str:
    target = forecast.target
    return f"{target.family} {format_quantity(target.params)} on {format_quantity(target.tokens)} tokens"


def _is_firm(answer: TaskForecast | None) -> bool:
    return answer is not None and answer.grade != NOT_FORECASTABLE


def _in_points(difference: float) -> str:
    points = round(100 * difference, 1)
    return f"{points:+.1f} points" if points else "unchanged"


def _causes(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[str]:
    """State how two records differ, what matters most first."""
    old, new = set(before.get("runs", ())), set(after.get("runs", ()))
    for verb, names in (("added", sorted(new - old)), ("no longer used", sorted(old - new))):
        if names:
            yield f"{'run' if len(names) == 1 else 'runs'} {verb}: {listed(names[:_SHOWN], len(names))}"
    gained = after.get("observations", 0) - before.get("observations", 0)
    if old == new and gained:
        count = abs(gained)
        yield f"{count} {'more' if gained > 0 else 'fewer'} checkpoint{'' if count == 1 else 's'} of the same runs"
    elif old == new and before.get("inputs") != after.get("inputs"):
        yield "the same runs and checkpoints, but the files they were read from changed"
    for name in ("method", "version", "seed", "resamples"):
        was, now = before.get(name), after.get(name)
        if was != now and was is not None and now is not None:
            yield f"{name} {now} instead of {was}"


def _weights(moves: Sequence[Move]) -> Iterator[str]:
    """State which methods count more or less than before, on average over the benchmarks of both forecasts."""
    pairs = [(move.before.methods, move.after.methods) for move in moves if move.before and move.after]
    if not pairs:
        return
    for name in sorted({name for pair in pairs for weights in pair for name in weights}):
        was, now = (sum(pair[place].get(name, 0.0) for pair in pairs) / len(pairs) for place in (0, 1))
        if abs(now - was) >= _WEIGHT:
            yield f"method {name} weighs {now:.2f} on average instead of {was:.2f}"
