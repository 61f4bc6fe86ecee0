"""Choosing between recipes, planning runs, ranking models."""

from __future__ import annotations

from collections.abc import Iterable

from predictor import decisions
from predictor.api.arguments import Names, Scores, Size, as_names, as_results, as_size, as_sizes
from predictor.decisions import Comparison, ModelRanking, Plan, plan_first
from predictor.decisions.planning import MOST_RUNS, MOST_SEEDS
from predictor.errors import InputError
from predictor.forecasting import AUTO
from predictor.progress import Progress

_PUBLISHED = "besiroglu"


def compare(
    results: Scores,
    *,
    params: Size,
    tokens: Size,
    families: Names | None = None,
    tasks: Names | None = None,
    method: str = AUTO,
    seed: int = 0,
    progress: Progress | None = None,
) -> Comparison:
    """Rank families or recipes by their forecast at the target, per benchmark and by their mean score.

    Args:
        results: scores of the families' runs, as for `forecast`.
        params: parameters of the target, counted as in the table, as `"7B"`.
        tokens: its training tokens, as `"300B"`.
        families: which to compare; all where None.
        tasks: benchmarks to look at; all where None.
        method: `auto` for the combination, or the name of one method.
        seed: of the resampling and of the draws that ranks are counted on.
        progress: opened with the number of families; gives what is called with a line after each.

    Raises:
        InputError: nothing readable is there, or no model has that size.
        UnknownNameError: a family, task or method that is not there.
        ForecastError: fewer than two families carry a forecast, or no two were scored on the same benchmark.
    """
    return decisions.compare(
        as_results(results),
        as_size(params, "params"),
        as_size(tokens, "tokens"),
        families=as_names(families),
        tasks=as_names(tasks),
        method=method,
        seed=seed,
        progress=progress,
    )


def plan(
    results: Scores | None = None,
    *,
    budget: Size,
    params: Size,
    tokens: Size,
    family: str | None = None,
    tasks: Names | None = None,
    sizes: str | Iterable[Size] | None = None,
    ratios: str | Iterable[Size] | None = None,
    most_runs: int = MOST_RUNS,
    most_seeds: int = MOST_SEEDS,
    published: str | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Plan:
    """Choose the runs that narrow the target's forecast most within a budget.

    Args:
        results: scores of the ladder, as for `forecast`; None plans a first ladder from published laws.
        budget: FLOPs that the runs may cost together, at 6·N·D each.
        params: parameters of the target, counted as in the table, as `"7B"`.
        tokens: its training tokens, as `"300B"`.
        family: whose laws to use; the family with the most runs where None.
        tasks: benchmarks to plan for; all where None.
        sizes: parameters that a run may have.
        ratios: tokens per parameter that a run may have.
        most_runs: how many runs at most.
        most_seeds: how many of them alike but for the seed.
        published: without results: whose coefficients of the chinchilla law are the prior; `besiroglu` where None.
        seed: of the resampling.
        progress: opened with the number of steps; gives what is called with a line after each.

    Raises:
        InputError: the budget pays for no run or for the target itself, or an argument does not go with the others.
        UnknownNameError: a task, family or publication that is not there.
        ForecastError: there is no forecast to narrow.
    """
    size, length, most = as_size(params, "params"), as_size(tokens, "tokens"), as_size(budget, "budget")
    allowed = as_sizes(sizes, "sizes"), as_sizes(ratios, "ratios")
    if results is None:
        _refuse_without_results(family=family, tasks=tasks)
        return plan_first(
            size,
            length,
            most,
            published=published or _PUBLISHED,
            sizes=allowed[0],
            ratios=allowed[1],
            most_runs=most_runs,
            most_seeds=most_seeds,
        )
    if published is not None:
        raise InputError("published coefficients are for a plan without results", "leave out published, or results")
    return decisions.plan(
        as_results(results),
        size,
        length,
        most,
        family=family,
        tasks=as_names(tasks),
        sizes=allowed[0],
        ratios=allowed[1],
        most_runs=most_runs,
        most_seeds=most_seeds,
        seed=seed,
        progress=progress,
    )


def _refuse_without_results(**arguments: object) -> None:
    for name, value in arguments.items():
        if value is not None:
            raise InputError(f"{name} is stated without results", f"leave out {name}, or give results")


def rank(
    results: Scores,
    *,
    families: Names | None = None,
    tasks: Names | None = None,
    reference: Names | None = None,
    seed: int = 0,
) -> ModelRanking:
    """Rank the ends of all runs over benchmarks by Kemeny and Borda, and measure how far the benchmarks agree.

    Args:
        results: scores of the models, as for `forecast`.
        families: whose runs; all where None.
        tasks: benchmarks to rank by; all with a headline score in [0, 1] where None.
        reference: benchmarks that each is held against; all of them where None.
        seed: of the resampling.

    Raises:
        InputError: nothing readable is there, or the table is not in the schema.
        UnknownNameError: a family or task that is not there.
        ForecastError: too few models or benchmarks.
    """
    return decisions.rank(
        as_results(results),
        families=as_names(families),
        tasks=as_names(tasks),
        reference=as_names(reference),
        seed=seed,
    )
