"""How many times the compute one recipe is worth another: from a joint law of their losses, and from their scores."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.decisions.crossings import Crossing, all_roots, match_crossings
from predictor.decisions.joint_losses import Shape, StackedLosses, joint_law, stack_losses
from predictor.fitting import LawFit, fit_law, stable_generator
from predictor.forecasting import Forecaster
from predictor.forecasting.panel import Panel
from predictor.laws.law import Law

Array = NDArray[np.float64]

_RESAMPLES = 200
_STARTS = 4
_MOST_LOSSES = 4
# With more families each is compared with the best only.
_MOST_FAMILIES_FOR_ALL_PAIRS = 4
# How far beyond the target crossings are looked for.
_BEYOND = 100.0
# A law with more of its own must lower the BIC by so much: strong evidence (Kass and Raftery 1995).
_STRONG = 6.0
_POINTS_ALONG = 5
_MOST = 1e6
# A score nearer to chance or 1 than this has no stable logit.
_EDGE = 0.01


@dataclass(frozen=True)
class Evidence:
    """What one loss or benchmark says of a pair.

    Attributes:
        name: the loss or benchmark.
        multiplier: how many times its compute the other recipe needs to match the first; inf, and null in JSON, where a
            million times are not enough.
        interval: of the multiplier, 80%.
    """

    name: str
    multiplier: float
    interval: tuple[float, float]

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        ends = [_finite(end) for end in self.interval]
        return {"name": self.name, "multiplier": _finite(self.multiplier), "interval_80": ends}


@dataclass(frozen=True)
class LossMultiplier(Evidence):
    """What a joint law of two recipes' losses says.

    Attributes:
        shape: what the two laws share, chosen by BIC.
        along: compute in FLOPs -> multiplier there, from the ladder to the target.
        data_efficiency: how many times the tokens the other recipe needs at the target's size, with its interval; None
            where sizes and tokens do not vary apart.
        crossings: where the two recipes change places.
    """

    shape: Shape
    along: tuple[tuple[float, float], ...]
    data_efficiency: tuple[float, float, float] | None
    crossings: tuple[Crossing, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        return {
            **super().to_json(),
            "shape": self.shape,
            "along": [{"flops": flops, "multiplier": _finite(value)} for flops, value in self.along],
            "data_efficiency": self.data_efficiency and [_finite(value) for value in self.data_efficiency],
            "crossings": [crossing.to_json() for crossing in self.crossings],
        }


@dataclass(frozen=True)
class Multiplier:
    """One recipe against another.

    Attributes:
        a: the first family.
        b: the other.
        overall: what counts: the losses together, or the benchmarks together where no loss can be fitted.
        losses: what each held-out loss says at the target.
        benchmarks: what each benchmark says over the scales of both.
        over_benchmarks: all benchmarks together, None where none can be fitted.
    """

    a: str
    b: str
    overall: Evidence
    losses: tuple[LossMultiplier, ...]
    benchmarks: tuple[Evidence, ...]
    over_benchmarks: Evidence | None

    def to_json(self) -> dict[str, Any]:
        """Return the object of the `compare --json` contract."""
        return {
            "a": self.a,
            "b": self.b,
            "overall": self.overall.to_json(),
            "losses": [evidence.to_json() for evidence in self.losses],
            "benchmarks": [evidence.to_json() for evidence in self.benchmarks],
            "over_benchmarks": self.over_benchmarks and self.over_benchmarks.to_json(),
        }


def compute_multipliers(
    forecasters: Mapping[str, Forecaster], params: float, tokens: float, best: str, seed: int = 0
) -> tuple[Multiplier, ...]:
    """Compute the compute multipliers between families at a target.

    Args:
        forecasters: family -> what was fitted to its runs.
        params: parameters of the target.
        tokens: its training tokens.
        best: the family that others are compared with where there are many.
        seed: of the resampling.

    Returns:
        one for each pair that has a loss or a benchmark in common; of many families, each against the best.
    """
    names = list(forecasters)
    if len(names) <= _MOST_FAMILIES_FOR_ALL_PAIRS:
        pairs = list(itertools.combinations([best, *(name for name in names if name != best)], 2))
    else:
        pairs = [(best, name) for name in names if name != best]
    found = (pair_multiplier(forecasters[a].panel, forecasters[b].panel, params, tokens, seed) for a, b in pairs)
    return tuple(multiplier for multiplier in found if multiplier is not None)


def pair_multiplier(a: Panel, b: Panel, params: float, tokens: float, seed: int = 0) -> Multiplier | None:
    """Compute how many times the compute family b needs to match family a; None where they share nothing that fits."""
    shared = [name for name in a.heldout if name in b.heldout][:_MOST_LOSSES]
    losses = tuple(
        found
        for name in shared
        if (found := _from_loss(name, stack_losses(a, b, name), params, tokens, seed)) is not None
    )
    benchmarks = _from_benchmarks(a, b)
    over = _together("benchmarks", benchmarks)
    overall = _together("losses", losses) or over
    return None if overall is None else Multiplier(a.family, b.family, overall, losses, benchmarks, over)


def _from_loss(name: str, seen: StackedLosses, params: float, tokens: float, seed: int) -> LossMultiplier | None:
    apart = seen.apart
    inputs = {**seen.inputs, "flops": 6 * seen.inputs["params"] * seen.inputs["tokens"]}
    chosen: tuple[float, Shape, LawFit] | None = None
    shapes: tuple[Shape, ...] = ("one multiplier", "shared exponents", "own exponents")
    for shape in shapes:
        law = joint_law(shape, apart)
        if min(np.bincount(seen.inputs["family"].astype(int), minlength=2)) < len(law.parameters) // 2 + 1:
            continue
        fit = fit_law(law, inputs, seen.loss, run=seen.run, starts=_STARTS)
        if not fit.converged or fit.freedom == 0:
            continue
        score = _bic(fit)
        if chosen is None or score < chosen[0] - _STRONG:
            chosen = (score, shape, fit)
    if chosen is None:
        return None
    _, shape, fit = chosen
    draws = _draws(fit, seed)
    return _read(name, shape, fit.law, fit.parameters, draws, seen, params, tokens)


def _draws(fit: LawFit, seed: int) -> list[dict[str, float]]:
    """Draw parameters from Student's t around the fit, by its covariance.

    On planted pairs these intervals hold the multiplier as often as they say, where those of a wild bootstrap hold it
    five points less often.
    """
    random = stable_generator(seed, "multiplier")
    size = fit.coordinates.size
    values, vectors = np.linalg.eigh(fit.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    heavy = np.sqrt(fit.freedom / random.chisquare(fit.freedom, _RESAMPLES))[:, None]
    moved = fit.coordinates + heavy * (random.standard_normal((_RESAMPLES, size)) @ root.T)
    drawn = fit.law.outside(np.clip(moved, fit.problem.lower, fit.problem.upper))
    return [dict(zip(fit.law.parameter_names, row, strict=True)) for row in drawn.tolist()]


def _bic(fit: LawFit) -> float:
    residual = fit.problem.residual(fit.coordinates)
    number = residual.size
    return number * float(np.log(np.mean(residual**2))) + len(fit.law.parameters) * float(np.log(number))


def _read(
    name: str,
    shape: Shape,
    law: Law,
    values: dict[str, float],
    draws: list[dict[str, float]],
    seen: StackedLosses,
    params: float,
    tokens: float,
) -> LossMultiplier:
    target = 6 * params * tokens
    first = float((6 * seen.inputs["params"] * seen.inputs["tokens"]).min())
    ratio = tokens / params
    at = partial(_multiplier, law, ratio=ratio)
    ends = _ends([at(drawn, target) for drawn in draws])
    along = tuple((float(flops), at(values, flops)) for flops in np.geomspace(first, target, _POINTS_ALONG))
    efficiency = None
    if "tokens" in law.input_names:
        many = partial(_data_multiplier, law, params=params, tokens=tokens)
        efficiency = (many(values), *_ends([many(drawn) for drawn in draws]))

    def gap(drawn: Mapping[str, float], flops: Array) -> Array:
        return _loss(law, drawn, flops, ratio, 0.0) - _loss(law, drawn, flops, ratio, 1.0)

    span = first, _BEYOND * target
    crossings = match_crossings(
        all_roots(partial(gap, values), *span), [all_roots(partial(gap, drawn), *span) for drawn in draws]
    )
    return LossMultiplier(name, at(values, target), ends, shape, along, efficiency, crossings)


def _loss(law: Law, values: Mapping[str, float], flops: Array, ratio: float, family: float) -> Array:
    size = np.sqrt(flops / (6 * ratio))
    points = {"params": size, "tokens": ratio * size, "flops": flops, "family": np.full(np.shape(flops), family)}
    return law.evaluate(values, {key: points[key] for key in law.input_names})


def _multiplier(law: Law, values: Mapping[str, float], flops: float, *, ratio: float) -> float:
    """Find how many times the compute family b needs at one ratio of tokens to size."""
    wanted = float(_loss(law, values, np.array(flops), ratio, 0.0))
    return _solve(lambda many: float(_loss(law, values, np.array(flops * many), ratio, 1.0)) - wanted)


def _data_multiplier(law: Law, values: Mapping[str, float], *, params: float, tokens: float) -> float:
    """Find how many times the tokens family b needs at one size."""

    def loss(data: float, family: float) -> float:
        return float(law.evaluate(values, {"params": params, "tokens": data, "family": family}))

    wanted = loss(tokens, 0.0)
    return _solve(lambda many: loss(tokens * many, 1.0) - wanted)


def _finite(multiplier: float) -> float | None:
    """Return a multiplier as JSON has it, which knows no infinity."""
    return multiplier if np.isfinite(multiplier) else None


def _solve(gap: Callable[[float], float]) -> float:
    """Find where a falling gap is zero; inf, or 0, where that lies beyond every multiple."""
    from scipy.optimize import brentq

    low, high = 1 / _MOST, _MOST
    if gap(high) > 0:
        return float("inf")
    if gap(low) < 0:
        return 0.0
    return float(np.exp(brentq(lambda log_many: gap(float(np.exp(log_many))), np.log(low), np.log(high))))


def _ends(values: list[float]) -> tuple[float, float]:
    low, high = np.quantile(np.array(values), [0.1, 0.9], method="nearest")
    return float(low), float(high)


def _from_benchmarks(a: Panel, b: Panel) -> tuple[Evidence, ...]:
    found = []
    numbers = {series.key: row for row, series in enumerate(b.series)}
    for row, series in enumerate(a.series):
        other = numbers.get(series.key)
        if other is None:
            continue
        evidence = _from_scores(series.label, series.chance or 0.0, (a, row), (b, other))
        if evidence is not None:
            found.append(evidence)
    return tuple(found)


def _from_scores(name: str, chance: float, a: tuple[Panel, int], b: tuple[Panel, int]) -> Evidence | None:
    """Read the shift in log compute between two families' logits, which share a parabola; delta method."""
    from scipy.stats import t

    x, y, family = [], [], []
    for number, (panel, row) in enumerate((a, b)):
        share = (panel.score[row] - chance) / (1 - chance)
        seen = np.isfinite(share) & (share > _EDGE) & (share < 1 - _EDGE)
        x.append(np.log(panel.flops[seen]))
        y.append(np.log(share[seen] / (1 - share[seen])))
        family.append(np.full(int(seen.sum()), float(number)))
    if min(map(len, x)) < 3:
        return None
    compute, logit, other = np.concatenate(x), np.concatenate(y), np.concatenate(family)
    middle = (max(map(np.min, x)) + min(map(np.max, x))) / 2
    z = compute - middle
    design = np.column_stack([np.ones_like(z), z, other, z**2][: 4 if z.size > 8 else 3])
    freedom = z.size - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        return None
    fitted = np.linalg.lstsq(design, logit, rcond=None)[0]
    slope, shift = float(fitted[1]), float(fitted[2])
    spread = float(np.sum((design @ fitted - logit) ** 2)) / freedom
    covariance = spread * np.linalg.inv(design.T @ design)
    if slope <= 2 * np.sqrt(covariance[1, 1]):
        # Scores that do not rise with compute say nothing of what compute is worth.
        return None
    gradient = np.array([shift / slope**2, -1 / slope])
    error = float(np.sqrt(gradient @ covariance[1:3, 1:3] @ gradient))
    log_many, width = -shift / slope, float(t.ppf(0.9, freedom)) * error
    return Evidence(name, float(np.exp(log_many)), (float(np.exp(log_many - width)), float(np.exp(log_many + width))))


def _together(name: str, evidence: tuple[Evidence, ...]) -> Evidence | None:
    """Combine what several say, by random effects over their logarithms (DerSimonian and Laird 1986)."""
    usable = [one for one in evidence if one.interval[0] > 0 and np.isfinite([one.multiplier, one.interval[1]]).all()]
    if not usable:
        return None
    if len(usable) == 1:
        return replace(Evidence(name, usable[0].multiplier, usable[0].interval))
    middle = np.log([one.multiplier for one in usable])
    error = np.array([np.log(one.interval[1] / one.interval[0]) / (2 * 1.2816) for one in usable])
    weight = 1 / np.maximum(error, 1e-6) ** 2
    mean = float(np.average(middle, weights=weight))
    excess = float(weight @ (middle - mean) ** 2) - (len(usable) - 1)
    between = max(0.0, excess / (weight.sum() - (weight**2).sum() / weight.sum()))
    total = 1 / (np.maximum(error, 1e-6) ** 2 + between)
    mean = float(np.average(middle, weights=total))
    # Losses of one set of runs share their noise: the mean is no better known than the best of them.
    width = 1.2816 * max(float(1 / np.sqrt(total.sum())), float(error.min()) if name == "losses" else 0.0)
    return Evidence(name, float(np.exp(mean)), (float(np.exp(mean - width)), float(np.exp(mean + width))))
