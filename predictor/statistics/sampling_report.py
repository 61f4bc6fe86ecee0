"""What sampled answers of one task say: rates by model, their law in size, and scores over attempts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from predictor.errors import ForecastError, InputError, UnknownNameError
from predictor.quantity import format_quantity
from predictor.results.readers import Results
from predictor.statistics import emergence
from predictor.statistics.attempts import Attempts, majority_curve, pass_curve
from predictor.statistics.emergence import PassLaw, fit_pass_law
from predictor.statistics.sampled import SampledModel, sampled_models


@dataclass(frozen=True)
class SamplingReport:
    """The answer of `predictor passes`.

    Attributes:
        task: the task.
        models: what was sampled of each, the smallest first.
        law: the law of the pass rate in size; None where it cannot be fitted, which a note explains.
        params: size that is asked for, or None.
        run: model that the curves are of; empty where none are asked for.
        curves: `pass@k` and `maj@k` over the numbers of attempts.
        notes: what to know.
    """

    task: str
    models: tuple[SampledModel, ...]
    law: PassLaw | None
    params: float | None
    run: str
    curves: Mapping[str, Sequence[Attempts]]
    notes: tuple[str, ...]

    @staticmethod
    def capped(model: SampledModel) -> int:
        """Return how many items were not stopped by right answers though others were: their samples ran out."""
        fixed = ~np.isfinite(model.until)
        return int(fixed.sum()) if np.isfinite(model.until).any() else 0

    def sentences(self) -> list[str]:
        """Describe the law, its verdict and the forecast in lines."""
        if self.law is None:
            return []
        law = self.law
        low, high = law.alpha_interval
        lines = [
            f"law: -ln(pass rate) = {law.c:.3g}·N^-{law.alpha:.3f}, exponent {low:.3f} to {high:.3f}; models scatter "
            f"{law.scatter:.1f} times as much as their samples explain"
        ]
        if law.verdict == emergence.OPEN:
            lines.append(f"bend: {law.verdict}, {emergence.FEWEST_SIZES} are needed")
        else:
            lines.append(
                f"bend of log(-log pass rate) per e-fold of size: {law.bend:+.3f}, p {law.p_value:.2g}: {law.verdict}"
            )
        if self.params is not None:
            rate, low, high = law.predict(self.params)
            lines.append(
                f"at {format_quantity(self.params)} parameters: {100 * rate:.3g}%, {100 * low:.3g} to {100 * high:.3g}"
            )
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {
            "task": self.task,
            "models": [_model_json(model) for model in self.models],
            "law": None if self.law is None else _law_json(self.law, self.params),
            "run": self.run or None,
            "curves": {
                name: [
                    {"k": point.k, "measured": point.measured, "forecast": point.forecast, "interval": point.interval}
                    for point in points
                ]
                for name, points in self.curves.items()
            },
            "notes": list(self.notes),
        }


def report_sampling(
    results: Results,
    task: str,
    *,
    family: str | None = None,
    num_fewshot: int | None = None,
    params: float | None = None,
    attempts: Sequence[int] = (),
    run: str | None = None,
    seed: int = 0,
) -> SamplingReport:
    """Read the sampled answers of a task, fit the law of the pass rate, test it, and draw the curves over attempts.

    Args:
        results: where they were read from.
        task: the task.
        family: whose runs; the family with the most runs where None.
        num_fewshot: which of the prompts; that of the most runs where None.
        params: size to forecast the pass rate at.
        attempts: numbers of attempts to draw the curves at.
        run: model of the curves; the largest where None.
        seed: of the resampling.

    Raises:
        UnknownNameError: no such task, family or run is here.
        InputError: the answers were not sampled.
        ForecastError: a forecast is asked for that the models do not carry.
    """
    models, notes = sampled_models(results, task, family=family, num_fewshot=num_fewshot)
    found = list(notes)
    law = None
    try:
        law = fit_pass_law(models)
    except ForecastError as error:
        if params is not None:
            raise
        found.append(f"no law is fitted: {error.message}")
    if law is not None:
        found += _of_the_law(law, models, params)
    curves: dict[str, Sequence[Attempts]] = {}
    model = models[-1]
    if attempts:
        by_name = {one.run: one for one in models}
        if run is not None and run not in by_name:
            raise UnknownNameError("run", run, by_name, task)
        model = by_name[run] if run is not None else model
        curves["pass@k"] = pass_curve(model, attempts, seed=seed)
        try:
            curves["maj@k"] = majority_curve(model, attempts, seed=seed)
        except InputError as error:
            found.append(f"maj@k is left out: {error.message}")
    return SamplingReport(task, tuple(models), law, params, model.run if attempts else "", curves, tuple(found))


def _of_the_law(law: PassLaw, models: Sequence[SampledModel], params: float | None) -> list[str]:
    notes = []
    if law.verdict == emergence.ACCELERATED:
        notes.append("the pass rate rises ever faster with size: the law understates larger models")
    if law.verdict == emergence.SLOWING:
        notes.append("the pass rate rises ever more slowly with size: the law overstates larger models")
    if law.censored:
        notes.append(f"{', '.join(law.censored)}: no right answer, counted by how many wrong ones were given")
    if params is not None and params > 100 * max(model.params for model in models):
        notes.append("the target is more than 100 times as large as every model: the interval takes the law for true")
    return notes


def _model_json(model: SampledModel) -> dict[str, Any]:
    return {
        "run": model.run,
        "params": model.params,
        "tokens": model.tokens,
        "items": int(model.samples.size),
        "samples": int(model.samples.sum()),
        "passes": int(model.passes.sum()),
        "pass_rate": model.rate,
        "interval": model.interval(),
    }


def _law_json(law: PassLaw, params: float | None) -> dict[str, Any]:
    known = not math.isnan(law.bend)
    forecast = None
    if params is not None:
        rate, low, high = law.predict(params)
        forecast = {"params": params, "pass_rate": rate, "interval": [low, high]}
    return {
        "c": law.c,
        "alpha": law.alpha,
        "alpha_interval": law.alpha_interval,
        "scatter": law.scatter,
        "bend": law.bend if known else None,
        "p_value": law.p_value if known else None,
        "verdict": law.verdict,
        "censored": list(law.censored),
        "forecast": forecast,
    }
