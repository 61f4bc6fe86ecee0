"""The track record of a team: how right its registered forecasts were, over all that were resolved."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from predictor.forecasting.mean import SharedErrors
from predictor.forecasting.register.check import Check, check_intervals
from predictor.forecasting.register.entries import Entries, Outcome, Registration
from predictor.forecasting.track_record import COMBINATION, HeldOutForecast, TrackRecord

# Levels of the calibration curve.
CURVE = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95)
# Groups of forecasts by their stated width, each of about as many.
_GROUPS = 4
_FEWEST_IN_GROUP = 5
# Half of the width of a normal distribution's central 80%, in standard deviations, and its mean absolute deviation.
_HALF_80, _MEAN_DEVIATION = 1.2816, float(np.sqrt(2 / np.pi))


@dataclass(frozen=True)
class TeamRecord:
    """What became of registered forecasts.

    Attributes:
        entries: all registered forecasts and resolutions.
        judged: each forecast of a benchmark that was resolved and not late, with its outcome.
    """

    entries: Entries
    judged: tuple[tuple[Registration, Outcome], ...]

    @property
    def registered(self) -> int:
        """Number of registered forecasts."""
        return len(self.entries.registrations)

    @property
    def resolved(self) -> int:
        """Number of registered forecasts of which a benchmark was judged."""
        return len({entry.number for entry, _ in self.judged})

    @property
    def targets(self) -> int:
        """Number of different models among them: forecasts of one model share its truth."""
        return len({entry.forecast.target for entry, _ in self.judged})

    @property
    def waiting(self) -> int:
        """Number of registered forecasts of which a benchmark waits for its score."""
        return sum(self.entries.is_open(entry) for entry in self.entries.registrations)

    @property
    def late(self) -> int:
        """Number of forecasts of benchmarks that were scored before, and do not count."""
        return sum(
            outcome.late for entry in self.entries.registrations for outcome in self.entries.outcomes_of(entry).values()
        )

    @cached_property
    def track(self) -> TrackRecord:
        """The judged forecasts as a backtest has them; `hold_out` is the number of the registered forecast."""
        held_out = []
        for entry, outcome in self.judged:
            answer = next(found for found in entry.forecast.forecasts if found.series == outcome.series)
            shared = SharedErrors.in_record(entry.forecast.record)
            held_out.append(
                HeldOutForecast(entry.number, entry.name, entry.ratio, outcome.truth, outcome.stderr, answer, shared)
            )
        families = dict.fromkeys(entry.forecast.target.family for entry, _ in self.judged)
        return TrackRecord(", ".join(families), tuple(held_out), {})

    @cached_property
    def frame(self) -> pd.DataFrame:
        """Errors in shares, one row per judged forecast, as of `TrackRecord.frame`, with its percentile."""
        return self.track.frame().assign(percentile=[outcome.percentile for _, outcome in self.judged])

    def to_frame(self) -> pd.DataFrame:
        """Return the judged forecasts, one row for each benchmark: errors, coverage and percentile, in shares."""
        return self.frame.rename(columns={"hold_out": "number", "run": "name"}) if self.judged else pd.DataFrame()

    def calibration(self) -> list[dict[str, float]]:
        """Return the calibration curve: level of a central interval -> share of the scores that lay inside."""
        distance = np.abs(2 * self.frame["percentile"].to_numpy(float) - 1)
        # Both are rounded somewhere: an end of an interval belongs to it.
        return [{"level": level, "inside": float((distance <= level + 1e-9).mean())} for level in CURVE]

    def by_width(self) -> list[dict[str, float]]:
        """Compare errors with the stated width, in groups from the narrowest to the widest forecasts, in shares.

        `expected` is the mean absolute error of a normal distribution with the stated 80% intervals.
        """
        order = self.frame.sort_values("width80", kind="stable")
        groups = min(_GROUPS, max(1, len(order) // _FEWEST_IN_GROUP))
        answers = []
        for place in np.array_split(np.arange(len(order)), groups):
            rows = order.iloc[place]
            half = float(rows["width80"].mean()) / 2
            answers.append(
                {
                    "forecasts": len(rows),
                    "half_width": half,
                    "expected": half / _HALF_80 * _MEAN_DEVIATION,
                    "error": float(rows[COMBINATION].mean()),
                    "inside80": float(rows["inside80"].mean()),
                }
            )
        return answers

    def by_grade(self) -> list[dict[str, Any]]:
        """Summarise by grade, A first."""
        return [_summary({"grade": grade}, rows) for grade, rows in self.frame.groupby("grade", sort=True)]

    def by_task(self) -> list[dict[str, Any]]:
        """Summarise by benchmark, in the order in which they were forecast."""
        measured = [outcome.series for _, outcome in self.judged]
        return [
            _summary(
                {"task": series.task, "metric": series.metric, "num_fewshot": series.num_fewshot},
                self.frame[[other == series for other in measured]],
            )
            for series in dict.fromkeys(measured)
        ]

    def by_distance(self) -> list[dict[str, Any]]:
        """Summarise by band of distance, nearest first, and over all of them (`band` is then `all`)."""
        frame = self.frame
        bands = dict.fromkeys(found["band"] for found in self.track.by_distance())
        return [_summary({"band": band}, frame if band == "all" else frame[frame["band"] == band]) for band in bands]

    def joint(self) -> dict[str, float] | None:
        """Summarise how far out the errors of one model lay together; None where no forecast has two benchmarks.

        `inside80` is the share of models within the central 80% of their joint distribution.
        """
        numbers = {entry.number for entry, _ in self.judged}
        last = {found.registration: found.joint for found in self.entries.resolutions if found.registration in numbers}
        known = [value for value in last.values() if value is not None]
        if not known:
            return None
        return {
            "forecasts": len(known),
            "inside80": float(np.mean(np.array(known) <= 0.8)),
            "mean": float(np.mean(known)),
        }

    def check(self) -> Check:
        """Judge whether the intervals hold as often as they say."""
        return check_intervals([(entry.forecast, outcome) for entry, outcome in self.judged])

    def to_json(self) -> dict[str, Any]:
        """Return the object of `record --json`; errors and widths are shares."""
        counts = {name: getattr(self, name) for name in ("registered", "resolved", "targets", "waiting", "late")}
        faults = [{"file": file, "what": what} for file, what in self.entries.faults]
        if not self.judged:
            return {**counts, "forecasts": 0, "faults": faults}
        return {
            **counts,
            "forecasts": len(self.judged),
            "faults": faults,
            "check": self.check().to_json(),
            "calibration": self.calibration(),
            "by_width": self.by_width(),
            "by_distance": self.by_distance(),
            "by_grade": self.by_grade(),
            "by_task": self.by_task(),
            "mean": self.track.of_means(),
            "joint": self.joint(),
        }


def team_record(entries: Entries) -> TeamRecord:
    """Collect the registered forecasts that were resolved.

    Benchmarks whose scores were there before the forecast was registered are left out.

    Args:
        entries: the records of a store, from `read_entries`.
    """
    judged = [
        (entry, outcome)
        for entry in entries.registrations
        for outcome in entries.outcomes_of(entry).values()
        if not outcome.late
    ]
    return TeamRecord(entries, tuple(judged))


def _summary(key: dict[str, Any], rows: pd.DataFrame) -> dict[str, Any]:
    return {
        **key,
        "forecasts": len(rows),
        "error": float(rows[COMBINATION].mean()),
        "noise_floor": float(rows["noise_floor"].mean()),
        "coverage": {level: float(rows[f"inside{level}"].mean()) for level in ("80", "95")},
        "width": {level: float(rows[f"width{level}"].mean()) for level in ("80", "95")},
    }
