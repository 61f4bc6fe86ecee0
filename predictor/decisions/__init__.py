"""What to do with forecasts: choose between recipes, plan the next runs, rank models, measure their density."""

from predictor.decisions.capacity import Densities, ModelDensity, TaskDensity, density
from predictor.decisions.comparison import Comparison, Pair, Ranking, Standing, compare
from predictor.decisions.planning import Narrowing, Plan, PlannedRun, plan, plan_first
from predictor.decisions.ranking import AgreementBySize, BenchmarkAgreement, ModelRanking, RankedModel, rank

__all__ = [
    "AgreementBySize",
    "BenchmarkAgreement",
    "Comparison",
    "Densities",
    "ModelDensity",
    "ModelRanking",
    "Narrowing",
    "Pair",
    "Plan",
    "PlannedRun",
    "RankedModel",
    "Ranking",
    "Standing",
    "TaskDensity",
    "compare",
    "density",
    "plan",
    "plan_first",
    "rank",
]
