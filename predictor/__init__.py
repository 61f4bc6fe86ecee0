"""Forecast a language model's benchmark scores from a ladder of smaller runs.

The way of the data is the layout: `checkpoints` are scored by `evaluation`, the scores are kept in `results`, `laws`
and `fitting` describe how they scale, `forecasting` turns them into a distribution for the target, `report` shows it.
"""

from importlib.metadata import PackageNotFoundError, version

from predictor.distribution import DISTRIBUTION

try:
    __version__ = version(DISTRIBUTION)
except PackageNotFoundError:  # run from a source tree that was never installed
    __version__ = "0+unknown"

__all__ = ["__version__"]
