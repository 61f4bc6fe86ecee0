"""Latent skills shared by all benchmarks and model families: forecasts from one run, two runs, or none of a kind.

The latent score of a model on a benchmark is a Gaussian process over model and benchmark: a population trend in size
and data, an offset of the model's family and of the base it was tuned from, a slope of its own, and what is the
model's alone, each correlated between benchmarks. Scores are that latent score through a logistic curve above chance.
"""

from predictor.forecasting.skills.covariance import Covariance
from predictor.forecasting.skills.kinship import Kinship, read_kinship
from predictor.forecasting.skills.process import Posterior, condition, learn
from predictor.forecasting.skills.trend import Trend
from predictor.forecasting.skills.world import Models, World, build_world, other_families

__all__ = [
    "Covariance",
    "Kinship",
    "Models",
    "Posterior",
    "Trend",
    "World",
    "build_world",
    "condition",
    "learn",
    "other_families",
    "read_kinship",
]
