"""What a target does otherwise than the ladder, as an equivalent size and length of training.

Repeated data, experts, few bits and another vocabulary move the loss. The target is forecast at the size and tokens of
a plain run that has the same loss, so that every method and every benchmark follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import InputError
from predictor.fitting import LawFit, fit_law
from predictor.forecasting.panel import Panel
from predictor.laws import get_law
from predictor.quantity import format_quantity

Array = NDArray[np.float64]

# Columns of a results table that say what a run did otherwise.
COLUMNS = ("unique_tokens", "params_active", "flops")
# Mantissa and exponent bits of the formats that training may be in, and the numbers that share a scaling factor.
FORMATS = {"bf16": (8, 7), "fp8": (4, 3), "e4m3": (4, 3), "e5m2": (5, 2), "fp6": (3, 2), "fp4": (2, 1), "e2m1": (2, 1)}
_BLOCK = 128
# Weights of so many bits are as good as those that were trained.
_ENOUGH_BITS = 16
# What a factor e away from the best learning rate costs, in nats: median curvature of the losses over learning rate and
# batch in 17 grids of github.com/step-law/steplaw, models of 0.2 to 1.1 billion parameters (0.011 to 0.019).
_RATE_COST = 0.0144
# Deviations from the step law below this factor are within what it is known to.
_RATE_SLACK = 1.5
# Plain runs without experts: the sizes differ by less than this.
_SAME_SIZE = 0.98
# Sizes of mixtures of experts count by their geometric mean where no fit says otherwise.
_KAPPA = 0.5


@dataclass(frozen=True)
class Recipe:
    """What is known of a target beside its size and tokens; None where it does as the ladder does.

    Attributes:
        unique_tokens: distinct training tokens U; those beyond are repeats.
        params_active: parameters that take part in each token.
        flops: training compute, counted as in the column `flops` of the ladder's runs.
        bits: bits per weight of the model that is served.
        precision: number format of training, one of `FORMATS`.
        vocabulary: size of the vocabulary, against that of the ladder's runs in the column `vocabulary`.
        width: width of the model, which the vocabulary law needs.
        learning_rate: peak learning rate.
        batch: tokens in a batch.
    """

    unique_tokens: float | None = None
    params_active: float | None = None
    flops: float | None = None
    bits: float | None = None
    precision: str | None = None
    vocabulary: float | None = None
    width: float | None = None
    learning_rate: float | None = None
    batch: float | None = None

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) is not None for field in fields(self))

    def to_json(self) -> dict[str, Any]:
        """Return what is known as values of JSON."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class Correction:
    """What one item of a recipe changes.

    Attributes:
        name: the item, as `unique_tokens`.
        loss: change of the loss in nats, by the law.
        source: the law and whose parameters.
    """

    name: str
    loss: float
    source: str

    def __str__(self) -> str:
        return f"{self.name.replace('_', ' ')}: {self.loss:+.3f} nats by {self.source}"

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {"name": self.name, "loss": self.loss, "source": self.source}


@dataclass(frozen=True)
class LossLaw:
    """The chinchilla law that turns a change of loss into a change of size and tokens.

    Attributes:
        values: its parameters.
        source: whose they are.
    """

    values: Mapping[str, float]
    source: str

    @classmethod
    def of(cls, panel: Panel) -> LossLaw:
        """Fit the law to the panel's first held-out loss that determines it; else return published parameters."""
        law = get_law("chinchilla")
        for name, losses in zip(panel.heldout, panel.heldout_loss, strict=True):
            seen = np.isfinite(losses)
            if seen.sum() <= len(law.parameters):
                continue
            fit = fit_law(law, {"params": panel.params[seen], "tokens": panel.tokens[seen]}, losses[seen], starts=6)
            if not fit.undetermined and fit.status == "converged":
                return cls(fit.parameters, f"the family's own law of {name}")
        return cls(law.published_values("besiroglu"), "Besiroglu's law, as no held-out loss determines one")

    def at(self, params: float, tokens: float) -> float:
        """Evaluate the loss."""
        return float(get_law("chinchilla").evaluate(self.values, {"params": params, "tokens": tokens}))

    def equivalent(self, params: float, tokens: float, change: float) -> tuple[float, float]:
        """Find size and tokens, scaled alike, at which the loss is higher by `change`.

        Raises:
            InputError: no size and no data reach such a loss.
        """
        from scipy.optimize import brentq

        wanted = self.at(params, tokens) + change

        def gap(log_scale: float) -> float:
            return self.at(params * np.exp(log_scale), tokens * np.exp(log_scale)) - wanted

        if change == 0:
            return params, tokens
        if wanted <= self.values["E"] or gap(-12.0) < 0:
            raise InputError(
                f"a loss of {wanted:.3f} nats is out of reach of the law of the losses",
                "check the recipe of the target",
            )
        scale = float(np.exp(brentq(gap, -12.0, 12.0)))
        return params * scale, tokens * scale


def with_repeats(params: Array, tokens: Array, unique: Array, values: Mapping[str, float]) -> tuple[Array, Array]:
    """Compute the size and tokens without repeats that are worth as much; shapes broadcast.

    The law also counts size beyond what fresh tokens feed for less. That is in the laws of the ladder already, so only
    what repeating adds to it counts here: a run without repeats stays as it is.

    Source:
        Muennighoff et al. 2023, arXiv 2305.16264.
    """
    from predictor.laws.data import effective_sizes

    size, data = effective_sizes(params, tokens, np.minimum(unique, tokens), values)
    fresh, _ = effective_sizes(params, tokens, tokens, values)
    return params * size / fresh, data


@dataclass(frozen=True)
class Equivalence:
    """How sizes and tokens are replaced by those of plain runs that are worth as much.

    Attributes:
        repeats: parameters of the `repeated_data` law, or None where nothing is repeated.
        repeats_source: whose they are.
        kappa: weight of the total size among both sizes of experts, or None where there are none.
        kappa_source: whose it is.
        compute: whether sizes are those that 6·N·D makes of the stated compute.
    """

    repeats: Mapping[str, float] | None = None
    repeats_source: str = ""
    kappa: float | None = None
    kappa_source: str = ""
    compute: bool = False

    def of(self, params: Array, tokens: Array, recipe: Mapping[str, Array]) -> tuple[Array, Array]:
        """Return the equivalent params and tokens; what is unknown of a recipe (NaN) changes nothing."""

        def known(name: str, otherwise: Array) -> Array:
            return np.where(np.isfinite(recipe[name]), recipe[name], otherwise)

        if self.compute:
            params = known("flops", 6 * params * tokens) / (6 * tokens)
        elif self.kappa is not None:
            params = known("params_active", params) ** (1 - self.kappa) * params**self.kappa
        if self.repeats is not None:
            params, tokens = with_repeats(params, tokens, known("unique_tokens", tokens), self.repeats)
        return params, tokens

    def panel(self, panel: Panel, columns: Mapping[str, Array]) -> Panel:
        """Return a panel whose runs stand at their equivalent sizes and tokens."""
        params, tokens = self.of(panel.params, panel.tokens, columns)
        return replace(panel, params=params, tokens=tokens)


def choose_equivalence(panel: Panel, columns: Mapping[str, Array], recipe: Recipe) -> Equivalence:
    """Choose the laws that a target's recipe and the columns of its ladder call for, fitted where the runs allow."""
    unique, active = columns["unique_tokens"], columns["params_active"]
    if recipe.flops is not None and not np.isfinite(columns["flops"]).all():
        raise InputError(
            "the compute of the target is given, and that of some runs is not",
            "fill the column flops of the table, or leave --flops out",
        )
    repeated = recipe.unique_tokens is not None or bool((unique < _SAME_SIZE * panel.tokens).any())
    experts = recipe.params_active is not None or bool((active < _SAME_SIZE * panel.params).any())
    law = get_law("repeated_data")
    repeats, source = law.published_values("muennighoff"), "the repeated_data law of Muennighoff et al. 2023"
    given = {"params": panel.params, "tokens": panel.tokens, "unique_tokens": unique}
    if repeated and (fit := _fitted("repeated_data", panel, given, "R_D", {"R_N": repeats["R_N"]})):
        repeats, source = (
            {**fit.parameters, "R_N": repeats["R_N"]},
            "the repeated_data law fitted to the ladder's losses",
        )
    kappa, kappa_source = _KAPPA, "the geometric mean of active and total size, as no fit says otherwise"
    given = {"params": panel.params, "params_active": active, "tokens": panel.tokens}
    if experts and (fit := _fitted("expert_parameters", panel, given, "kappa")):
        kappa, kappa_source = fit.parameters["kappa"], "the expert_parameters law fitted to the ladder's losses"
    return Equivalence(
        repeats if repeated else None,
        source,
        kappa if experts else None,
        kappa_source,
        recipe.flops is not None,
    )


def _fitted(
    name: str, panel: Panel, given: Mapping[str, Array], needed: str, fixed: Mapping[str, float] | None = None
) -> LawFit | None:
    """Fit a law to the first held-out loss that determines the parameter that is needed; None where none does."""
    from predictor.laws import Constraints, constrain

    law = constrain(get_law(name), Constraints(fixed or {}))
    for losses in panel.heldout_loss:
        seen = np.isfinite(losses) & np.all([np.isfinite(value) for value in given.values()], axis=0)
        if seen.sum() <= len(law.parameters):
            continue
        fit = fit_law(law, {key: value[seen] for key, value in given.items()}, losses[seen], starts=6)
        if fit.converged and needed not in fit.undetermined and needed not in fit.at_bounds:
            return fit
    return None


def loss_corrections(recipe: Recipe, params: float, tokens: float, ladder: Mapping[str, float]) -> list[Correction]:
    """Compute the changes of loss of a recipe's bits, precision and vocabulary.

    Args:
        recipe: of the target.
        params: its parameters.
        tokens: its training tokens.
        ladder: `vocabulary` of the ladder's runs, if known.

    Raises:
        InputError: a format that is not known, impossible bits, or a vocabulary without what its law needs.
    """
    found = []
    if recipe.bits is not None:
        if not 1 <= recipe.bits <= 64:
            raise InputError(f"{recipe.bits:g} bits per weight are no number format", "give 2 to 16 bits")
        law = get_law("low_bit")
        values = law.published_values("ouyang")
        lost = [
            float(law.evaluate(values, {"params": params, "tokens": tokens, "bits": bits}))
            for bits in (min(recipe.bits, _ENOUGH_BITS), _ENOUGH_BITS)
        ]
        found.append(Correction("bits", lost[0] - lost[1], "the low_bit law of Ouyang et al. 2024, not checked"))
    if recipe.precision is not None:
        found.append(_precision(recipe.precision, params, tokens))
    if recipe.vocabulary is not None:
        found.append(_vocabulary(recipe, ladder))
    return found


def _precision(name: str, params: float, tokens: float) -> Correction:
    if name.lower() not in FORMATS:
        raise InputError(f"unknown number format '{name}'", f"known are {', '.join(FORMATS)}")
    law = get_law("float_training")
    values = law.published_values("sun")
    exponent, mantissa = np.array([FORMATS[name.lower()], FORMATS["bf16"]], dtype=float).T
    losses = law.evaluate(
        values,
        {"params": params, "tokens": tokens, "exponent_bits": exponent, "mantissa_bits": mantissa, "block": _BLOCK},
    )
    return Correction("precision", float(losses[0] - losses[1]), "the float_training law of Sun et al. 2025")


def _vocabulary(recipe: Recipe, ladder: Mapping[str, float]) -> Correction:
    before = ladder.get("vocabulary")
    if before is None or recipe.width is None or recipe.vocabulary is None:
        raise InputError(
            "a vocabulary is corrected for by that of the ladder's runs and the width of the target",
            "write a column vocabulary into the table, and give --width",
        )
    values = get_law("vocabulary").published_values("tao")
    words = [values["A2"] * (size * recipe.width) ** -values["alpha2"] for size in (recipe.vocabulary, before)]
    return Correction("vocabulary", words[0] - words[1], "the vocabulary law of Tao et al. 2024")


def learning_rate_warning(recipe: Recipe, params: float, tokens: float, panel: Panel, rates: Array) -> str | None:
    """Return a warning with its cost where a target's learning rate, or a ladder's rule, misses the step law's optimum.

    A ladder whose learning rates lie off the optimum by one factor throughout is calibrated by its own scores. What
    counts is by how much more the target lies off than its runs do.

    Args:
        recipe: of the target.
        params: its parameters.
        tokens: its training tokens.
        panel: the ladder.
        rates: peak learning rates of the panel's observations, shape (observations,), NaN where unknown.
    """
    law = get_law("step_law")
    values = law.published_values("li")
    seen = np.isfinite(rates) & (rates > 0)
    off = np.log(rates[seen] / law.evaluate(values, {"params": panel.params[seen], "tokens": panel.tokens[seen]}))
    best = float(law.evaluate(values, {"params": params, "tokens": tokens}))
    rate = recipe.learning_rate or _extrapolated(panel.params[seen], rates[seen], params)
    if rate is None:
        return None
    target = float(np.log(rate / best))
    usual = float(np.mean(off)) if seen.any() else 0.0
    if abs(target - usual) <= np.log(_RATE_SLACK):
        return None
    cost = _RATE_COST * ((target - usual) ** 2)
    rule = "is" if recipe.learning_rate else "follows the ladder's rule to"
    return (
        f"the learning rate {rule} {rate:.3g}, where the step law's best is {best:.3g}: {_times(target - usual)} it, "
        f"as the ladder's runs lie to theirs. That costs about {cost:.3f} nats, which no forecast here includes"
    )


def _times(log_ratio: float) -> str:
    factor = float(np.exp(abs(log_ratio)))
    return f"{factor:.1f}x {'above' if log_ratio > 0 else 'below'}"


def _extrapolated(sizes: Array, rates: Array, params: float) -> float | None:
    """Continue a ladder's rule of learning rate over size, where it has one over two sizes or more."""
    if np.unique(sizes).size < 2:
        return None
    slope, intercept = np.polyfit(np.log(sizes), np.log(rates), 1)
    return float(np.exp(intercept + slope * np.log(params)))


def describe(recipe: Recipe) -> str:
    """Name what a recipe states, as `unique tokens 20B, bits 4`."""
    named = {name: value for name, value in recipe.to_json().items() if value is not None}
    return ", ".join(
        f"{name.replace('_', ' ')} {format_quantity(value) if isinstance(value, float) and value >= 1e3 else value}"
        for name, value in named.items()
    )
