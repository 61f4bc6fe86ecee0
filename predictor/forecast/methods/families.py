"""Curves whose shape several families share: what other models' scores say of how a benchmark rises.

A family of three or six runs does not show where a benchmark takes off or levels off; other people's models, scored on
the same benchmarks, do. As in observational scaling laws (Ruan et al. 2024, arXiv 2405.10938) families differ in how
much ability they get from the same size and data. The difference is estimated for each benchmark, near the family's
mean one, so that only the shape is shared and not the level.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor.errors import ForecastError
from predictor.forecast.methods.ability import FittedAbility
from predictor.forecast.methods.curves import LINKS, curve, curve_slopes, fit_curves
from predictor.forecast.methods.method import Array, Resampling, too_few_runs
from predictor.forecast.methods.scales import LawScales
from predictor.forecast.panel import Panel, build_panel
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
        value = curve(link, coordinates[:, :, None, :], ability)
        steepness = curve_slopes(link, coordinates[:, :, None, :], ability)[0] * coordinates[:, :, None, 1]
        seen = np.isfinite(self.panel.score)
        weight = np.where(seen, 1.0 / (self.panel.stderr**2 + _SCATTER**2), 0.0)
        moved = np.repeat(self.observed[:, None, :], ability.shape[1], axis=1)
        # What a shift would have to explain, had there been none so far.
        residual = np.where(seen, self.panel.score - value, 0.0) + steepness * (ability - moved)
        for number in range(1, int(self.family.max()) + 1):
            own = self.family == number
            pull = (weight[:, own] * steepness[..., own] * residual[..., own]).sum(axis=-1)
            stiffness = (weight[:, own] * steepness[..., own] ** 2).sum(axis=-1)
            # The benchmarks' shifts scatter around the family's: each says as much of it as its error leaves.
            says = stiffness / (1 + stiffness * _TASK_SPREAD**2)
            alone = pull / np.maximum(stiffness, 1e-12)
            mean = (says * alone).sum(axis=1) / (says.sum(axis=1) + _FAMILY_SPREAD**-2)
            shift = (pull + mean[:, None] * _TASK_SPREAD**-2) / (stiffness + _TASK_SPREAD**-2)
            moved[..., own] += np.clip(shift, -_LARGEST_SHIFT, _LARGEST_SHIFT)[..., None]
        return moved


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
        merged, family = self._merge(panel)
        alone = np.flatnonzero(~np.isfinite(merged.score[:, family > 0]).any(axis=1))
        reasons = dict.fromkeys(map(int, alone), f"no other family was scored on it on {_FEWEST_OF_OTHERS} runs")
        return {**reasons, **too_few_runs(panel, FEWEST_RUNS)}

    def fit(self, panel: Panel, resampling: Resampling) -> FittedAbility:
        """Fit the shared scale, the families' shifts and every series' curves."""
        merged, family = self._merge(panel)
        scales = LawScales.of(merged)
        align = _Alignment(merged, family, scales.observed)
        curves = (fit_curves(link, merged, scales.observed, resampling, self.name, align) for link in LINKS)
        return FittedAbility(scales, tuple(curves))

    def _merge(self, panel: Panel) -> tuple[Panel, NDArray[np.intp]]:
        """Put the other families' observations of a panel's series beside its own.

        A backtest must not see further through the others than the forecast itself will: of a panel whose largest
        runs were held out, the others are cut by as much.

        Returns:
            the panel and the number of each observation's family, 0 for the panel's own.
        """
        compute = 1.01 * self.reach * float(panel.flops.max())
        size = 1.01 * self.size_reach * float(panel.params.max())
        place = {(one.task, one.metric, one.num_fewshot): row for row, one in enumerate(panel.series)}
        parts, family = [panel], [np.zeros(panel.params.size, dtype=np.intp)]
        for whole in self.others:
            other = whole.observations((whole.flops <= compute) & (whole.params <= size))
            score = np.full((len(panel.series), other.params.size), np.nan)
            stderr = np.full_like(score, _UNKNOWN_ERROR)
            for row, one in enumerate(other.series):
                here = place.get((one.task, one.metric, one.num_fewshot))
                seen = np.isfinite(other.score[row])
                if here is None or np.unique(other.run[seen]).size < _FEWEST_OF_OTHERS:
                    continue
                score[here] = other.score[row]
                error = np.where(np.isfinite(other.stderr[row]), other.stderr[row], _UNKNOWN_ERROR)
                stderr[here] = np.hypot(error, _FOREIGN_ERROR)
            used = np.isfinite(score).any(axis=0)
            if used.any():
                parts.append(replace(other, score=score, stderr=stderr).observations(used))
                family.append(np.full(int(used.sum()), len(parts) - 1, dtype=np.intp))
        return _stack(parts), np.concatenate(family)


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
    )
