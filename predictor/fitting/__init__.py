"""Numerics of fitting: robust batched least squares, variable projection, intervals, resampling.

It knows nothing of benchmarks.
"""

from predictor.fitting.bootstrap import LawDraws, resample_fit
from predictor.fitting.law_batch import Draws, LawBatch, Prior, fit_law_batch
from predictor.fitting.law_fit import LawFit, fit_law
from predictor.fitting.least_squares import BatchFit, solve_batch
from predictor.fitting.profile import Profile, profile_intervals
from predictor.fitting.reach import Reach
from predictor.fitting.resampling import checkpoint_noise, make_draws, resample_items, run_weights, stable_generator

__all__ = [
    "BatchFit",
    "Draws",
    "LawBatch",
    "LawDraws",
    "LawFit",
    "Prior",
    "Profile",
    "Reach",
    "checkpoint_noise",
    "fit_law",
    "fit_law_batch",
    "make_draws",
    "profile_intervals",
    "resample_fit",
    "resample_items",
    "run_weights",
    "solve_batch",
    "stable_generator",
]
