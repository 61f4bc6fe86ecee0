"""The benchmark atlas: what public models say of common benchmarks, for those who have no other family in their table.

A chart holds benchmarks that were scored on the same models: the population's trend in size and data on a grid, the
scatter between families and models, and how benchmarks move together. It is fitted by `benchmarks/accuracy/atlas.py`
and holds derived figures only.
"""

from predictor.forecasting.atlas.charts import Atlas, Chart, load_atlas
from predictor.forecasting.atlas.summary import ChartRow, describe

__all__ = ["Atlas", "Chart", "ChartRow", "describe", "load_atlas"]
