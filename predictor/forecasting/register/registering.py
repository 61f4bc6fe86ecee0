"""Write a forecast down before its target is scored."""

from __future__ import annotations

import getpass
import platform
import socket
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from predictor.errors import ForecastError, InputError
from predictor.forecasting.mean import SharedErrors
from predictor.forecasting.register.distribution import quantiles_of
from predictor.forecasting.register.entries import FORECAST, Entries, Registration, chain_of, describe
from predictor.forecasting.register.truth import find_truth
from predictor.forecasting.target import Forecast
from predictor.quantity import shorten
from predictor.redaction import redact
from predictor.results import Results
from predictor.results.chain_records import Record
from predictor.results.series import Series

_PACKAGES = ("numpy", "pandas", "scipy", "pyarrow")
_LONGEST = 100


def check_name(name: str) -> str:
    """Return the name of a forecast that is to be registered.

    Raises:
        InputError: it is empty, too long, or could be taken for the number of a record.
    """
    plain = name.strip()
    if not plain or len(plain) > _LONGEST or not plain.isprintable() or plain.removeprefix("#").isdecimal():
        raise InputError(
            f"'{shorten(name)}' cannot be the name of a forecast",
            f"give up to {_LONGEST} printable characters that are no number, as base-7b",
        )
    return plain


def check_target_of(entries: Entries, name: str, forecast: Forecast) -> None:
    """See that a name is new, or that of earlier forecasts of the same target.

    Raises:
        InputError: it is that of another target.
    """
    taken = next((entry for entry in entries.registrations if entry.name == name and not entry.is_of(forecast)), None)
    if taken is not None:
        raise InputError(
            f"'{name}' is registered as a forecast of {describe(taken.forecast)}, this one is of {describe(forecast)}",
            "register it under another name",
        )


def register(
    store: Path,
    forecast: Forecast,
    name: str,
    *,
    note: str = "",
    by: str | None = None,
    run: str | None = None,
    scores: Results | None = None,
    command: str = "",
) -> Registration:
    """Add a forecast to the registered ones of a store; it is never changed afterwards.

    Args:
        store: where the records are, local or on an object store.
        forecast: the forecast.
        name: what to call it; a later forecast of the same target may take the same name.
        note: anything that a reader should know.
        by: who asked; this user on this machine where None.
        run: name of the run that will be the target, where it is known.
        scores: all scores that are known now, those of the target too: what was scored already is marked, and does not
            count for the record.
        command: what was called.

    Raises:
        InputError: the name cannot be used, or is that of another target.
        StoreError: the store cannot be written, or its last record was changed.
    """
    name = check_name(name)
    body = {
        "name": name,
        "who": redact(by or _me()),
        "note": redact(note),
        "run": run,
        "late": [vars(series) for series in _scored_already(scores, forecast, run)],
        "forecast": forecast.to_json(),
        "quantiles": _quantiles(forecast),
        "joint": {
            "kind": "normal scores of the benchmarks, equally correlated",
            **SharedErrors.in_record(forecast.record).to_json(),
        },
        "versions": _versions(),
        "command": redact(command),
    }

    def build(records: Sequence[Record]) -> dict[str, Any]:
        check_target_of(Entries.of(records), name, forecast)
        return body

    record = chain_of(store).append(FORECAST, build)
    assert record is not None
    return Registration.of(record)


def _quantiles(forecast: Forecast) -> dict[str, dict[str, float]]:
    found = {answer.series.label: quantiles_of(answer.median, answer.intervals) for answer in forecast.forecasts}
    if forecast.mean is not None:
        found[forecast.mean.name] = quantiles_of(forecast.mean.median, forecast.mean.intervals)
    return found


def _scored_already(scores: Results | None, forecast: Forecast, run: str | None) -> list[Series]:
    if scores is None:
        return []
    try:
        truth = find_truth(scores, forecast, run)
    except ForecastError:
        return []
    return [] if isinstance(truth, str) else list(truth.scores)


def _me() -> str:
    try:
        return f"{getpass.getuser()}@{socket.gethostname()}"
    except (KeyError, OSError):
        # A container may run as a number without a name.
        return socket.gethostname()


def _versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
