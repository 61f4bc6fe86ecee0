"""Comparisons, plans and rankings as data frames and figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from predictor.presentation import Presentable, finished, interval_figure, level_columns
from predictor.quantity import format_quantity

if TYPE_CHECKING:
    import pandas as pd

    from predictor.decisions.comparison import Ranking
    from predictor.decisions.planning import PlannedRun
    from predictor.decisions.ranking import BenchmarkAgreement, RankedModel

MEAN = "mean"
"""Task of the rows that speak of the mean over benchmarks."""


class ComparisonFrame(Presentable):
    """What `Comparison` is in a notebook.

    Attributes:
        params: parameters of the target.
        tokens: its training tokens.
        overall: by the mean over benchmarks, or None.
        tasks: one ranking per benchmark.
    """

    params: float
    tokens: float
    overall: Ranking | None
    tasks: tuple[Ranking, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per benchmark and family, scores as shares; the mean over benchmarks has the task `mean`.

        Columns: task, metric, num_fewshot, family, expected, lo-80, hi-80, lo-95, hi-95, forecast (by the family's own
        runs alone), best (probability to score highest), rank, grade.
        """
        import pandas as pd

        rankings = [*([self.overall] if self.overall else []), *self.tasks]
        rows = [
            {
                "task": ranking.task or MEAN,
                "metric": ranking.metric,
                "num_fewshot": ranking.num_fewshot,
                "family": standing.family,
                "expected": standing.expected,
                **level_columns(standing.intervals),
                "forecast": standing.forecast,
                "best": standing.best,
                "rank": standing.rank,
                "grade": standing.grade,
            }
            for ranking in rankings
            for standing in ranking.standings
        ]
        return pd.DataFrame(rows).astype({"num_fewshot": "Int64"})

    def plot(self) -> Any:
        """Draw the families by their mean over benchmarks; by the first benchmark where there is no mean."""
        frame = self.to_frame()
        task = frame["task"].iloc[0]
        shown = frame[frame["task"] == task]
        return interval_figure(shown, shown["family"].tolist(), "expected", self.summary(), f"{task}, as a share")

    def summary(self) -> str:
        """Return the target, the family expected to be best and its probability in one line."""
        ranking = self.overall or self.tasks[0]
        first = ranking.standings[0]
        target = f"{format_quantity(self.params)} parameters, {format_quantity(self.tokens)} tokens"
        return (
            f"{target}: {first.family} is best of {len(ranking.standings)} by {ranking.task or 'the mean'} "
            f"with a probability of {100 * first.best:.0f}%"
        )


class PlanFrame(Presentable):
    """What `Plan` is in a notebook.

    Attributes:
        params: parameters of the target.
        tokens: its training tokens.
        budget: what may be spent, in FLOPs.
        runs: what to train.
    """

    params: float
    tokens: float
    budget: float
    runs: tuple[PlannedRun, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per size and length to train. Columns: params, tokens, seeds, flops (of all seeds), share."""
        import pandas as pd

        rows = [{**run.to_json(), "share": run.flops / self.budget} for run in self.runs]
        return pd.DataFrame(rows, columns=["params", "tokens", "seeds", "flops", "share"])

    def plot(self) -> Any:
        """Draw the share of the budget that each planned run takes."""
        import plotly.graph_objects as go

        labels = [f"{format_quantity(run.params)}, {format_quantity(run.tokens)} tokens" for run in self.runs]
        shares = [run.flops / self.budget for run in self.runs]
        figure = go.Figure(go.Bar(x=shares, y=labels, orientation="h"))
        return finished(figure, self.summary(), "share of the budget", rows=len(labels))

    def summary(self) -> str:
        """Return the target, the number of runs and what they cost in one line."""
        target = f"{format_quantity(self.params)} parameters, {format_quantity(self.tokens)} tokens"
        count, flops = sum(run.seeds for run in self.runs), sum(run.flops for run in self.runs)
        return f"{count} run{'' if count == 1 else 's'} towards {target}, {flops:.3g} of {self.budget:.3g} FLOPs"


class ModelRankingFrame(Presentable):
    """What `ModelRanking` is in a notebook.

    Attributes:
        models: in Kemeny's order.
        agreement: one per benchmark.
    """

    models: tuple[RankedModel, ...]
    agreement: tuple[BenchmarkAgreement, ...]

    def to_frame(self) -> pd.DataFrame:
        """Return one row per model, Kemeny's best first.

        Columns: kemeny_rank, run, family, params, tokens, borda (mean share of the other models that it beats),
        borda_rank, benchmarks.
        """
        import pandas as pd

        columns = ["kemeny_rank", "run", "family", "params", "tokens", "borda", "borda_rank", "benchmarks"]
        return pd.DataFrame([vars(model) for model in self.models])[columns]

    def plot(self) -> Any:
        """Draw the mean share of the other models that each model beats, in Kemeny's order."""
        import plotly.graph_objects as go

        labels = [f"{model.kemeny_rank}. {model.run}" for model in self.models]
        figure = go.Figure(go.Bar(x=[model.borda for model in self.models], y=labels, orientation="h"))
        return finished(figure, self.summary(), "mean share of the other models beaten", rows=len(labels))

    def summary(self) -> str:
        """Return the number of models and benchmarks and the first model in one line."""
        first = self.models[0].run
        return f"{len(self.models)} models over {len(self.agreement)} benchmarks, {first} first"
