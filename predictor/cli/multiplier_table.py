"""Compute multipliers as a table."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table

    from predictor.decisions.loss_predictors import LossPredictor
    from predictor.decisions.multiplier import Evidence, LossMultiplier, Multiplier


def multiplier_table(multipliers: tuple[Multiplier, ...]) -> Table:
    """Build the table: one row per pair with what its losses say, what its benchmarks say, and where they cross."""
    from rich.table import Table

    table = Table(
        title="Times the compute that the second family needs to match the first (80% interval)",
        title_justify="left",
        box=None,
        pad_edge=False,
        header_style="bold",
    )
    table.add_column("first")
    table.add_column("second")
    for name in ("by losses", "by benchmarks", "tokens"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("they cross at", overflow="fold")
    for one in multipliers:
        by_losses = one.overall if one.losses else None
        table.add_row(
            one.a, one.b, _factor(by_losses), _factor(one.over_benchmarks), _tokens(one.losses), _crossings(one.losses)
        )
    return table


def _factor(evidence: Evidence | None) -> str:
    if evidence is None:
        return "-"
    low, high = evidence.interval
    return f"{_write(evidence.multiplier)} ({_write(low)} to {_write(high)})"


def _write(multiplier: float) -> str:
    return f"{multiplier:.3g}" if math.isfinite(multiplier) else "over 1e+06"


def _tokens(losses: tuple[LossMultiplier, ...]) -> str:
    known = [one.data_efficiency for one in losses if one.data_efficiency is not None]
    if not known:
        return "-"
    middle, low, high = known[0]
    return f"{_write(middle)} ({_write(low)} to {_write(high)})"


def _crossings(losses: tuple[LossMultiplier, ...]) -> str:
    found = []
    for one in losses:
        for crossing in one.crossings:
            ends = "" if crossing.interval is None else f" ({crossing.interval[0]:.2g} to {crossing.interval[1]:.2g})"
            found.append(f"{crossing.flops:.3g}{ends} FLOPs by {one.name}")
    return "; ".join(found) or ("nowhere" if losses else "-")


def predictor_lines(predictors: tuple[LossPredictor, ...]) -> list[str]:
    """Write which held-out loss predicts each benchmark best, where it does better than compute."""
    by_loss: dict[str, list[str]] = {}
    for one in predictors:
        best = next(iter(one.errors))
        if one.errors[best] < one.without:
            by_loss.setdefault(best, []).append(one.series.label)
    return [f"{loss} predicts best: {', '.join(names)}" for loss, names in by_loss.items()]
