"""Forecasts on the record: register them, resolve them by the scores of their targets, and judge them."""

from __future__ import annotations

from os import PathLike

from predictor.api.arguments import Scores, as_results
from predictor.forecasting import Forecast
from predictor.forecasting import register as registers
from predictor.forecasting.register import Entries, Registration, Resolved, TeamRecord
from predictor.project import place
from predictor.results.readers import read_store

_ROLES = ("ladder", "target")


def register(
    store: str | PathLike[str],
    forecast: Forecast,
    name: str,
    *,
    note: str = "",
    by: str | None = None,
    run: str | None = None,
    results: Scores | None = None,
) -> Registration:
    """Write a forecast into a store before its target is scored; nobody can change it unseen.

    Args:
        store: a folder, or a URL such as s3://bucket/store.
        forecast: what `forecast` returned.
        name: what to call it; a later forecast of the same target may take the same name.
        note: anything that a reader should know.
        by: who asked; this user on this machine where None.
        run: name of the run that will be the target, where it is known.
        results: all scores that are known now: of the target those are marked, and do not count for the record.

    Raises:
        InputError: the name cannot be used, or is that of another target.
        StoreError: the store cannot be written, or its last record was changed.
    """
    scores = None if results is None else as_results(results, roles=_ROLES)
    return registers.register(place(str(store)), forecast, name, note=note, by=by, run=run, scores=scores)


def registered(store: str | PathLike[str]) -> Entries:
    """Read the registered forecasts of a store and what became of them; every byte is checked.

    Raises:
        StoreError: the store does not exist or cannot be read.
    """
    return registers.read_entries(place(str(store)))


def resolve(
    store: str | PathLike[str],
    *,
    name: str | None = None,
    results: Scores | None = None,
    run: str | None = None,
    again: bool = False,
) -> Resolved:
    """Compare registered forecasts with what their targets scored, each benchmark once.

    Args:
        store: where the forecasts are registered.
        name: the one forecast to resolve, by its name or number; all that wait where None.
        results: the scores; those of the store where None.
        run: the run that is the target of that forecast.
        again: take scores that were corrected since; the earlier outcomes stay in the chain.

    Raises:
        UnknownNameError: there is no such forecast.
        InputError: the run that was named is not its target.
        StoreError: the store cannot be read or written.
    """
    home = place(str(store))
    scores = read_store(home, _ROLES) if results is None else as_results(results, roles=_ROLES)
    return registers.resolve(home, scores, only=name, run=run, again=again)


def record(store: str | PathLike[str]) -> TeamRecord:
    """Return the track record over all registered forecasts that were resolved.

    Raises:
        StoreError: the store does not exist or cannot be read.
    """
    return registers.team_record(registered(store))
