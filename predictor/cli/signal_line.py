"""One line on whether a benchmark tells the runs apart, for commands that build on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from predictor.errors import PredictorError

if TYPE_CHECKING:
    from predictor.results import Results
    from predictor.statistics import SeriesSignal


def signal_of(results: Results, task: str, num_fewshot: int | None = None) -> SeriesSignal | None:
    """Judge one benchmark as `predictor signal` does; None where there are too few runs."""
    from predictor.statistics import signal

    try:
        best = signal(results, tasks=[task]).best()
    except PredictorError:
        return None
    own = [one for one in best if num_fewshot is None or one.num_fewshot in (None, num_fewshot)]
    return own[0] if own else None


def signal_line(found: SeriesSignal) -> str:
    """Write the judgement, as `signal: use acc, 94% of pairs of recipes keep their order when measured again`."""
    return f"signal: {found.verdict} {found.metric}, {found.reason}"
