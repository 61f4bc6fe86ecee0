"""Latent skills that all families share: what other people's models say of a family with one run, two, or a few.

In the spirit of observational scaling laws (Ruan et al. 2024, arXiv 2405.10938) and of Sloth (Polo et al. 2024, arXiv
2412.06540), as a Gaussian process (`predictor.forecasting.skills`): what a family has beyond the population's trend is
estimated from its own runs, shrunken by how much families differ, and shared between benchmarks by their skills.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from predictor.fitting import stable_generator
from predictor.forecasting.atlas.charts import Atlas, Chart, load_atlas
from predictor.forecasting.methods.method import Array, Resampling
from predictor.forecasting.panel import Panel
from predictor.forecasting.skills.covariance import Covariance
from predictor.forecasting.skills.kinship import Kinship, read_kinship
from predictor.forecasting.skills.process import Posterior, condition, learn, to_score
from predictor.forecasting.skills.trend import Trend
from predictor.forecasting.skills.world import (
    PARAMS_ORIGIN,
    TOKENS_ORIGIN,
    Models,
    World,
    build_world,
    other_families,
)
from predictor.quantity import format_quantity
from predictor.results import Results
from predictor.results.series import Series

# Beyond so many own runs their own laws say more, and the work would grow with the cube of their number.
MOST_RUNS = 12
# Models of other families that a benchmark must have been scored on, and their families.
FEWEST_MODELS, FEWEST_FAMILIES = 6, 3
# Benchmarks that are looked at together: those scored most often stand in every group.
_ANCHORS, _GROUP, _MOST_SCORES = 6, 14, 1300
# Decades within which two scales count as one.
_ALIKE = 0.005
# Factor over the largest model seen from which a target counts as beyond it.
_BEYOND = 1.1


@dataclass(frozen=True)
class Reach:
    """The largest models behind a group of benchmarks.

    Attributes:
        source: the atlas's chart or the other families that they belong to.
        params: the most parameters of any of them.
        tokens: the most training tokens.
    """

    source: str
    params: float
    tokens: float

    @classmethod
    def of(cls, source: str, world: World) -> Reach:
        """Return the reach of a world of models; unknown training tokens are left out."""
        models, known = world.models, world.models.unknown == 0
        params = PARAMS_ORIGIN * 10.0 ** models.size.max(initial=-np.inf)
        return cls(source, float(params), float(TOKENS_ORIGIN * 10.0 ** models.data[known].max(initial=-np.inf)))

    def warnings(self, params: float, tokens: float) -> list[str]:
        """Return a line for each of a target's parameters and training tokens that none of the models has."""
        measures = ((params, self.params, "parameters"), (tokens, self.tokens, "training tokens"))
        return [
            f"the target has {format_quantity(asked)} {what}, {self.source} ends at {format_quantity(seen)}: beyond "
            "it the shared skills extrapolate their trend"
            for asked, seen, what in measures
            if 0 < _BEYOND * seen < asked
        ]


@dataclass(frozen=True)
class SkillGroup:
    """Benchmarks that are looked at together.

    Attributes:
        rows: numbers of their series in the panel that the method was bound to.
        answered: those of them whose forecast is read from this group.
        world: the other families' models on them.
        covariance: learnt from that world, or the atlas's.
        reach: the largest models that the benchmarks were seen on.
        trend: the atlas's, None where the table's other families speak for themselves.
    """

    rows: NDArray[np.intp]
    answered: NDArray[np.bool_]
    world: World
    covariance: Covariance
    reach: Reach
    trend: Trend | None = None


@dataclass(frozen=True)
class FittedSkills:
    """Posteriors of all groups.

    Attributes:
        parts: posterior of each group, places in the panel of its benchmarks, and which of them it answers.
        count: number of series of the panel.
        family: whose runs.
        kinship: base and tuning of the families.
        resampling: how many draws.
        reaches: of the charts and other families that its benchmarks lean on.
    """

    parts: tuple[tuple[Posterior, NDArray[np.intp], NDArray[np.bool_]], ...]
    count: int
    family: str
    kinship: Mapping[str, Kinship]
    resampling: Resampling
    reaches: tuple[Reach, ...] = ()

    def warnings(self, params: float, tokens: float) -> list[str]:
        """Return a line for each way in which a target lies beyond all models that its forecast leans on."""
        return [line for reach in dict.fromkeys(self.reaches) for line in reach.warnings(params, tokens)]

    def predict(self, params: float, tokens: float) -> Array:
        """Predict a model's scores, shape (T, 1 + R): medians, then joint draws over the benchmarks of each group."""
        answer = np.full((self.count, 1 + self.resampling.resamples), np.nan)
        for posterior, places, answered in self.parts:
            model = Models.of([self.family], self.kinship, np.array([params]), np.array([tokens]), first=-1)
            mean, covariance = posterior.predict(model)
            # The same normal draws for every group and target: curves are smooth and groups move together.
            generator = stable_generator(self.resampling.seed, "skills")
            normal = generator.standard_normal((self.resampling.resamples, mean.size))
            root = np.linalg.cholesky(covariance + 1e-9 * np.eye(mean.size))
            latent = np.concatenate([mean, mean + normal @ root.T])
            scores = to_score(latent, posterior.world.chance)
            answer[places[answered]] = scores.T[answered]
        return np.clip(answer, 0.0, 1.0)


@dataclass(frozen=True)
class Skills:
    """Latent skills shared by all benchmarks and families.

    Attributes:
        groups: of benchmarks, with what the other families say of them.
        keys: benchmarks of the panel it was bound to.
        too_many: whether the family has more runs than the method is for.
        kinship: base and tuning of the families.
        reach: decades of compute, and of parameters, by which the other families' largest model lies beyond the largest
            run of the family that is forecast.
        atlas: whether the atlas of public models may stand in for other families.
        notes: what a reader should know of the atlas's part.
    """

    groups: tuple[SkillGroup, ...] = ()
    keys: tuple[Series, ...] = ()
    too_many: bool = False
    kinship: Mapping[str, Kinship] = field(default_factory=dict)
    reach: tuple[float, float] = (np.inf, np.inf)
    atlas: bool = True
    notes: tuple[str, ...] = ()
    name: str = "skills"
    title: str = "latent skills that all benchmarks and families share"

    def bound_to(self, results: Results, panel: Panel) -> Skills:
        """Learn from the other families of a table, and from the atlas where these are too few."""
        keys = tuple(benchmark.key for benchmark in panel.series)
        families = results.families()
        kinship = read_kinship(results.path, families)
        if len(panel.runs) > MOST_RUNS:
            return replace(self, keys=keys, too_many=True, kinship=kinship)
        world = other_families(results, panel.family, panel.series, kinship).with_floors()
        enough = np.flatnonzero(_supported(world))
        own = build_world(panel, [panel.family] * len(panel.runs), panel.series, kinship)
        groups, others = [], Reach.of("the table's other families", world)
        for rows, answered in _grouped(enough, np.isfinite(world.score).sum(axis=0), len(world.models)):
            part = world.benchmarks(rows)
            part = part.take(np.flatnonzero(np.isfinite(part.score).any(axis=1)))
            # All families together say how large the components are: the same for each of them.
            learnt = learn(part.join(own.benchmarks(rows)))
            groups.append(SkillGroup(rows, answered, part, learnt, others))
        (compute, size), (own_compute, own_size) = _largest(world), _largest(own)
        reach = compute - own_compute, size - own_size
        charted, notes = self._charted(panel, own, world, np.setdiff1d(np.arange(len(keys)), enough))
        return replace(self, groups=(*groups, *charted), keys=keys, kinship=kinship, reach=reach, notes=notes)

    def _charted(
        self, panel: Panel, own: World, world: World, rows: NDArray[np.intp]
    ) -> tuple[list[SkillGroup], tuple[str, ...]]:
        """Find charts of the atlas for benchmarks that too few other families were scored on."""
        groups: list[SkillGroup] = []
        notes: list[str] = []
        atlas = load_atlas() if self.atlas and rows.size else Atlas("", ())
        for chart in sorted(atlas.charts, key=lambda chart: -_matches(chart, panel, rows)):
            places = np.array(chart.find([panel.series[row] for row in rows]), dtype=np.intp)
            found = np.flatnonzero(places >= 0)
            if not found.size:
                continue
            if chart.recognises(panel.family, panel.series, own):
                notes.append(f"the atlas's chart {chart.name} was fitted to runs of {panel.family} and is not used")
                continue
            # Families that the chart has seen would count twice.
            known = [chart.recognises(str(name), ()) for name in world.models.family]
            others = world.benchmarks(rows[found]).take(np.flatnonzero(~np.array(known, dtype=bool)))
            others = others.take(np.flatnonzero(np.isfinite(others.score).any(axis=1)))
            kept = chart.select(places[found])
            answered = np.ones(found.size, dtype=bool)
            reach = Reach(f"the atlas's chart {chart.name}", chart.params[1], chart.tokens[1])
            groups.append(SkillGroup(rows[found], answered, others, kept.covariance, reach, kept.trend))
            notes.append(
                f"{found.size} benchmarks lean on the atlas's chart {chart.name} ({chart.models} models of "
                f"{len(chart.families)} families, {atlas.date}); --no-atlas leaves it out"
            )
            rows = np.delete(rows, found)
        return groups, tuple(notes)

    def refuse(self, panel: Panel) -> dict[int, str]:
        """Refuse series that too few other models were scored on, and families with many runs of their own."""
        if self.too_many:
            return dict.fromkeys(range(len(panel.series)), f"made for at most {MOST_RUNS} runs")
        known = {self.keys[row] for group in self.groups for row in group.rows}
        reason = (
            f"fewer than {FEWEST_MODELS} models of {FEWEST_FAMILIES} other families were scored on it, and the atlas "
            "does not cover it"
        )
        return {row: reason for row, benchmark in enumerate(panel.series) if benchmark.key not in known}

    def fit(self, panel: Panel, resampling: Resampling) -> FittedSkills:
        """Condition on the panel's runs beside the others'."""
        place = {benchmark.key: row for row, benchmark in enumerate(panel.series)}
        own = build_world(panel, [panel.family] * len(panel.runs), panel.series, self.kinship)
        # A backtest must not see further through the others than the forecast itself will: of a panel whose largest
        # runs were held out, the others are cut by as much.
        limits = [here + beyond + _ALIKE for here, beyond in zip(_largest(own), self.reach, strict=True)]
        parts, reaches = [], []
        for group in self.groups:
            places = np.array([place.get(self.keys[row], -1) for row in group.rows], dtype=np.intp)
            answered = group.answered & (places >= 0)
            if not answered.any():
                continue
            here = own.benchmarks(np.maximum(places, 0))
            here = replace(here, score=np.where(places >= 0, here.score, np.nan))
            scale = _scales(group.world)
            others = group.world.take(np.flatnonzero((scale[0] <= limits[0]) & (scale[1] <= limits[1])))
            parts.append((condition(group.covariance, others.join(here), group.trend), places, answered))
            reaches.append(group.reach)
        return FittedSkills(tuple(parts), len(panel.series), panel.family, self.kinship, resampling, tuple(reaches))


def _matches(chart: Chart, panel: Panel, rows: NDArray[np.intp]) -> int:
    return sum(place >= 0 for place in chart.find([panel.series[row] for row in rows]))


def _scales(world: World) -> tuple[Array, Array]:
    """Return each model's compute and parameters in decades; a model of unknown tokens has its parameters' only."""
    models = world.models
    return np.where(models.unknown > 0, -np.inf, models.size + models.data), models.size


def _largest(world: World) -> tuple[float, float]:
    compute, size = (float(values.max(initial=-np.inf)) for values in _scales(world))
    return compute, size


def _supported(world: World) -> NDArray[np.bool_]:
    """Return which benchmarks were scored on enough models of enough families, shape (T,)."""
    seen = np.isfinite(world.score)
    families = np.array([len(set(world.models.family[column])) for column in seen.T])
    return np.asarray((seen.sum(axis=0) >= FEWEST_MODELS) & (families >= FEWEST_FAMILIES))


def _grouped(
    rows: NDArray[np.intp], scored: NDArray[np.intp], models: int
) -> list[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Part benchmarks into groups, each with the most scored ones, and mark what each group answers."""
    size = int(np.clip(_MOST_SCORES // max(models, 1), _ANCHORS + 2, _GROUP))
    if rows.size <= size:
        return [(rows, np.ones(rows.size, dtype=bool))] if rows.size else []
    anchors = np.sort(rows[np.argsort(-scored[rows], kind="stable")][:_ANCHORS])
    rest = np.setdiff1d(rows, anchors)
    groups = []
    for number, start in enumerate(range(0, rest.size, size - _ANCHORS)):
        slice_ = rest[start : start + size - _ANCHORS]
        answered = np.concatenate([np.full(anchors.size, number == 0), np.ones(slice_.size, dtype=bool)])
        groups.append((np.concatenate([anchors, slice_]), answered))
    return groups
