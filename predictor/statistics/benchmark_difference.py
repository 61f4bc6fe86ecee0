"""The differences of two sides on one benchmark, one for each measure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from predictor.results.scales import Scale
from predictor.results.series import LOSS_PREFIX, UNKNOWN_SHOTS, Series
from predictor.statistics.difference import (
    BETTER,
    UNCLEAR,
    WORSE,
    Discordant,
    Estimate,
    Seeds,
    bounds,
    from_scores,
    mcnemar,
    paired,
    unpaired,
)
from predictor.statistics.groups import Groups
from predictor.statistics.measures import INSTEAD, MEASURES, Measure
from predictor.statistics.pairs import ItemsOfSide, Pairs, items_of, pair_up
from predictor.statistics.sides import Side

# A mean over items and a reported score agree up to this: rounding of stored scores.
_AGREE = 1e-3


@dataclass(frozen=True)
class Setting:
    """How to compare.

    Attributes:
        measures: what is compared.
        level: of the intervals.
        groups: how items come in groups.
        detect: the difference for which the number of items is computed.
    """

    measures: tuple[str, ...]
    level: float
    groups: Groups
    detect: float


@dataclass(frozen=True)
class Difference:
    """A difference of two sides, candidate less baseline, in the measure's unit (shares in [0, 1]).

    Attributes:
        baseline: what the candidate is compared with.
        task: the benchmark, or `mean` over the suite.
        num_fewshot: examples in the prompt, or None.
        measure: what is compared, see `predictor.statistics.measures`.
        metric: the metric that is.
        higher_is_better: its direction.
        is_share: whether it is a share, to be shown in percent.
        a: score of the baseline, on the shared items.
        b: score of the candidate.
        difference: `b` less `a`.
        interval: of the true difference; NaN where no error is known.
        stderr: standard error.
        p_value: two-sided, of no difference.
        unpaired: the interval as if the sides had answered different items; None where `paired` is False.
        paired: whether the difference was taken item by item.
        items: shared items that both sides answered, or of the scores; None where that is not known.
        benchmarks: how many benchmarks it is the mean of.
        groups: independent groups of items; None where items count by themselves.
        grouped_by: what groups are.
        seeds: runs of the baseline and of the candidate.
        mcnemar: right and wrong answers, where the measure is that.
        detectable: smallest true difference that is found with a probability of 80%.
        items_needed: items that find `detect` with a probability of 80%; None where no number does.
        ungraded: shared items without a value: on the baseline, on the candidate.
        bounds: between which ends the difference lies whatever those items would have been; None without any.
        lacking: items that only the other side has: not on the baseline, not on the candidate.
        verdict: `better`, `worse` or `no difference seen`, after Holm's adjustment; empty where no error is known.
        holm: p-value adjusted by Holm.
        bh: p-value adjusted by Benjamini and Hochberg.
        estimate: the numbers behind it.
        apart: the same for `unpaired`, or None.
        notes: what to know of it; equal notes of several benchmarks are one.
    """

    baseline: str
    task: str
    num_fewshot: int | None
    measure: str
    metric: str
    higher_is_better: bool
    is_share: bool
    a: float
    b: float
    difference: float
    interval: tuple[float, float]
    stderr: float
    p_value: float
    unpaired: tuple[float, float] | None
    paired: bool
    items: int | None
    benchmarks: int
    groups: int | None
    grouped_by: str
    seeds: tuple[int, int]
    mcnemar: Discordant | None
    detectable: float
    items_needed: int | None
    ungraded: tuple[int, int]
    bounds: tuple[float, float] | None
    lacking: tuple[int, int]
    verdict: str
    holm: float
    bh: float
    estimate: Estimate
    apart: Estimate | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def label(self) -> str:
        """Name the benchmark, as `arc_easy (5-shot)`."""
        return Series(self.task, self.metric, self.num_fewshot).label

    def judged(self, p_value: float, level: float) -> Difference:
        """Return the difference with its verdict by a p-value."""
        if math.isnan(p_value):
            return replace(self, verdict="")
        if p_value > 1 - level:
            return replace(self, verdict=UNCLEAR)
        rises = self.difference > 0 if self.difference else self.estimate.shift > 0
        return replace(self, verdict=BETTER if rises == self.higher_is_better else WORSE)


@dataclass(frozen=True)
class _Scored:
    """What a metric is called and how it is read."""

    task: str
    num_fewshot: int
    measure: Measure
    metric: str
    scale: Scale | None

    @property
    def is_share(self) -> bool:
        by_measure = self.measure.name == "probability"
        return by_measure or (self.measure.name == "score" and self.scale is not None and self.scale.is_share)

    @property
    def higher_is_better(self) -> bool:
        if self.measure.name == "score" and self.scale is not None:
            return self.scale.higher_is_better
        return self.measure.higher_is_better


def differences_of(
    a: Side, b: Side, task: str, num_fewshot: int, setting: Setting, left_out: dict[str, str]
) -> list[Difference]:
    """Compare two sides on one benchmark by every measure that both have.

    Args:
        a: the baseline.
        b: the candidate.
        task: the benchmark.
        num_fewshot: examples in the prompt, as `predictor.results.series.fill_shots` writes it.
        setting: how to compare.
        left_out: takes the benchmark with the reason where nothing of it can be compared.
    """
    items = items_of(a, task, num_fewshot), items_of(b, task, num_fewshot)
    found: list[Difference] = []
    for name in setting.measures:
        for tried in (name, INSTEAD.get(name)):
            row = _by_measure(a, b, items, _scored(a, task, num_fewshot, tried), setting) if tried else None
            if row is not None:
                # A measure that stands in for another is compared with those of its kind.
                found.append(replace(row, measure=name))
                break
    if not found:
        left_out[Series(task, "", None if num_fewshot == UNKNOWN_SHOTS else num_fewshot).label] = (
            f"neither items nor scores of both sides by {', '.join(setting.measures)}"
        )
    return found


def _scored(a: Side, task: str, num_fewshot: int, name: str) -> _Scored:
    measure = MEASURES[name]
    info = a.results.tasks.get(task)
    metric = info.metric if name == "score" and info is not None else name
    return _Scored(task, num_fewshot, measure, metric, info.scale if info is not None else None)


def _by_measure(
    a: Side, b: Side, items: tuple[ItemsOfSide | None, ItemsOfSide | None], scored: _Scored, setting: Setting
) -> Difference | None:
    if scored.measure.name == "score" and (scored.scale is None or scored.task.startswith(LOSS_PREFIX)):
        return None
    left, right = items
    other = b.results.tasks.get(scored.task)
    if scored.measure.name == "score" and other is not None and other.metric != scored.metric:
        # Items are graded by the headline metric of their own store.
        row = _of_scores(a, b, scored, setting)
        note = f"graded by {scored.metric} on one side and {other.metric} on the other: compared by {scored.metric}"
        return None if row is None else replace(row, notes=(note, *row.notes))
    if left is not None and right is not None:
        pairs = pair_up(left, right, scored.measure.of_items, scored.task, setting.groups.rule)
        if pairs is not None:
            return _of_items(a, b, pairs, scored, setting)
    return _of_scores(a, b, scored, setting)


def _of_items(a: Side, b: Side, pairs: Pairs, scored: _Scored, setting: Setting) -> Difference:
    pairs = _as_reported(a, b, pairs, scored) if scored.measure.name == "score" else pairs
    estimate, apart = paired(pairs), unpaired(pairs)
    count = pairs.weights.size
    row = _row(a, scored, estimate, setting, count)
    groups = None if pairs.groups is None else int(np.unique(pairs.groups).size)
    graded = bounds(pairs) if sum(pairs.ungraded) and scored.is_share else None
    return replace(
        row,
        unpaired=apart.interval(setting.level),
        apart=apart,
        paired=True,
        groups=groups,
        grouped_by=pairs.grouped_by,
        mcnemar=mcnemar(pairs) if scored.measure.name == "score" else None,
        ungraded=pairs.ungraded,
        bounds=graded,
        lacking=pairs.lacking,
        notes=(*pairs.notes, *_further_notes(pairs)),
    )


def _further_notes(pairs: Pairs) -> list[str]:
    notes = []
    if any(pairs.lacking):
        notes.append(f"compared on the items of both; {max(pairs.lacking)} items were scored on one side only")
    if any(pairs.ungraded):
        notes.append(f"{pairs.ungraded[0]} and {pairs.ungraded[1]} shared items were not graded and are left out")
    return notes


def _as_reported(a: Side, b: Side, pairs: Pairs, scored: _Scored) -> Pairs:
    """Weigh items so that their mean is the reported score: all alike, or every sub-task alike; else say so."""
    whole = not any((*pairs.ungraded, *pairs.lacking, pairs.changed))
    reported = [_scores(side, scored, scored.metric) for side in (a, b)]
    if not whole or any(values is None for values in reported):
        return pairs
    _, place, sizes = np.unique(pairs.subjects, return_inverse=True, return_counts=True)
    for weights in (pairs.weights, 1 / sizes[place]):
        means = [values @ weights / weights.sum() for values in (pairs.a, pairs.b)]
        if all(np.allclose(np.sort(m), np.sort(r[0]), atol=_AGREE) for m, r in zip(means, reported, strict=True) if r):
            return replace(pairs, weights=weights)
    note = f"the mean over items is not the reported {scored.metric}: the difference is that of the items' mean"
    return replace(pairs, notes=(*pairs.notes, note))


def _scores(side: Side, scored: _Scored, metric: str) -> tuple[np.ndarray, np.ndarray, int | None, bool] | None:
    """Read the scores of a side's runs: values, standard errors, items, and whether an error was derived."""
    rows = side.rows
    rows = rows[
        (rows["task"] == scored.task) & (rows["num_fewshot"] == scored.num_fewshot) & (rows["metric"] == metric)
    ]
    rows = rows.drop_duplicates("run", keep="last")
    if set(rows["run"]) != set(side.runs):
        return None
    values, errors = rows["value"].to_numpy(float), rows["stderr"].to_numpy(float)
    info = side.results.tasks.get(scored.task)
    counts = rows["n_items"].dropna()
    count = int(counts.min()) if len(counts) else info.n_items if info is not None else None
    derived = bool(np.isnan(errors).any()) and scored.measure.name == "score" and scored.is_share and count is not None
    if derived:
        errors = np.where(np.isnan(errors), np.sqrt(values * (1 - values) / count), errors)
    return values, errors, count, derived


def _of_scores(a: Side, b: Side, scored: _Scored, setting: Setting) -> Difference | None:
    names = (scored.metric,) if scored.measure.name == "score" else scored.measure.of_tables
    for metric in names:
        left, right = _scores(a, scored, metric), _scores(b, scored, metric)
        if left is not None and right is not None:
            variance = float(np.mean(left[1] ** 2) + np.mean(right[1] ** 2))
            estimate = from_scores(Seeds(tuple(left[0].tolist())), Seeds(tuple(right[0].tolist())), variance)
            counts = [count for count in (left[2], right[2]) if count is not None]
            row = _row(a, replace(scored, metric=metric), estimate, setting, min(counts) if counts else None)
            error = "no standard error is known" if math.isnan(variance) else "the interval adds the standard errors"
            derived = " (of the number of items, as none are stated)" if left[3] or right[3] else ""
            return replace(row, notes=(f"without items {error}{derived}",))
    return None


def _row(a: Side, scored: _Scored, estimate: Estimate, setting: Setting, count: int | None) -> Difference:
    nothing = math.nan
    known = not math.isnan(estimate.items[0])
    shots = None if scored.num_fewshot == UNKNOWN_SHOTS else scored.num_fewshot
    return Difference(
        baseline=a.label,
        task=scored.task,
        num_fewshot=shots,
        measure=scored.measure.name,
        metric=scored.metric,
        higher_is_better=scored.higher_is_better,
        is_share=scored.is_share,
        a=float(np.mean(estimate.a.means)),
        b=float(np.mean(estimate.b.means)),
        difference=estimate.value,
        interval=estimate.interval(setting.level) if known else (nothing, nothing),
        stderr=estimate.stderr if known else nothing,
        p_value=estimate.p_value(),
        unpaired=None,
        paired=False,
        items=count,
        benchmarks=1,
        groups=None,
        grouped_by="",
        seeds=(len(estimate.a.means), len(estimate.b.means)),
        mcnemar=None,
        detectable=estimate.detectable(setting.level) if known else nothing,
        items_needed=estimate.items_for(setting.detect, count, setting.level) if known and count else None,
        ungraded=(0, 0),
        bounds=None,
        lacking=(0, 0),
        verdict="",
        holm=nothing,
        bh=nothing,
        estimate=estimate,
    )
