"""How far a target lies from the fitted runs, in multiples that a reader can check."""

from __future__ import annotations

import numpy as np

from predictor.forecasting import Target
from predictor.forecasting.panel import Panel
from predictor.report.wording import times

# Runs differ by small amounts in how parameters and tokens are counted.
_SLACK = 1.05
# Beyond this many times the compute of the largest run, few backtests reach.
FAR = 10.0


def compute_ratio(panel: Panel, target: Target) -> float:
    """Return the target's compute over that of the largest run."""
    return target.flops / float(panel.flops.max())


def describe_distance(panel: Panel, target: Target) -> str:
    """Write how far the target lies beyond the runs, as `2.2× the parameters and 6.3× the tokens of any fitted run`."""
    multiples = [
        (target.params, float(panel.params.min()), float(panel.params.max()), "parameters"),
        (target.tokens, float(panel.tokens.min()), float(panel.tokens.max()), "tokens"),
    ]
    beyond = [f"{times(value / most)} the {name}" for value, _, most, name in multiples if value > _SLACK * most]
    below = [f"{times(value / least)} the {name}" for value, least, _, name in multiples if value * _SLACK < least]
    parts = []
    if beyond:
        parts.append(f"{' and '.join(beyond)} of any fitted run")
    if below:
        parts.append(f"only {' and '.join(below)} of the smallest fitted run")
    if not parts:
        parts.append("parameters and tokens within those of the fitted runs")
    ratio = compute_ratio(panel, target)
    return f"{', '.join(parts)}; {times(ratio)} the compute of the largest"


def unlike_balance(panel: Panel, target: Target) -> str | None:
    """State that the target balances tokens and parameters as no run does; None where one does."""
    density, seen = target.tokens / target.params, panel.tokens / panel.params
    # Twice outside: small differences do not change how scores depend on the balance.
    if seen.min() / 2 <= density <= 2 * seen.max():
        return None
    return (
        f"it trains on {density:,.0f} tokens per parameter, the runs on {seen.min():,.0f} to {seen.max():,.0f}: how "
        "scores depend on that balance is extrapolated too"
    )


def furthest_test(ratios: np.ndarray) -> float | None:
    """Return how far beyond the other runs the furthest held-out run lies, or None where none was held out."""
    return float(ratios.max()) if len(ratios) else None
