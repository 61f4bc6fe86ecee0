"""Which runs may be planned: those asked for, or sizes and lengths around a ladder and its target, within a budget."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from predictor.errors import InputError
from predictor.forecasting.panel import Panel
from predictor.forecasting.target import check_target
from predictor.quantity import format_quantity

# Tokens per parameter of candidate runs; 20 is compute-optimal after Hoffmann et al. 2022.
RATIOS = (5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 640.0)
# Candidate sizes are apart by this factor where the table names none, and no more than so many are looked at.
_SIZE_STEP, _MOST_SIZES = 2.0, 14
# Smallest size that may be asked for, as a share of the target's: a tenth of where a first ladder begins. Tokens per
# parameter that may be, from a run that has hardly begun to models of some thousand parameters.
_SMALLEST_SHARE, _RATIO_RANGE = 1e-4, (0.1, 1e5)


def check_budget(params: float, tokens: float, budget: float) -> None:
    """Refuse a budget that pays for the target, and a target that is no model.

    Raises:
        InputError: it does, or the target is none.
    """
    check_target(params, tokens)
    if budget >= 6 * params * tokens:
        raise InputError(
            f"the budget of {budget:.3g} FLOPs pays for the target itself ({6 * params * tokens:.3g})",
            "train it, or plan with a smaller --budget",
        )


def check_runs(params: float, sizes: Sequence[float] | None, ratios: Sequence[float] | None) -> None:
    """Refuse runs that say nothing of the target: larger than it, far too small, or no training at all.

    The belief is a law carried from a run to the target, and would trust it over any distance: it plans for models of
    ten parameters, which cost nothing, where it may.

    Raises:
        InputError: there is one among those asked for.
    """
    least = params * _SMALLEST_SHARE
    for size in sizes or ():
        if not least <= size <= 1.001 * params:
            raise InputError(
                f"a run of {format_quantity(size)} parameters says nothing of a target of {format_quantity(params)}",
                f"name --sizes from {format_quantity(least)} to {format_quantity(params)}",
            )
    low, high = _RATIO_RANGE
    for ratio in ratios or ():
        if not low <= ratio <= high:
            raise InputError(
                f"no run is trained on {format_quantity(ratio)} tokens per parameter",
                f"name --ratios from {low:g} to {format_quantity(high)}",
            )


def candidate_runs(
    params: float,
    tokens: float,
    budget: float,
    panel: Panel | None,
    sizes: Sequence[float] | None,
    ratios: Sequence[float] | None,
) -> list[tuple[float, float]]:
    """List (params, tokens) of the runs that could be trained: no larger than the target, none above the budget.

    Raises:
        InputError: there is none.
    """
    if sizes is None:
        known = [] if panel is None else sorted(set(panel.params.tolist()))
        # Beyond the ladder, or without one, in steps up to the target.
        size = known[-1] * _SIZE_STEP if known else params / 1000
        grown = []
        while size < params * 0.999:
            grown.append(size)
            size *= _SIZE_STEP
        sizes = _thin([one for one in known if one <= params * 1.001], _MOST_SIZES) + grown + [params]
    if ratios is None:
        observed = [] if panel is None else (panel.tokens / panel.params).tolist()
        most = max([tokens / params, *observed, RATIOS[2]])
        ratios = sorted({one for one in RATIOS if one <= most * 1.001} | {tokens / params})
    pairs = [(float(size), float(size * ratio)) for size in sizes for ratio in ratios]
    affordable = [one for one in pairs if 6 * one[0] * one[1] <= budget]
    if not affordable:
        cheapest = min(6 * size * length for size, length in pairs)
        raise InputError(
            f"the budget of {budget:.3g} FLOPs pays for none of the {len(pairs)} runs that were looked at; "
            f"the cheapest, {format_quantity(min(pairs)[0])} parameters, costs {cheapest:.3g}",
            "raise --budget, or name smaller --sizes",
        )
    return affordable


def _thin(values: list[float], most: int) -> list[float]:
    if len(values) <= most:
        return values
    return [values[i] for i in np.unique(np.linspace(0, len(values) - 1, most).round().astype(int))]
