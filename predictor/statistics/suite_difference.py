"""The mean difference over the benchmarks of a suite."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from predictor.benchmarks import known_benchmark, parts_of
from predictor.results.series import LOSS_PREFIX
from predictor.statistics.benchmark_difference import Difference, Setting
from predictor.statistics.difference import average

MEAN = "mean"


def suite_difference(rows: Sequence[Difference], setting: Setting) -> Difference | None:
    """Average the differences of one measure over its benchmarks; None where there are fewer than two.

    Every benchmark counts alike. Held-out texts, metrics that are no shares, benchmarks without a known error, further
    numbers of examples of one task, and parts of a group that is there itself do not count; the notes list them.

    Args:
        rows: differences of one baseline by one measure.
        setting: how they were made.
    """
    own = [row for row in rows if not row.task.startswith(LOSS_PREFIX)]
    members = _members(own)
    if len(members) < 2:
        return None
    left = sorted({row.label for row in own} - {row.label for row in members})
    estimate = average([row.estimate for row in members])
    apart = [row.apart or row.estimate for row in members]
    whole = all(row.paired for row in members)
    unpaired = average(apart).interval(setting.level) if any(row.paired for row in members) else None
    ends = [row.bounds or (row.difference, row.difference) for row in members]
    bounds = (sum(low for low, _ in ends) / len(ends), sum(high for _, high in ends) / len(ends))
    first = members[0]
    metrics = {row.metric for row in members}
    mean = replace(
        first,
        task=MEAN,
        num_fewshot=None,
        metric=metrics.pop() if len(metrics) == 1 else first.measure,
        a=sum(row.a for row in members) / len(members),
        b=sum(row.b for row in members) / len(members),
        difference=estimate.value,
        interval=estimate.interval(setting.level),
        stderr=estimate.stderr,
        p_value=estimate.p_value(),
        unpaired=unpaired,
        paired=whole,
        items=sum(row.items or 0 for row in members) or None,
        benchmarks=len(members),
        groups=None,
        grouped_by="",
        mcnemar=None,
        detectable=estimate.detectable(setting.level),
        items_needed=_items_needed(members, setting),
        ungraded=(sum(row.ungraded[0] for row in members), sum(row.ungraded[1] for row in members)),
        bounds=bounds if any(row.bounds for row in members) else None,
        lacking=(sum(row.lacking[0] for row in members), sum(row.lacking[1] for row in members)),
        holm=math.nan,
        bh=math.nan,
        estimate=estimate,
        apart=None,
        notes=(f"not in the mean of {first.measure}: {', '.join(left)}",) if left else (),
    )
    return mean.judged(mean.p_value, setting.level)


def _items_needed(members: Sequence[Difference], setting: Setting) -> int | None:
    """Compute how many items in all find the difference, each benchmark's grown by the same factor."""
    count = sum(row.items or 0 for row in members)
    return average([row.estimate for row in members]).items_for(setting.detect, count, setting.level) if count else None


def _members(rows: Sequence[Difference]) -> list[Difference]:
    share = rows[0].measure == "score" if rows else False
    usable = [row for row in rows if not math.isnan(row.estimate.items[0]) and (row.is_share or not share)]
    if not share and usable:
        # Bits per byte and nats have no common mean: the metric of the most benchmarks is taken.
        metric = Counter(row.metric for row in usable).most_common(1)[0][0]
        usable = [row for row in usable if row.metric == metric]
    seeds = Counter(row.seeds for row in usable).most_common(1)
    usable = [row for row in usable if row.seeds == seeds[0][0]]
    known = {row.task: known_benchmark(row.task) for row in usable}
    parts = {part.name for benchmark in known.values() if benchmark for part in parts_of(benchmark.name)}
    first: dict[str, Difference] = {}
    for row in usable:
        benchmark = known[row.task]
        if benchmark is None or benchmark.name not in parts:
            first.setdefault(row.task, row)
    return list(first.values())
