"""Read and write the charts of the atlas, and recognise the runs that they were fitted to."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from predictor.forecasting.panel import Benchmark
from predictor.forecasting.skills.covariance import COMPONENTS, Covariance
from predictor.forecasting.skills.trend import Trend
from predictor.forecasting.skills.world import PARAMS_ORIGIN, TOKENS_ORIGIN, World
from predictor.results.series import Series

Array = NDArray[np.float64]

FILE = Path(__file__).with_name("atlas.npz")
# A run whose scores are known to the chart by at least this many and this share is one of its sources. Scores are
# compared to a ten-thousandth: three of six benchmarks agree with some of 80 models by accident in one run of 10,000.
_FEWEST_ALIKE, _SHARE_ALIKE = 3, 0.5
# Eigenvalues of a trend's covariance below this share of the largest are kept as a diagonal only.
_TRUNCATED = 2e-3


@dataclass(frozen=True)
class Chart:
    """Benchmarks scored on the same public models.

    Attributes:
        name: short.
        sources: public repositories that the scores came from.
        models: how many models it was fitted to.
        families: their families.
        params: smallest and largest number of parameters.
        tokens: smallest and largest number of training tokens.
        benchmarks: the T benchmarks.
        covariance: between models and between benchmarks.
        trend: of the population.
        known: hashes of the scores it was fitted to.
    """

    name: str
    sources: tuple[str, ...]
    models: int
    families: tuple[str, ...]
    params: tuple[float, float]
    tokens: tuple[float, float]
    benchmarks: tuple[Benchmark, ...]
    covariance: Covariance
    trend: Trend
    known: frozenset[str]

    def find(self, series: Sequence[Series]) -> list[int]:
        """Return the place of each series in the chart, -1 where it is not there.

        A series of unknown number of examples is the chart's where the chart has one such benchmark.
        """
        place = {benchmark.key: number for number, benchmark in enumerate(self.benchmarks)}
        by_task: dict[tuple[str, str], list[int]] = {}
        for number, benchmark in enumerate(self.benchmarks):
            by_task.setdefault((benchmark.task, benchmark.metric), []).append(number)
        found = []
        for one in series:
            alike = by_task.get((one.task, one.metric), [])
            single = alike[0] if one.num_fewshot is None and len(alike) == 1 else -1
            found.append(place.get(one.key, single))
        return found

    def select(self, which: NDArray[np.intp]) -> Chart:
        """Keep some of its benchmarks."""
        covariance = replace(
            self.covariance,
            loadings={name: values[which] for name, values in self.covariance.loadings.items()},
            own={name: values[which] for name, values in self.covariance.own.items()},
        )
        kept = tuple(self.benchmarks[number] for number in which)
        return replace(self, benchmarks=kept, covariance=covariance, trend=self.trend.benchmarks(which))

    def recognises(self, family: str, series: Sequence[Series], own: World | None = None) -> bool:
        """Return whether a family is among those the chart was fitted to: by its name, its sizes, or its scores.

        Args:
            family: its name.
            series: what was scored.
            own: its models' final scores on them; the name alone counts where None.
        """
        if _plain(family) in {_plain(name) for name in self.families}:
            return True
        if own is None:
            return False
        if self.known & size_marks(own):
            return True
        for run in own.score:
            marks = [mark(one, value) for one, value in zip(series, run, strict=True) if np.isfinite(value)]
            alike = sum(one in self.known for one in marks)
            if alike >= _FEWEST_ALIKE and alike >= _SHARE_ALIKE * len(marks):
                return True
        return False


@dataclass(frozen=True)
class Atlas:
    """All charts.

    Attributes:
        date: when they were fitted.
        charts: largest first.
    """

    date: str
    charts: tuple[Chart, ...]


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def mark(series: Series, score: float) -> str:
    """Hash a score, rounded to a ten-thousandth, with what was measured but for the number of examples."""
    return hashlib.sha256(f"{series.task}|{score:.4f}".encode()).hexdigest()[:8]


def marks_of(series: Sequence[Series], world: World) -> frozenset[str]:
    """Hash all scores of a world, and its models' sizes."""
    scores = (
        mark(one, value)
        for one, column in zip(series, world.score.T, strict=True)
        for value in column
        if np.isfinite(value)
    )
    return frozenset(scores) | size_marks(world)


def size_marks(world: World) -> frozenset[str]:
    """Hash the parameters and tokens of a world's models, but for sizes so round that many models share them."""
    marks = set()
    for size, data in zip(world.models.size, world.models.data, strict=True):
        params, tokens = f"{PARAMS_ORIGIN * 10.0**size:.7g}", f"{TOKENS_ORIGIN * 10.0**data:.7g}"
        if float(params) != float(f"{float(params):.4g}"):
            marks.add(hashlib.sha256(f"{params}|{tokens}".encode()).hexdigest()[:8])
    return frozenset(marks)


@cache
def load_atlas(path: Path = FILE) -> Atlas:
    """Read the atlas that the package ships; one without charts where there is none."""
    if not path.is_file():
        return Atlas("", ())
    with np.load(path) as stored:
        about = json.loads(stored["about"].tobytes())
        charts = tuple(_read(number, one, stored) for number, one in enumerate(about["charts"]))
    return Atlas(about["date"], charts)


def save_atlas(atlas: Atlas, path: Path = FILE) -> None:
    """Write an atlas; the same charts give the same bytes."""
    arrays: dict[str, Any] = {}
    for number, chart in enumerate(atlas.charts):
        arrays |= {f"{number}.{name}": values for name, values in _arrays(chart)}
    about = {"date": atlas.date, "charts": [_about(chart) for chart in atlas.charts]}
    text = json.dumps(about, separators=(",", ":")).encode()
    np.savez_compressed(path, about=np.frombuffer(text, dtype=np.uint8), **arrays)


def _arrays(chart: Chart) -> Iterable[tuple[str, Array]]:
    for one in chart.covariance.components:
        yield f"loadings.{one.name}", chart.covariance.loadings[one.name].astype(np.float32)
        yield f"own.{one.name}", chart.covariance.own[one.name].astype(np.float32)
    value, vector = np.linalg.eigh(chart.trend.covariance)
    large = value > _TRUNCATED * value.max()
    root = vector[:, large] * np.sqrt(value[large])
    yield "size", chart.trend.size
    yield "data", chart.trend.data
    yield "mean", chart.trend.mean.astype(np.float32)
    yield "root", root.astype(np.float16)
    yield "rest", np.maximum(np.diag(chart.trend.covariance) - (root**2).sum(axis=1), 0.0).astype(np.float32)


def _about(chart: Chart) -> dict[str, Any]:
    return {
        "name": chart.name,
        "sources": list(chart.sources),
        "models": chart.models,
        "families": list(chart.families),
        "params": list(chart.params),
        "tokens": list(chart.tokens),
        "benchmarks": [[one.task, one.metric, one.num_fewshot, one.chance, one.n_items] for one in chart.benchmarks],
        "components": [one.name for one in chart.covariance.components],
        "known": sorted(chart.known),
    }


def _read(number: int, about: dict[str, Any], stored: Any) -> Chart:
    def array(name: str) -> Array:
        return np.asarray(stored[f"{number}.{name}"], dtype=np.float64)

    components = tuple(one for one in COMPONENTS if one.name in about["components"])
    covariance = Covariance(
        components,
        {one.name: array(f"loadings.{one.name}") for one in components},
        {one.name: array(f"own.{one.name}") for one in components},
    )
    root = array("root")
    error = root @ root.T + np.diag(array("rest"))
    return Chart(
        name=about["name"],
        sources=tuple(about["sources"]),
        models=about["models"],
        families=tuple(about["families"]),
        params=(about["params"][0], about["params"][1]),
        tokens=(about["tokens"][0], about["tokens"][1]),
        benchmarks=tuple(Benchmark(*one) for one in about["benchmarks"]),
        covariance=covariance,
        trend=Trend(array("size"), array("data"), array("mean"), error),
        known=frozenset(about["known"]),
    )
