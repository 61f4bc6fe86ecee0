"""All models of a table with their final scores: what the skills are learnt from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from predictor.errors import ForecastError
from predictor.forecasting.panel import Benchmark, Panel, build_panel
from predictor.forecasting.skills.kinship import Kinship
from predictor.results import Results

Array = NDArray[np.float64]

# Origin of the logarithms of size and tokens: amid the public models.
PARAMS_ORIGIN, TOKENS_ORIGIN = 7e9, 1e12
# Standard error of a score whose own is not known.
UNKNOWN_ERROR = 0.01
# Name of a panel over all families, and what stands between a family and its run there.
_EVERYONE, _SEPARATOR = "every other family", "\x1f"


@dataclass(frozen=True)
class Models:
    """M models.

    Attributes:
        family: names of their families, shape (M,).
        base: names of the bases that the families were made from, shape (M,).
        tuned: 1 for models tuned after pretraining, else 0, shape (M,).
        size: decades of parameters from 7B, shape (M,).
        data: decades of training tokens from 1T, shape (M,); a stand-in where unknown.
        unknown: 1 where the training tokens are unknown, else 0, shape (M,).
        number: distinguishes the models, shape (M,).
    """

    family: NDArray[np.str_]
    base: NDArray[np.str_]
    tuned: Array
    size: Array
    data: Array
    unknown: Array
    number: NDArray[np.intp]

    @classmethod
    def of(
        cls,
        families: Sequence[str],
        kinship: Mapping[str, Kinship],
        params: Array,
        tokens: Array,
        first: int = 0,
    ) -> Models:
        """Describe models by family, parameters and training tokens (NaN where unknown)."""
        data = np.log10(np.asarray(tokens, dtype=float) / TOKENS_ORIGIN)
        unknown = np.isnan(data)
        return cls(
            family=np.array(families, dtype=str),
            base=np.array([kinship[family].base for family in families], dtype=str),
            tuned=np.array([float(kinship[family].tuned) for family in families]),
            size=np.log10(np.asarray(params, dtype=float) / PARAMS_ORIGIN),
            data=np.where(unknown, 0.0, data),
            unknown=unknown.astype(float),
            number=np.arange(first, first + len(families), dtype=np.intp),
        )

    def __len__(self) -> int:
        return len(self.number)

    def with_data_filled_in(self) -> Models:
        """Put the mean of the others for training tokens that are unknown; the covariance knows which those are."""
        known = self.unknown == 0
        middle = float(self.data[known].mean()) if known.any() else 0.0
        return replace(self, data=np.where(known, self.data, middle))

    def take(self, which: NDArray[np.intp]) -> Models:
        """Select models by their place."""
        return Models(**{name: getattr(self, name)[which] for name in self.__dataclass_fields__})


@dataclass(frozen=True)
class World:
    """Scores of M models on T benchmarks.

    Attributes:
        models: the M models.
        score: shape (M, T), NaN where not scored.
        stderr: standard errors, the same shape.
        chance: chance level of each benchmark, shape (T,); 0 where there is none.
    """

    models: Models
    score: Array
    stderr: Array
    chance: Array

    def take(self, which: NDArray[np.intp]) -> World:
        """Select models by their place."""
        return replace(self, models=self.models.take(which), score=self.score[which], stderr=self.stderr[which])

    def benchmarks(self, which: NDArray[np.intp]) -> World:
        """Select benchmarks by their place."""
        return replace(self, score=self.score[:, which], stderr=self.stderr[:, which], chance=self.chance[which])

    def with_floors(self) -> World:
        """Lower chance levels to where models clearly score below them, as `effective_floor` does for one family."""
        reached = np.where(np.isfinite(self.score), self.score + 2 * self.stderr, np.inf)
        lowest = reached.min(axis=0, initial=np.inf)
        return replace(self, chance=np.clip(np.minimum(self.chance, lowest), 0.0, 1.0))

    def in_order(self) -> World:
        """Sort the models that were scored by family, size and data, and number them anew."""
        models = self.models
        order = np.lexsort((*np.nan_to_num(self.score, nan=-1.0).T, models.data, models.size, models.family))
        scored = self.take(order[np.isfinite(self.score[order]).any(axis=1)])
        return replace(scored, models=replace(scored.models, number=np.arange(len(scored.models), dtype=np.intp)))

    def digest(self) -> str:
        """Return a hash of everything in it."""
        models = [np.ascontiguousarray(getattr(self.models, name)) for name in Models.__dataclass_fields__]
        parts = [part.tobytes() for part in (*models, self.score, self.stderr, self.chance)]
        return hashlib.sha256(b"\x1f".join(parts)).hexdigest()

    def join(self, other: World) -> World:
        """Put the models of another world of the same benchmarks behind these."""
        names = Models.__dataclass_fields__
        joined = {name: np.concatenate([getattr(self.models, name), getattr(other.models, name)]) for name in names}
        joined["number"] = np.arange(len(joined["number"]))
        return replace(
            self,
            models=Models(**joined),
            score=np.concatenate([self.score, other.score]),
            stderr=np.concatenate([self.stderr, other.stderr]),
        )


def final_scores(panel: Panel, series: Sequence[Benchmark]) -> tuple[Array, Array, Array, Array]:
    """Return the size, tokens, final scores and standard errors of a panel's runs, on the series named.

    Returns:
        params and tokens, shape (runs,), then scores and standard errors, shape (runs, len(series)), NaN where a run
        was not scored.
    """
    place = {benchmark.key: row for row, benchmark in enumerate(panel.series)}
    rows = [place.get(benchmark.key) for benchmark in series]
    count = len(panel.runs)
    score, stderr = np.full((count, len(series)), np.nan), np.full((count, len(series)), np.nan)
    params, tokens = np.empty(count), np.empty(count)
    for run in range(count):
        own = np.flatnonzero(panel.run == run)
        own = own[np.argsort(panel.tokens[own], kind="stable")]
        params[run], tokens[run] = panel.params[own[-1]], panel.tokens[own[-1]]
        for column, row in enumerate(rows):
            if row is None:
                continue
            # Only the last checkpoint: an earlier one is another amount of data.
            score[run, column], stderr[run, column] = panel.score[row, own[-1]], panel.stderr[row, own[-1]]
    # Where the number of items is unknown the panel assumes few; the spread of models says better how noisy scores are.
    most = np.array([np.inf if benchmark.n_items else UNKNOWN_ERROR for benchmark in series])
    stderr = np.minimum(np.where(np.isfinite(stderr), stderr, UNKNOWN_ERROR), most)
    return params, tokens, score, stderr


def build_world(
    panel: Panel, families: Sequence[str], series: Sequence[Benchmark], kinship: Mapping[str, Kinship]
) -> World:
    """Collect the final scores of a panel's runs, whose families are named run by run, on the series named."""
    params, tokens, score, stderr = final_scores(panel, series)
    chance = np.array([benchmark.chance or 0.0 for benchmark in series])
    return World(Models.of(families, kinship, params, tokens), score, stderr, chance)


def other_families(results: Results, family: str, series: Sequence[Benchmark], kinship: Mapping[str, Kinship]) -> World:
    """Collect the final scores of all families of a table but one, on the series named.

    Models whose training tokens are unknown are among them.
    """
    chance = np.array([benchmark.chance or 0.0 for benchmark in series])
    nothing = np.empty((0, len(series)))
    world = World(Models.of([], kinship, np.empty(0), np.empty(0)), nothing, nothing, chance)
    for evals in (results.evals, results.unknown_tokens):
        if evals is None:
            continue
        rows = evals[evals["family"] != family]
        if rows.empty:
            continue
        # One panel of all families is built as quickly as one of a single family.
        joined = rows["family"].astype(str) + _SEPARATOR + rows["run"].astype(str)
        unknown = evals is results.unknown_tokens
        tokens = {"tokens": 1} if unknown else {}
        everyone = replace(results, evals=rows.assign(run=joined, family=_EVERYONE, **tokens))
        try:
            panel = build_panel(everyone, _EVERYONE, fewest_computes=1)
        except ForecastError:
            continue
        if unknown:
            panel = replace(panel, tokens=np.full(panel.tokens.shape, np.nan))
        world = world.join(build_world(panel, [run.split(_SEPARATOR)[0] for run in panel.runs], series, kinship))
    return replace(world, models=world.models.with_data_filled_in())
