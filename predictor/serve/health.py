"""What machines ask a server: whether it is well, and its numbers for Prometheus."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from predictor.serve.source import Source

if TYPE_CHECKING:
    from prometheus_client.core import Metric

_LATE = 12.0
"""Looks that may be missed before the server counts as unwell."""
_LEAST = 60.0


def is_well(source: Source) -> tuple[bool, str]:
    """Return whether the results are read in time, with one word on it."""
    facts = source.facts
    if facts.trouble is not None:
        return False, "unreadable"
    if not facts.complete:
        return True, "reading"
    late = time.time() - facts.read_at > max(_LEAST, _LATE * source.every)
    return not late, "late" if late else "ok"


def metrics_text(source: Source) -> str:
    """Return the server's numbers in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest

    registry = CollectorRegistry()
    registry.register(_Numbers(source))
    return generate_latest(registry).decode()


class _Numbers:
    """Collects the numbers when they are asked for."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def collect(self) -> Iterator[Metric]:
        """Yield one metric after the other."""
        from prometheus_client.core import GaugeMetricFamily

        facts, progress = self._source.facts, self._source.progress()
        pairs = GaugeMetricFamily("predictor_pairs", "Pairs of checkpoint and task by state.", labels=["run", "state"])
        for run, states in progress.by_run.items():
            for state, number in states.items():
                pairs.add_metric([run, state], number)
        yield pairs
        (scores,) = self._source.summary.rows("SELECT count(*) FROM scores")[0]
        for name, what, value in (
            ("predictor_scores", "Headline scores and held-out losses that are shown.", scores),
            ("predictor_runs", "Runs that are shown.", len(self._source.summary.runs())),
            ("predictor_files", "Result files that are there.", facts.files),
            ("predictor_files_read", "Result files that were read.", facts.files_read),
            ("predictor_last_read_timestamp_seconds", "When the results were last read.", facts.read_at),
            ("predictor_results_readable", "1 where the results can be read, else 0.", int(facts.trouble is None)),
            ("predictor_progress_known", "1 where the progress is known, else 0.", int(progress.trouble is None)),
        ):
            yield GaugeMetricFamily(name, what, value=float(value))
