"""The team's track record as a page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from predictor.forecasting.register import TeamRecord
from predictor.forecasting.register.check import FEW
from predictor.report.figures.record import calibration_figure, width_figure
from predictor.results.series import Series


@dataclass(frozen=True)
class Team:
    """What became of registered forecasts, ready to be shown.

    Attributes:
        registered: number of registered forecasts.
        resolved: number of those of which a benchmark was judged.
        waiting: number of those of which a benchmark waits for its score.
        targets: number of different models that were judged.
        late: number of scores that were known before and do not count.
        faults: (file, what is wrong with it) of records that were changed or removed.
        sentence: whether intervals held, in one sentence.
        verdict: of that sentence, as `hold`.
        groups: heading -> a row for each group of forecasts, with its `name`.
        widths: errors beside the stated width, from the narrowest to the widest forecasts.
        mean: the same of means over benchmarks, or None.
        joint: how far out all errors of a model lie together, or None.
        figures: name -> plotly figure; empty where nothing was resolved.
    """

    registered: int
    resolved: int
    waiting: int
    targets: int
    late: int
    faults: tuple[tuple[str, str], ...]
    sentence: str
    verdict: str
    groups: dict[str, list[dict[str, Any]]]
    widths: list[dict[str, float]]
    mean: dict[str, Any] | None
    joint: dict[str, float] | None
    figures: dict[str, dict[str, Any]]

    @property
    def is_judged(self) -> bool:
        """Whether enough forecasts were resolved to judge the intervals."""
        return self.verdict != FEW


def describe_team(record: TeamRecord) -> Team:
    """Collect what a page shows of a track record."""
    check, some = record.check(), bool(record.judged)
    widths = record.by_width() if some else []
    figures = {}
    if some:
        figures = {
            "record-calibration": calibration_figure(record.calibration(), len(record.judged)),
            "record-width": width_figure(widths),
        }
    return Team(
        registered=record.registered,
        resolved=record.resolved,
        waiting=record.waiting,
        targets=record.targets,
        late=record.late,
        faults=record.entries.faults,
        sentence=check.sentence,
        verdict=check.verdict,
        groups=_groups(record) if some else {},
        widths=widths,
        mean=record.track.of_means() if some else None,
        joint=record.joint() if some else None,
        figures=figures,
    )


def _groups(record: TeamRecord) -> dict[str, list[dict[str, Any]]]:
    return {
        "Distance": [{**row, "name": row["band"]} for row in record.by_distance()],
        "Grade": [{**row, "name": row["grade"]} for row in record.by_grade()],
        "Benchmark": [
            {**row, "name": Series(row["task"], row["metric"], row["num_fewshot"]).label} for row in record.by_task()
        ],
    }
