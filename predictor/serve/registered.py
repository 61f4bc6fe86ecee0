"""The pages of registered forecasts and of the team's track record."""

from __future__ import annotations

import time
from functools import lru_cache
from pathlib import Path
from typing import Any

from predictor.errors import UnknownNameError
from predictor.forecasting.register import Entries, Registration, read_entries, team_record
from predictor.report.team import describe_team

_SECONDS = 5.0
"""Seconds for which records are shown before they are read, and every byte of them is checked, again."""


def registered_page(path: Path) -> dict[str, Any]:
    """List the registered forecasts of a store, newest first."""
    entries = _entries(path)
    lines = [{"entry": entry, "done": len(entries.outcomes_of(entry))} for entry in reversed(entries.registrations)]
    return {"lines": lines, "faults": entries.faults}


def registration_page(path: Path, number: str) -> dict[str, Any]:
    """Show one registered forecast beside what its target scored.

    Raises:
        UnknownNameError: there is no record of that number.
    """
    entries = _entries(path)
    if not number.isdecimal():
        raise UnknownNameError("registered forecast", number, (str(entry.number) for entry in entries.registrations))
    entry = entries.find(number)
    outcomes = entries.outcomes_of(entry)
    lines = [{"answer": answer, "outcome": outcomes.get(answer.series)} for answer in entry.forecast.forecasts]
    found = entries.resolutions_of(entry)
    return {"entry": entry, "lines": lines, "resolutions": found, "same": _same(entries, entry)}


def record_page(path: Path) -> dict[str, Any]:
    """Show the track record over all registered forecasts."""
    team = describe_team(team_record(_entries(path)))
    return {"team": team, "figures": team.figures}


def _same(entries: Entries, entry: Registration) -> list[Registration]:
    """Return the other registered forecasts of the same target."""
    return [other for other in entries.registrations if other != entry and other.is_of(entry.forecast)]


def _entries(path: Path) -> Entries:
    if not path.is_dir():
        # A table has no registered forecasts beside it.
        return Entries((), ())
    return _read(path, int(time.monotonic() / _SECONDS))


@lru_cache(maxsize=1)
def _read(path: Path, moment: int) -> Entries:
    return read_entries(path)
