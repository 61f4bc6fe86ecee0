"""What a chart says of each benchmark, in numbers to be read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from predictor.forecasting.atlas.charts import Chart
from predictor.forecasting.skills.covariance import kernels
from predictor.forecasting.skills.kinship import Kinship
from predictor.forecasting.skills.process import Posterior, condition, to_score
from predictor.forecasting.skills.world import Models, World

# Models of the population whose scores are stated.
SIZES = (4e8, 1e9, 7e9, 7e10)
_TOKENS = 1e12


@dataclass(frozen=True)
class ChartRow:
    """One benchmark of a chart; scores and scatters are shares.

    Attributes:
        chart: the chart's name.
        task: the benchmark.
        metric: its metric.
        num_fewshot: examples in the prompt, or None.
        scores: parameters, as `7e+09` -> the population's median score on 1T tokens; None beyond the chart's models.
        families: standard deviation between families of a score at the chart's middle size.
        models: the same between models of a family, beside its trend.
    """

    chart: str
    task: str
    metric: str
    num_fewshot: int | None
    scores: dict[str, float | None]
    families: float
    models: float

    def to_json(self) -> dict[str, Any]:
        """Return the object of the JSON."""
        return asdict(self)


def describe(chart: Chart) -> list[ChartRow]:
    """Read the trend of each benchmark of a chart and the scatter around it."""
    chance = np.array([one.chance or 0.0 for one in chart.benchmarks])
    posterior = prior_of(chart)
    middle = float(np.sqrt(chart.params[0] * chart.params[1]))
    nobody = {"": Kinship("", False)}
    sizes = np.array([*SIZES, middle])
    models = Models.of([""] * sizes.size, nobody, sizes, np.full(sizes.size, _TOKENS), first=-100)
    latent, _ = posterior.population(models)
    scores = to_score(latent, chance)
    at = models.take(np.array([sizes.size - 1]))
    strength = {name: float(kernel[0, 0]) for name, kernel in kernels(at, at).items()}
    share = (scores[-1] - chance) / (1 - chance)
    slope = (1 - chance) * share * (1 - share)

    def scatter(*names: str) -> np.ndarray:
        present = [name for name in names if name in chart.covariance.loadings]
        variance = sum(strength[name] * np.diag(chart.covariance.matrix(name)) for name in present)
        return np.asarray(slope * np.sqrt(variance))

    families, single = scatter("base", "family"), scatter("model")
    inside = [chart.params[0] / 1.5 <= size <= chart.params[1] * 1.5 for size in SIZES]
    return [
        ChartRow(
            chart.name,
            one.task,
            one.metric,
            one.num_fewshot,
            {f"{size:.0e}": float(scores[i, row]) if inside[i] else None for i, size in enumerate(SIZES)},
            float(families[row]),
            float(single[row]),
        )
        for row, one in enumerate(chart.benchmarks)
    ]


def prior_of(chart: Chart) -> Posterior:
    """Return what a chart says before any score of one's own."""
    nothing = np.empty((0, len(chart.benchmarks)))
    chance = np.array([one.chance or 0.0 for one in chart.benchmarks])
    world = World(Models.of([], {}, np.empty(0), np.empty(0)), nothing, nothing, chance)
    return condition(chart.covariance, world, chart.trend)
