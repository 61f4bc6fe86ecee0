"""What scores mean: differences that are real, benchmarks that carry a signal, answers that are calibrated.

Importing this package is cheap; scipy.stats and statsmodels are imported when something is computed.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from predictor.statistics.attempts import Attempts, majority_curve, pass_curve
    from predictor.statistics.benchmark_difference import Difference
    from predictor.statistics.comparison import Differences, diff
    from predictor.statistics.covariates import Covariate, covariate
    from predictor.statistics.emergence import PassLaw, fit_pass_law
    from predictor.statistics.information import Compression, compression
    from predictor.statistics.intervals import Mean, clustered_mean
    from predictor.statistics.reliability import Calibration, Calibrations, calibration
    from predictor.statistics.sampled import SampledModel, sampled_models
    from predictor.statistics.sides import Side, read_side
    from predictor.statistics.trust import SeriesSignal, Signals, signal
    from predictor.statistics.variants import Robustness, robustness

__all__ = [
    "Attempts",
    "Calibration",
    "Calibrations",
    "Compression",
    "Covariate",
    "Difference",
    "Differences",
    "Mean",
    "PassLaw",
    "Robustness",
    "SampledModel",
    "SeriesSignal",
    "Side",
    "Signals",
    "calibration",
    "clustered_mean",
    "compression",
    "covariate",
    "diff",
    "fit_pass_law",
    "majority_curve",
    "pass_curve",
    "read_side",
    "robustness",
    "sampled_models",
    "signal",
]
_MODULES = {
    "Attempts": "attempts",
    "Calibration": "reliability",
    "Calibrations": "reliability",
    "Compression": "information",
    "Covariate": "covariates",
    "Difference": "benchmark_difference",
    "Differences": "comparison",
    "Mean": "intervals",
    "PassLaw": "emergence",
    "Robustness": "variants",
    "SampledModel": "sampled",
    "SeriesSignal": "trust",
    "Side": "sides",
    "Signals": "trust",
    "calibration": "reliability",
    "clustered_mean": "intervals",
    "compression": "information",
    "covariate": "covariates",
    "diff": "comparison",
    "fit_pass_law": "emergence",
    "majority_curve": "attempts",
    "pass_curve": "attempts",
    "read_side": "sides",
    "robustness": "variants",
    "sampled_models": "sampled",
    "signal": "trust",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"predictor.statistics.{_MODULES[name]}"), name)
