"""Another axis than training tokens for a ladder: accelerator hours, fine-tuning examples, tokens of a datastore."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from predictor.errors import ForecastError, InputError, UnknownNameError
from predictor.forecasting.target import Forecast, Target
from predictor.quantity import format_quantity
from predictor.results import Results

# Tables count tokens in whole numbers: axes are stretched until their smallest step counts many.
_SMALLEST = 1e6
_ONE_SIZE = 1_000_000_000


@dataclass(frozen=True)
class Axis:
    """A column that laws and forecasts run over in place of training tokens.

    Attributes:
        column: its name in the results table.
        value: where the target stands on it.
        alone: whether sizes are left out, so that the axis takes the place of compute.
    """

    column: str
    value: float
    alone: bool = False

    def apply(self, results: Results, params: float) -> tuple[Results, float, float]:
        """Put the axis in the place of training tokens.

        Runs without a value on it are left out. A run scored at several values is followed along the axis.

        Args:
            results: scores of the ladder.
            params: parameters of the target.

        Returns:
            the results, and the target's params and tokens on their scale.

        Raises:
            UnknownNameError: the table has no such column.
            InputError: the column holds no numbers above zero.
            ForecastError: fewer than two values.
        """
        evals = results.evals
        if self.column not in evals.columns:
            raise UnknownNameError("column", self.column, map(str, evals.columns), str(results.path))
        values = pd.to_numeric(evals[self.column], errors="coerce").astype(float)
        seen = values.notna()
        if not seen.any() or (values[seen] <= 0).any():
            raise InputError(
                f"column {self.column} of {results.path} holds no numbers above zero", "name a column of quantities"
            )
        if values[seen].nunique() < 2:
            raise ForecastError(f"all runs have the same {self.column}", "score runs at several values of it")
        scale = max(1.0, _SMALLEST / float(values[seen].min()))
        table = evals[seen].copy()
        table["tokens"] = np.rint(values[seen] * scale).astype("int64")
        table["tokens_planned"] = pd.array([pd.NA] * len(table), dtype="Int64")
        if self.alone:
            table["params"] = _ONE_SIZE
        left_out = int((~seen).sum())
        notes = (f"{left_out} rows without {self.column} are left out",) if left_out else ()
        place = "alone" if self.alone else "beside size"
        note = f"the forecast runs over {self.column} {place}, to {format_quantity(self.value)}"
        moved = replace(results, evals=table.reset_index(drop=True), notes=(*results.notes, *notes, note))
        return moved, float(_ONE_SIZE) if self.alone else params, self.value * scale


def on_axis(forecast: Forecast, axis: Axis, params: float, tokens: float) -> Forecast:
    """Return a forecast whose target is as it was stated, with its place on the axis in the record."""
    place = {"column": axis.column, "value": axis.value, "alone": axis.alone}
    target = Target(params, tokens, forecast.target.family)
    return replace(forecast, target=target, record={**forecast.record, "axis": place})
