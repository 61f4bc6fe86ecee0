"""A tracked run as JSON: what a scheduler or a plot of one's own reads."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.trajectory import Band, Requirement, RunTrack, SeriesTrack

_DIGITS = 6


def track_to_json(track: RunTrack, required: Sequence[Requirement] = ()) -> dict[str, Any]:
    """Return the object of the `track --json` contract.

    Per task and observed checkpoint: what came, what was expected from the checkpoints before it and from before the
    run, both deviations in standard deviations, and the forecast of the final score made then.
    """
    return {
        "run": track.run,
        "target": {"params": track.params, "tokens": track.end, "family": track.family},
        "tokens": track.tokens,
        "alarm": bool(track.alarms),
        "alarms": [
            {"kind": one.kind, "signal": one.signal, "since": one.since, "raised": one.raised, "size": _short(one.size)}
            for one in track.alarms
        ],
        "signals": [
            {
                "signal": signal.name,
                "checkpoints": [
                    {"tokens": tokens, "worse": _short(worse), "drift": _short(drift)}
                    for tokens, worse, drift in zip(signal.tokens, signal.worse, signal.drift, strict=True)
                ],
            }
            for signal in track.signals
        ],
        "schedule": track.schedule,
        "events": [{"tokens": tokens, "what": what} for tokens, what in track.events.items()],
        "required": [requirement.to_json() for requirement in required],
        "tasks": [_task(series) for series in track.series],
        "record": track.record,
    }


def _task(one: SeriesTrack) -> dict[str, Any]:
    checkpoints = [
        {
            "step": int(one.step[place]) if np.isfinite(one.step[place]) else None,
            "tokens": float(one.tokens[place]),
            "observed": _short(one.observed[place]),
            "expected": _short(one.expected[place]),
            "deviation": _short(one.deviation[place]),
            "before_the_run": {**_interval(one.before, place), "deviation": _short(one.deviation_before[place])},
            "final": _interval(one.final, place + 1),
        }
        for place in range(one.tokens.size)
    ]
    return {
        "task": one.series.task,
        "metric": one.series.metric,
        "num_fewshot": one.series.num_fewshot,
        "chance": one.series.chance,
        "by_class": one.by_class,
        "final_before_the_run": _interval(one.final, 0),
        "final": _interval(one.final, -1),
        "checkpoints": checkpoints,
    }


def _interval(band: Band, place: int) -> dict[str, Any]:
    return {
        "median": _short(band.median[place]),
        "intervals": {
            level: [_short(band.lower[level][place]), _short(band.upper[level][place])] for level in band.lower
        },
    }


def _short(value: float | NDArray[np.float64]) -> float | None:
    """Round to significant digits; what is not finite has no place in JSON."""
    number = float(value)
    return float(f"{number:.{_DIGITS}g}") if math.isfinite(number) else None
