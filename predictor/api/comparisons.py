"""Differences between checkpoints, and benchmarks that tell them apart."""

from __future__ import annotations

from pathlib import Path

from predictor import statistics
from predictor.api.arguments import Names, Scores, as_names, as_results
from predictor.statistics import Differences, Signals
from predictor.statistics.measures import DEFAULT
from predictor.statistics.sides import ROLES


def diff(
    a: str,
    b: str | None = None,
    *,
    results: Scores | None = None,
    against: Names = (),
    family: str | None = None,
    tasks: Names | None = None,
    measures: Names = DEFAULT,
    level: float = 0.95,
    cluster: str | Path = "auto",
    detect: float = 0.01,
) -> Differences:
    """Compute how much better B is than A, item by item, on every benchmark that both were scored on and on average.

    Args:
        a: the baseline as `"1b@28000"`, `"1b"` (its newest checkpoint), `"seed0,seed1"` (one recipe) or `"store/:1b"`;
            the candidate where `b` is None.
        b: the candidate.
        results: scores of the runs that are named without a path, as for `forecast`.
        against: further baselines.
        family: of the runs, where several families have a run of that name.
        tasks: benchmarks to look at; all where None.
        measures: what is compared: score, bpb, nll_answer, probability, margin.
        level: of the intervals and of the verdicts.
        cluster: how items come in groups: auto, none, subtask, document, or a file with doc_id and group.
        detect: the difference for which to compute the number of items, in the measure's unit.

    Raises:
        UnknownNameError: there is no such run, checkpoint, task or family.
        InputError: nothing can be compared, or a name can mean several things.
    """
    return statistics.diff(
        a,
        b,
        results=None if results is None else as_results(results, roles=ROLES),
        against=(against,) if isinstance(against, str) else tuple(against),
        family=family,
        tasks=as_names(tasks),
        measures=as_names(measures) or DEFAULT,
        level=level,
        cluster=cluster,
        detect=detect,
    )


def signal(results: Scores, *, families: Names | None = None, tasks: Names | None = None) -> Signals:
    """Measure which benchmarks tell the runs of a table apart, by which metric, and why the others do not.

    Args:
        results: scores of runs along training, as for `forecast`.
        families: whose runs to take; all where None.
        tasks: benchmarks to look at; all where None.

    Raises:
        UnknownNameError: there is no such family or task.
        InputError: there are fewer than two runs.
    """
    return statistics.signal(as_results(results), families=as_names(families), tasks=as_names(tasks))
