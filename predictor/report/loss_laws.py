"""The laws of the held-out losses: fitted to the runs, read at the target, or refused with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.errors import PredictorError
from predictor.fitting import LawFit
from predictor.forecasting import Target
from predictor.forecasting.law_table import fit_law_to_results
from predictor.laws import complete_inputs, get_law
from predictor.report.figures.losses import loss_figure
from predictor.results import Results
from predictor.results.series import LOSS_PREFIX

# Size and data apart where the runs tell them apart, else compute alone.
_LAWS = ("chinchilla", "asymptote")
_POINTS = 60
_LEVELS = ("80", "95")


@dataclass(frozen=True)
class Coefficient:
    """One fitted number of a law, with its 95% interval."""

    name: str
    meaning: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class LossLaw:
    """One held-out loss and the law that its runs follow.

    Attributes:
        task: the loss, as `loss:c4_val`.
        refusal: why no law is shown, or None; everything below is empty then.
        law: its name.
        formula: as text.
        note: why it is not the law in size and data, or empty.
        coefficients: in the order of the law.
        observations: how many checkpoints were fitted.
        residual: robust standard deviation of the residuals, relative.
        value: the target's loss by the law.
        intervals: level -> interval of the law there, without the noise of a single measurement.
        best: the lowest loss that was seen.
        place: whether the target lies among the runs.
        figure: the plotly figure.
    """

    task: str
    refusal: str | None = None
    law: str = ""
    formula: str = ""
    note: str = ""
    coefficients: tuple[Coefficient, ...] = ()
    observations: int = 0
    residual: float = float("nan")
    value: float = float("nan")
    intervals: dict[str, tuple[float, float]] | None = None
    best: float = float("nan")
    place: str = ""
    figure: dict[str, Any] | None = None


def fit_loss_laws(results: Results, family: str, params: float, tokens: float) -> tuple[LossLaw, ...]:
    """Fit every held-out loss of a family and read it at a target; empty where no loss was scored.

    Args:
        results: the table.
        family: whose runs.
        params: the target's parameters N.
        tokens: its training tokens D.
    """
    rows = results.evals[results.evals["family"] == family]
    tasks = sorted({str(name) for name in rows["task"].unique() if str(name).startswith(LOSS_PREFIX)})
    target = Target(params, tokens, family)
    return tuple(_fit(results, task, target) for task in tasks)


def _fit(results: Results, task: str, target: Target) -> LossLaw:
    reasons: list[str] = []
    for name in _LAWS:
        try:
            fit = fit_law_to_results(get_law(name), results, task=task, family=target.family)
        except PredictorError as error:
            reasons.append(f"{name}: {error.message}")
            continue
        if fit.undetermined or not fit.converged:
            reasons.append(f"{name}: {'; '.join(fit.warnings)}")
            continue
        return _describe(task, fit, target, reasons)
    return LossLaw(task, refusal=". ".join(reasons))


def _describe(task: str, fit: LawFit, target: Target, reasons: list[str]) -> LossLaw:
    at = _inputs(fit, np.array([target.params]), np.array([target.tokens]))
    here = {name: float(value[0]) for name, value in at.items()}
    value = float(fit.predict(at)[0])
    intervals = {level: fit.predict_interval(here, float(level) / 100) for level in _LEVELS}
    observed = np.exp(fit.problem.values)
    seen = fit.problem.inputs
    flops = seen["flops"] if "flops" in seen else 6 * seen["params"] * seen["tokens"]
    return LossLaw(
        task=task,
        law=fit.law.name,
        formula=fit.law.text,
        note=". ".join(reasons),
        coefficients=tuple(
            Coefficient(one.name, one.meaning, fit.parameters[one.name], *fit.intervals[one.name])
            for one in fit.law.parameters
        ),
        observations=fit.observations,
        residual=fit.residual_sd,
        value=value,
        intervals=intervals,
        best=float(observed.min()),
        place=str(fit.reach(here)),
        figure=loss_figure(flops, observed, _curve(fit, flops, target), target, value, intervals),
    )


def _inputs(fit: LawFit, params: Any, tokens: Any) -> dict[str, Any]:
    full = complete_inputs({"params": params, "tokens": tokens})
    return {name: np.asarray(full[name], float) for name in fit.law.input_names}


def _curve(fit: LawFit, flops: Any, target: Target) -> tuple[Any, Any, Any, Any]:
    """Read the law along models from the smallest run to the target, or to the largest run if that is more."""
    seen, first, last = fit.problem.inputs, int(np.argmin(flops)), int(np.argmax(flops))
    beyond = target.flops >= flops[last]
    if "params" in seen:
        end = (target.params, target.tokens) if beyond else (seen["params"][last], seen["tokens"][last])
        path = {
            "params": np.geomspace(seen["params"][first], end[0], _POINTS),
            "tokens": np.geomspace(seen["tokens"][first], end[1], _POINTS),
        }
        compute = 6 * path["params"] * path["tokens"]
    else:
        compute = np.geomspace(flops[first], target.flops if beyond else flops[last], _POINTS)
        path = {"flops": compute}
    ends = [fit.predict_interval({name: float(one[i]) for name, one in path.items()}) for i in range(_POINTS)]
    low, high = np.array(ends).T
    return compute, fit.predict(path), low, high
