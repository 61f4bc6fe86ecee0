"""Laws of two recipes' losses together: what they share, and what each has of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.panel import Panel
from predictor.laws.law import Array, Input, Law, Parameter, Values

Shape = Literal["one multiplier", "shared exponents", "own exponents"]

# Sizes and tokens that vary together by more than this leave no law in both.
_TOGETHER = 0.98
_FAMILY = Input("family", "0 or 1", "which of the two recipes")


@dataclass(frozen=True)
class StackedLosses:
    """Losses of both families: inputs and values of shape (observations,); family is 0 for a and 1 for b."""

    inputs: dict[str, Array]
    loss: Array
    run: NDArray[np.str_]

    @property
    def apart(self) -> bool:
        """Whether sizes and tokens vary apart, in both families."""
        for family in (0, 1):
            own = self.inputs["family"] == family
            size, data = np.log(self.inputs["params"][own]), np.log(self.inputs["tokens"][own])
            if np.ptp(size) < 0.1 or np.ptp(data) < 0.1 or abs(np.corrcoef(size, data)[0, 1]) > _TOGETHER:
                return False
        return True


def stack_losses(a: Panel, b: Panel, name: str) -> StackedLosses:
    """Stack one held-out loss of two families."""
    columns: dict[str, list[Array]] = {"params": [], "tokens": [], "family": []}
    losses, runs = [], []
    for number, panel in enumerate((a, b)):
        values = panel.heldout_loss[panel.heldout.index(name)]
        seen = np.isfinite(values)
        columns["params"].append(panel.params[seen])
        columns["tokens"].append(panel.tokens[seen])
        columns["family"].append(np.full(int(seen.sum()), float(number)))
        losses.append(values[seen])
        runs += [f"{number}:{panel.runs[run]}" for run in panel.run[seen]]
    inputs = {key: np.concatenate(parts) for key, parts in columns.items()}
    return StackedLosses(inputs, np.concatenate(losses), np.array(runs))


def _term(x: Values, p: Values, weight: str, exponent: str, quantity: str, shape: Shape, share: float) -> Array:
    """Evaluate one falling term of a joint law: A·N^-alpha, with what the second family has of its own."""
    other = x["family"]
    power, scale = p[exponent], np.log(p[weight])
    if shape == "own exponents":
        power = np.where(other == 1, p[f"{exponent}_b"], power)
    if shape != "one multiplier":
        scale = np.where(other == 1, np.log(p[f"{weight}_b"]), scale)
    # Family b has the loss of family a at 1/m of the compute.
    moved = share * p["u"] * other if shape == "one multiplier" else 0.0
    return np.exp(scale - power * (np.log(x[quantity]) - moved))


def joint_law(shape: Shape, apart: bool) -> Law:
    """Declare a law of two families' losses, in size and data or in compute alone.

    Args:
        shape: what the two share: everything but one factor of compute (e^u, so that family b at e^u times the compute
            has the loss of family a), the exponents, or nothing.
        apart: whether size and data vary apart; else the law reads compute.
    """
    terms = (("A", "alpha", "params"), ("B", "beta", "tokens")) if apart else (("A", "alpha", "flops"),)
    share = 1 / len(terms)

    def formula(x: Values, p: Values) -> Array:
        floor = p["E"] if shape == "one multiplier" else np.where(x["family"] == 1, p["E_b"], p["E"])
        return np.asarray(floor + sum(_term(x, p, *term, shape, share) for term in terms))

    parameters = [Parameter("E", "floor", 1e-3, 20, (0.3, 2.5), "log")]
    prior = (0.2, 0.5) if apart else (0.08, 0.3)
    for weight, exponent, _ in terms:
        parameters.append(Parameter(weight, "weight", 1e-6, 1e12, (1e1, 3e3), "log"))
        parameters.append(Parameter(exponent, "exponent", 0.01, 2, prior, "log"))
    if shape == "one multiplier":
        parameters.append(Parameter("u", "logarithm of the multiplier", -10, 10, (-0.7, 0.7)))
    else:
        own = [one for one in parameters if shape == "own exponents" or one.name not in ("alpha", "beta")]
        parameters += [replace(one, name=f"{one.name}_b") for one in own]
    inputs = tuple(Input(quantity, "", "") for _, _, quantity in terms)
    return Law(
        name=f"losses of two recipes, {shape}",
        title="",
        text="L = E + A·N^-alpha + B·D^-beta, of two recipes",
        inputs=(*inputs, _FAMILY),
        output="loss, nats per token",
        parameters=tuple(parameters),
        formula=formula,
        source="Hoffmann et al. 2022, arXiv 2203.15556",
        fit_scale="log",
    )
