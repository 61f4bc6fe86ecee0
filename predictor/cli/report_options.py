"""What `predictor report` is given beside its target: other targets, an earlier forecast, who makes it and when."""

from __future__ import annotations

import getpass
import json
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from predictor.errors import InputError, PredictorError
from predictor.quantity import parse_quantity

if TYPE_CHECKING:
    from predictor.forecasting import Forecast
    from predictor.report import Made


class Beside(click.ParamType):
    """Another target, as `7B:4T` or `7B:4T:family`."""

    name = "N:D[:F]"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[float, float, str | None]:
        """Split it; a family may hold colons itself."""
        if isinstance(value, tuple):
            return value
        params, _, rest = str(value).partition(":")
        tokens, _, family = rest.partition(":")
        if not tokens:
            self.fail(f"{value!r} is not PARAMS:TOKENS, as 7B:4T", param, ctx)
        try:
            return parse_quantity(params, "parameters"), parse_quantity(tokens, "tokens"), family or None
        except PredictorError as error:
            self.fail(str(error), param, ctx)


def read_forecast(path: Path) -> Forecast:
    """Read a forecast that `forecast --json` wrote.

    Raises:
        InputError: there is no such file, or it holds something else.
    """
    from predictor.forecasting import Forecast

    remedy = "name a file that 'predictor forecast --json' wrote"
    try:
        return Forecast.from_json(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})", remedy) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        raise InputError(f"{path} holds no forecast", remedy) from None


def sign(by: str | None, date: datetime | None) -> Made:
    """Return who makes a report and when: as given, else this user, today.

    Raises:
        InputError: SOURCE_DATE_EPOCH is no number of seconds.
    """
    from predictor.report import Made

    if date is None:
        date = _today()
    return Made(date.strftime("%Y-%m-%d"), " ".join((by or _user()).split()))


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return f"user {os.getuid()}"


def _today() -> datetime:
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    if epoch is None:
        return datetime.now().astimezone()
    try:
        return datetime.fromtimestamp(int(epoch), UTC)
    except (ValueError, OverflowError, OSError):
        raise InputError(f"SOURCE_DATE_EPOCH={epoch} is no number of seconds", "unset it or give --date") from None
