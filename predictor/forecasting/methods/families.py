"""Curves whose shape several families share: what other models' scores say of how a benchmark rises.

A family of three or six runs does not show where a benchmark takes off or levels off; other people's models, scored on
the same benchmarks, do. As in observational scaling laws (Ruan et al. 2024, arXiv 2405.10938) families differ in how
much ability they get from the same size and data. The difference is estimated for each benchmark, near the family's
mean one, so that only the shape is shared and not the level.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import ForecastError
from predictor.fitting.units import geometric_mean
from predictor.forecasting.methods.ability import FittedAbility
from predictor.forecasting.methods.curves import LINKS, Curves, curve, curve_slopes, fit_curves
from predictor.forecasting.methods.method import Array, Resampling, too_few_runs
from predictor.forecasting.methods.scales import LawScales
from predictor.forecasting.panel import Panel, build_panel
from predictor.results import Results

FEWEST_RUNS = 3
# Runs of another family below which it says nothing of a shape.
_FEWEST_OF_OTHERS = 2
# Standard deviations of a family's shift of ability, and of a benchmark's around it, in units of the runs' spread.
_FAMILY_SPREAD, _TASK_SPREAD = 1.0, 0.5
_LARGEST_SHIFT = 3.0
# Error of another family's score as a statement about this one's curve, and of one whose own error is not known.
_FOREIGN_ERROR, _UNKNOWN_ERROR = 0.01, 0.05
# Scatter around a curve beside a score's own error, while the shifts are estimated.
_SCATTER = 0.02
# Gauss-Newton steps to the shifts along curves that stand.
_STEPS = 5


@dataclass(frozen=True)
class FamilyShift:
    """How another family's scores lie to those of the family that is forecast, over all benchmarks they share.

    Attributes:
        family: the other one.
        compute: with how much compute, relative to its own, the family that is forecast scores like it; above one the
            other gets more from the same compute.
        low: lower end of the 95 % interval of `compute`.
        high: its upper end.
    """

    family: str
    compute: float
    low: float
    high: float

    @property
    def differs(self) -> bool:
        """Whether the interval leaves out one."""
        return not self.low <= 1.0 <= self.high

    def to_json(self) -> dict[str, Any]:
        """Give one entry of a forecast's record."""
        return asdict(self)


@dataclass(frozen=True)
class FittedFamilies(FittedAbility):
    """Curves shared by several families.

    Attributes:
        shifts: one for each other family.
    """

    shifts: tuple[FamilyShift, ...] = ()


@dataclass(frozen=True)
class _Alignment:
    """Finds the shifts of all families but the first.

    Attributes:
        panel: the merged observations.
        family: number of each observation's family, shape (M,), 0 the one that is forecast.
        observed: unshifted abilities, shape (G, M).
    """

    panel: Panel
    family: NDArray[np.intp]
    observed: Array

    def __call__(self, link: str, coordinates: Array, ability: Array) -> Array:
        """Move the other families' abilities (G, T, M) so that their scores fit the curves; one Gauss-Newton step."""
        return self.step(link, coordinates, ability)[0]

    def step(self, link: str, coordinates: Array, ability: Array) -> tuple[Array, Array, Array]:
        """Do that, and give each family's mean shift and its standard error, shapes (G, families), 0 for the first."""
        value = curve(link, coordinates[:, :, None, :], ability)
        steepness = curve_slopes(link, coordinates[:, :, None, :], ability)[0] * coordinates[:, :, None, 1]
        seen = np.isfinite(self.panel.score)
        weight = np.where(seen, 1.0 / (self.panel.stderr**2 + _SCATTER**2), 0.0)
        moved = np.repeat(self.observed[:, None, :], ability.shape[1], axis=1)
        # What a shift would have to explain, had there been none so far.
        residual = np.where(seen, self.panel.score - value, 0.0) + steepness * (ability - moved)
        means, errors = np.zeros((2, len(ability), int(self.family.max()) + 1))
        for number in range(1, int(self.family.max()) + 1):
            own = self.family == number
            pull = (weight[:, own] * steepness[..., own] * residual[..., own]).sum(axis=-1)
            stiffness = (weight[:, own] * steepness[..., own] ** 2).sum(axis=-1)
            # The benchmarks' shifts scatter around the family's: each says as much of it as its error leaves.
            says = stiffness / (1 + stiffness * _TASK_SPREAD**2)
            alone = pull / np.maximum(stiffness, 1e-12)
            certain = says.sum(axis=1) + _FAMILY_SPREAD**-2
            mean = (says * alone).sum(axis=1) / certain
            means[:, number], errors[:, number] = mean, certain**-0.5
            shift = (pull + mean[:, None] * _TASK_SPREAD**-2) / (stiffness + _TASK_SPREAD**-2)
            moved[..., own] += np.clip(shift, -_LARGEST_SHIFT, _LARGEST_SHIFT)[..., None]
        return moved, means, errors

    def shifts(self, curves: Curves, scales: LawScales, names: list[str]) -> tuple[FamilyShift, ...]:
        """State the families' shifts as factors of compute, by the likeliest curves of one link."""
        best = curves.scale[int(curves.weight.sum(axis=1).argmax())]
        candidates = np.flatnonzero(curves.scale == best)
        chosen = candidates[curves.weight[candidates].argmax(axis=0)]
        coordinates = curves.coordinates[chosen, np.arange(len(chosen))][None]
        alone = replace(self, observed=self.observed[[best]])
        ability = np.repeat(alone.observed[:, None, :], len(chosen), axis=1)
        for _ in range(_STEPS):
            ability, mean, error = alone.step(curves.link, coordinates, ability)
        # Ability gained by twice the compute, half of it in size and half in data, amid the observations.
        middle = [geometric_mean(one) for one in (self.panel.params, self.panel.tokens)]
        near, far = (scales.at(middle[0] * more, middle[1] * more)[best, 0] for more in (1.0, 2.0**0.5))
        factors = 2.0 ** ((mean[0] + np.outer([0.0, -1.96, 1.96], error[0])) / (far - near))
        return tuple(
            FamilyShift(name, *(float(factor) for factor in factors[:, number]))
            for number, name in enumerate(names)
            if number
        )


@dataclass(frozen=True)
class AbilityFamilies:
    """Over a shared law of size and data, with curves shared by all families.

    Attributes:
        others: the other families' observations.
        reach: compute of their largest run over that of the largest of the family that is forecast.
        size_reach: the same for parameters.
    """

    others: tuple[Panel, ...] = ()
    reach: float = 1.0
    size_reach: float = 1.0
    name: str = "ability_families"
    title: str = "all benchmarks over one ability, with curves that other families share"

    def bound_to(self, results: Results, panel: Panel) -> AbilityFamilies:
        """Read the other families of a table."""
        others = []
        for family in results.evals["family"].unique():
            if family == panel.family:
                continue
            try:
                other = build_panel(results, str(family))
            except ForecastError:
                continue
            if len(other.runs) >= _FEWEST_OF_OTHERS:
                others.append(other)
        compute, size = (
            max((float(one.max()) for one in values), default=0.0)
            for values in ([one.flops for one in others], [one.params for one in others])
        )
        return AbilityFamilies(tuple(others), compute / float(panel.flops.max()), size / float(panel.params.max()))

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series with fewer than three runs, and those that no other family was scored on."""
        merged, family, _ = self._merge(panel)
        alone = np.flatnonzero(~np.isfinite(merged.score[:, family > 0]).any(axis=1))
        reasons = dict.fromkeys(map(int, alone), f"no other family was scored on it on {_FEWEST_OF_OTHERS} runs")
        return {**reasons, **too_few_runs(panel, FEWEST_RUNS)}

    def fit(self, panel: Panel, resampling: Resampling) -> FittedFamilies:
        """Fit the shared scale, the families' shifts and every series' curves."""
        merged, family, names = self._merge(panel)
        scales = LawScales.of(merged)
        align = _Alignment(merged, family, scales.observed)
        curves = tuple(fit_curves(link, merged, scales.observed, resampling, self.name, align) for link in LINKS)
        return FittedFamilies(scales, curves, align.shifts(curves[0], scales, names))

    def _merge(self, panel: Panel) -> tuple[Panel, NDArray[np.intp], list[str]]:
        """Put the other families' observations of a panel's series beside its own.

        A backtest must not see further through the others than the forecast itself will: of a panel whose largest
        runs were held out, the others are cut by as much.

        Returns:
            the panel, the number of each observation's family, 0 for the panel's own, and the families' names.
        """
        compute = 1.01 * self.reach * float(panel.flops.max())
        size = 1.01 * self.size_reach * float(panel.params.max())
        place = {series.key: row for row, series in enumerate(panel.series)}
        parts, family = [panel], [np.zeros(panel.params.size, dtype=np.intp)]
        for whole in self.others:
            other = whole.observations((whole.flops <= compute) & (whole.params <= size)).with_ends()
            score = np.full((len(panel.series), other.params.size), np.nan)
            stderr = np.full_like(score, _UNKNOWN_ERROR)
            for row, series in enumerate(other.series):
                here = place.get(series.key)
                seen = np.isfinite(other.score[row])
                if here is None or np.unique(other.run[seen]).size < _FEWEST_OF_OTHERS:
                    continue
                score[here] = other.score[row]
                error = np.where(np.isfinite(other.stderr[row]), other.stderr[row], _UNKNOWN_ERROR)
                stderr[here] = np.hypot(error, _FOREIGN_ERROR)
            used = np.isfinite(score).any(axis=0)
            if used.any():
                parts.append(replace(other, score=score, stderr=stderr, stretches=None).observations(used))
                family.append(np.full(int(used.sum()), len(parts) - 1, dtype=np.intp))
        return _stack(parts), np.concatenate(family), [one.family for one in parts]


def _stack(parts: list[Panel]) -> Panel:
    """Join panels of the same series; losses are left out, no method over several families uses them."""
    first = [sum(len(one.runs) for one in parts[:number]) for number in range(len(parts))]
    count = sum(one.params.size for one in parts)
    return replace(
        parts[0],
        runs=tuple(f"{one.family}/{run}" for one in parts for run in one.runs),
        run=np.concatenate([start + one.run for start, one in zip(first, parts, strict=True)]),
        params=np.concatenate([one.params for one in parts]),
        tokens=np.concatenate([one.tokens for one in parts]),
        score=np.concatenate([one.score for one in parts], axis=1),
        stderr=np.concatenate([one.stderr for one in parts], axis=1),
        task_loss=np.full((len(parts[0].series), count), np.nan),
        heldout=(),
        heldout_loss=np.empty((0, count)),
        stretches=None,
    )
