"""Numerics of fitting: robust batched least squares and resampling. It knows nothing of benchmarks."""

from predictor.fitting.law_batch import Draws, LawBatch, Prior, fit_law_batch
from predictor.fitting.law_fit import LawFit, fit_law
from predictor.fitting.least_squares import BatchFit, solve_batch
from predictor.fitting.resampling import make_draws, stable_generator

__all__ = [
    "BatchFit",
    "Draws",
    "LawBatch",
    "LawFit",
    "Prior",
    "fit_law",
    "fit_law_batch",
    "make_draws",
    "solve_batch",
    "stable_generator",
]
