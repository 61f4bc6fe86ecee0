"""Options of the commands on registered forecasts: which store, and how a forecast is registered."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from predictor.errors import InputError
from predictor.places import is_local
from predictor.project import DEFAULT_CONFIG

if TYPE_CHECKING:
    from predictor.forecasting import Forecast
    from predictor.forecasting.changes import Changes
    from predictor.forecasting.register import Entries, Registration
    from predictor.report.team import Team

F = TypeVar("F", bound=Callable[..., Any])


def store_options(command: F) -> F:
    """Add `--config` and `--store`, of which the store is found by `find_store`."""
    for option in (
        click.option("--store", help="The store: a folder, or a URL such as s3://bucket/store."),
        click.option("--config", default=DEFAULT_CONFIG, show_default=True, help="The ladder, which names the store."),
    ):
        command = option(command)
    return command


def find_store(config: str, store: str | None) -> Path:
    """Return the store that is named, or that of the configuration.

    Raises:
        ConfigError: neither is there.
    """
    from predictor.project import load_project, place

    return place(store) if store is not None else load_project(config).store_path


def register_options(command: F) -> F:
    """Add the options by which `forecast` registers what it forecast."""
    for option in reversed(
        (
            click.option(
                "--register",
                metavar="NAME",
                help="Write the forecast into the store, to be judged later by its scores.",
            ),
            click.option("--note", default="", metavar="TEXT", help="With --register: what a reader should know."),
            click.option("--by", metavar="WHO", help="With --register: who asked (default: this user and machine)."),
            click.option("--run", metavar="RUN", help="With --register: the run that will be the target, if known."),
            click.option(
                "--store", metavar="STORE", help="Where registered forecasts are (default: --results, if a store)."
            ),
        )
    ):
        command = option(command)
    return command


@dataclass(frozen=True)
class Answer:
    """What `forecast` prints: the forecast, and how it stands to the registered ones.

    Attributes:
        forecast: the forecast.
        earlier: the newest registered forecast of the same target, or None.
        changes: what moved since that one.
        registered: the forecast as it was registered, or None.
        check: the team's track record as JSON, or None where no forecast was resolved.
    """

    forecast: Forecast
    earlier: Registration | None = None
    changes: Changes | None = None
    registered: Registration | None = None
    check: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        """Return `forecast --json`, with what is known of registered forecasts beside it."""
        value = self.forecast.to_json()
        if self.registered is not None:
            names = ("name", "number", "sha256", "time", "late")
            known = self.registered.to_json()
            value["registered"] = {name: known[name] for name in names}
        if self.earlier is not None and self.changes is not None:
            since = {"name": self.earlier.name, "number": self.earlier.number, "time": self.earlier.time}
            value["since"] = {**since, **self.changes.to_json()}
        if self.check is not None:
            value["track_record"] = self.check
        return value


class Registering:
    """Registers a forecast, and compares it with what was registered before.

    Args:
        results: what the forecast is made from.
        name: under which it is registered, or None for the comparison alone.
        note: anything that a reader should know.
        by: who asked.
        run: the run that will be the target.
        store: where registered forecasts are; `results` where None.

    Raises:
        InputError: the name cannot be used, or there is no store to register in.
    """

    def __init__(
        self, results: Path, name: str | None, note: str, by: str | None, run: str | None, store: str | None
    ) -> None:
        from predictor.forecasting.register.registering import check_name
        from predictor.project import place
        from predictor.results.store import Store

        given = [option for option, value in (("--note", note), ("--by", by), ("--run", run)) if value]
        if given and name is None:
            raise InputError(f"{given[0]} says nothing without --register", "give the forecast a name with --register")
        self.results, self.note, self.by, self.run = results, note, by, run
        self.name = None if name is None else check_name(name)
        home = place(store) if store is not None else results if Store.looks_like(results) else None
        if name is not None and home is None:
            raise InputError(f"{results} is no store to register a forecast in", "name one with --store")
        self.store = home

    def entries(self) -> Entries | None:
        """Read what was registered before; None where there is no store."""
        from predictor.forecasting.register import Entries, read_entries

        if self.store is None:
            return None
        # One that is named for the first time is made with the first record.
        missing = is_local(self.store) and not self.store.exists()
        return Entries((), ()) if missing else read_entries(self.store)

    def carry_out(self, forecast: Forecast) -> Answer:
        """Compare a forecast with earlier ones of its target, check its intervals, and register it where asked.

        Raises:
            InputError: the name is that of another target.
            StoreError: the store cannot be written.
        """
        from predictor.cli.registered_tables import warn_of_faults
        from predictor.forecasting.changes import compare_forecasts
        from predictor.forecasting.register import register, team_record
        from predictor.results import read_results

        entries = self.entries()
        if entries is None or self.store is None:
            return Answer(forecast)
        warn_of_faults(entries)
        earlier = entries.latest_of(forecast)
        changes = None if earlier is None else compare_forecasts(earlier.forecast, forecast)
        record = team_record(entries)
        check = record.check().to_json() if record.judged else None
        registered = None
        if self.name is not None:
            command = shlex.join(["predictor", *sys.argv[1:]])
            registered = register(
                self.store,
                forecast,
                self.name,
                note=self.note,
                by=self.by,
                run=self.run,
                # A store keeps the scores of targets apart: has this one been scored already?
                scores=read_results(self.results, ("ladder", "target")),
                command=command,
            )
        return Answer(forecast, earlier, changes, registered, check)


def team_of(results: Path) -> Team | None:
    """Return the track record of a store as a report shows it; None where no forecast was registered.

    Raises:
        StoreError: the registered forecasts cannot be read.
    """
    from predictor.forecasting.register import read_entries, team_record
    from predictor.report.team import describe_team

    entries = read_entries(results) if results.is_dir() else None
    return describe_team(team_record(entries)) if entries is not None and entries.registrations else None
