"""What to do with forecasts: choose between recipes, plan the next runs, rank models, measure their density."""

from predictor.decisions.compare import Comparison, Pair, Ranking, Standing, compare
from predictor.decisions.density import Densities, ModelDensity, TaskDensity, density
from predictor.decisions.plan import Narrowing, Plan, PlannedRun, plan, plan_first
from predictor.decisions.rank import AgreementBySize, BenchmarkAgreement, ModelRanking, RankedModel, rank

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
