"""What the records of a store's `forecasts/` say: forecasts that were registered, and what became of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from predictor.errors import StoreError, UnknownNameError
from predictor.forecasting.target import Forecast
from predictor.places import is_local
from predictor.quantity import format_quantity
from predictor.results.chain import Chain
from predictor.results.chain_records import Record, State
from predictor.results.layout import FORECASTS
from predictor.results.series import Series

FORECAST, RESOLUTION = "forecast", "resolution"


@dataclass(frozen=True)
class Registration:
    """A forecast that was written down before its target was scored.

    Attributes:
        number: its place in the chain.
        sha256: hash of its record.
        time: when it was registered, UTC in ISO 8601.
        name: what it is called; a later forecast of the same target may have the same name.
        who: who asked.
        note: anything, or empty.
        run: name of the run that will be the target, or None where any run of that size and length is.
        forecast: the forecast with the record of how it was made.
        quantiles: benchmark -> quantiles of its distribution; the mean under its name.
        late: benchmarks of the target that had been scored already, which count for no record.
    """

    number: int
    sha256: str
    time: str
    name: str
    who: str
    note: str
    run: str | None
    forecast: Forecast
    quantiles: dict[str, dict[str, float]]
    late: tuple[Series, ...]

    @property
    def label(self) -> str:
        """Name and number, as `base-7b (#3)`."""
        return f"{self.name} (#{self.number})"

    @property
    def ratio(self) -> float:
        """Compute of the target over that of the largest run."""
        return float(self.forecast.record["compute_ratio"])

    def is_of(self, other: Forecast) -> bool:
        """Return whether another forecast is of the same target, what its recipe states and its axis included."""
        return _target_of(self.forecast) == _target_of(other)

    @classmethod
    def of(cls, record: Record) -> Registration:
        """Read a record of the chain."""
        body = record.body
        return cls(
            number=record.number,
            sha256=record.sha256,
            time=record.time,
            name=body["name"],
            who=body["who"],
            note=body["note"],
            run=body["run"],
            forecast=Forecast.from_json(body["forecast"]),
            quantiles=body["quantiles"],
            late=tuple(Series(**series) for series in body["late"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return what `registered list --json` says of it; the forecast itself is in `registered show --json`."""
        target = self.forecast.target
        mean = self.forecast.mean
        return {
            "number": self.number,
            "sha256": self.sha256,
            "time": self.time,
            "name": self.name,
            "who": self.who,
            "note": self.note,
            "run": self.run,
            "target": {"params": target.params, "tokens": target.tokens, "family": target.family},
            "benchmarks": len(self.forecast.forecasts),
            "mean": mean and {"median": mean.median, "intervals": {k: list(v) for k, v in mean.intervals.items()}},
            "late": [series.label for series in self.late],
        }


def _target_of(forecast: Forecast) -> tuple[Any, ...]:
    record = forecast.record
    corrected = sorted(str(correction["name"]) for correction in record.get("recipe", {}).get("corrections", ()))
    return forecast.target, corrected, record.get("axis")


@dataclass(frozen=True)
class Outcome:
    """One benchmark of a registered forecast beside what was measured, in the metric's own unit.

    Attributes:
        series: the benchmark.
        truth: the target's score.
        stderr: standard error of that score.
        median: the forecast.
        inside: level -> whether its interval holds the score.
        interval_score: level -> the interval score.
        percentile: of the score in the forecast's distribution.
        grade: of the forecast.
        late: whether the score was there before the forecast was registered.
    """

    series: Series
    truth: float
    stderr: float
    median: float
    inside: dict[str, bool]
    interval_score: dict[str, float]
    percentile: float
    grade: str
    late: bool

    @property
    def error(self) -> float:
        """The forecast less the score."""
        return self.median - self.truth

    def to_json(self) -> dict[str, Any]:
        """Return an entry of `benchmarks` of a resolution."""
        named = {"task": self.series.task, "metric": self.series.metric, "num_fewshot": self.series.num_fewshot}
        values = {name: value for name, value in vars(self).items() if name != "series"}
        return {**named, **values, "error": self.error}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Outcome:
        """Read what `to_json` wrote."""
        series = Series(value["task"], value["metric"], value["num_fewshot"])
        rest = {name: value[name] for name in cls.__dataclass_fields__ if name != "series"}
        return cls(series=series, **rest)


@dataclass(frozen=True)
class Resolution:
    """What was measured of a registered forecast's target.

    Attributes:
        number: its place in the chain.
        time: when it was resolved.
        registration: number of the forecast.
        run: the run that is the target.
        params: of that run.
        tokens: that it was trained on.
        outcomes: the benchmarks that were scored since the forecast's last resolution.
        again: whether it takes the place of earlier outcomes, of scores that were wrong.
        mean: the mean over all benchmarks that were scored until now beside its forecast, or None.
        joint: how far out the errors lie together, see `distribution.joint_percentile`; None for fewer than two.
        notes: what a reader should know of the truth.
    """

    number: int
    time: str
    registration: int
    run: str
    params: float
    tokens: float
    outcomes: tuple[Outcome, ...]
    again: bool
    mean: dict[str, Any] | None
    joint: float | None
    notes: tuple[str, ...]

    @classmethod
    def of(cls, record: Record) -> Resolution:
        """Read a record of the chain."""
        body = record.body
        return cls(
            number=record.number,
            time=record.time,
            registration=body["registration"],
            run=body["run"],
            params=body["params"],
            tokens=body["tokens"],
            outcomes=tuple(Outcome.from_json(value) for value in body["benchmarks"]),
            again=bool(body["again"]),
            mean=body["mean"],
            joint=body["joint"],
            notes=tuple(body["notes"]),
        )

    def to_json(self) -> dict[str, Any]:
        """Return the object of `resolve --json`."""
        values = {name: value for name, value in vars(self).items() if name not in ("outcomes", "notes")}
        return {**values, "benchmarks": [found.to_json() for found in self.outcomes], "notes": list(self.notes)}


@dataclass(frozen=True)
class Entries:
    """All records of a chain.

    Attributes:
        registrations: the forecasts, oldest first.
        resolutions: what became of them, oldest first.
        faults: (file, what is wrong with it) of records that are not as they were written.
    """

    registrations: tuple[Registration, ...]
    resolutions: tuple[Resolution, ...]
    faults: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, records: Sequence[Record], faults: Sequence[tuple[str, str]] = ()) -> Entries:
        """Read the records of a chain.

        Raises:
            StoreError: one is of another version.
        """
        try:
            return cls(
                tuple(Registration.of(record) for record in records if record.kind == FORECAST),
                tuple(Resolution.of(record) for record in records if record.kind == RESOLUTION),
                tuple(faults),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise StoreError(f"a registered forecast is of another version ({error!r})", "update predictor") from None

    def find(self, name: str) -> Registration:
        """Return a forecast by its number, as `3` or `#3`, or the newest one of a name.

        Raises:
            UnknownNameError: there is none.
        """
        number = name.removeprefix("#")
        found = [
            entry
            for entry in self.registrations
            if entry.name == name or (number.isdecimal() and entry.number == int(number))
        ]
        if not found:
            raise UnknownNameError("registered forecast", name, (entry.name for entry in self.registrations))
        return found[-1]

    def latest_of(self, forecast: Forecast) -> Registration | None:
        """Return the newest registered forecast of the same target, or None."""
        return next((entry for entry in reversed(self.registrations) if entry.is_of(forecast)), None)

    def resolutions_of(self, entry: Registration) -> tuple[Resolution, ...]:
        """Return what became of a forecast, oldest first."""
        return tuple(found for found in self.resolutions if found.registration == entry.number)

    def outcomes_of(self, entry: Registration) -> dict[Series, Outcome]:
        """Return the benchmarks of a forecast that were resolved."""
        found: dict[Series, Outcome] = {}
        for resolution in self.resolutions_of(entry):
            for outcome in resolution.outcomes:
                # What was resolved first stays, unless it was said to be wrong.
                if resolution.again or outcome.series not in found:
                    found[outcome.series] = outcome
        return found

    def is_open(self, entry: Registration) -> bool:
        """Return whether a benchmark of a forecast waits for its score."""
        return len(self.outcomes_of(entry)) < len(entry.forecast.forecasts)


def chain_of(store: Path) -> Chain:
    """Return the chain of records in a store."""
    return Chain(store / FORECASTS)


def read_entries(store: Path) -> Entries:
    """Read the registered forecasts of a store; there are none in one without the folder.

    Raises:
        StoreError: the store does not exist, or they cannot be read.
    """
    if is_local(store) and not store.is_dir():
        raise StoreError(f"the store {store} does not exist", "name the folder that 'predictor evaluate' writes")
    state: State = chain_of(store).read()
    return Entries.of(state.records, state.faults)


def describe(forecast: Forecast) -> str:
    """Name a target, as `pythia 6.9B on 300B tokens`."""
    target = forecast.target
    return f"{target.family} {format_quantity(target.params)} on {format_quantity(target.tokens)} tokens"
