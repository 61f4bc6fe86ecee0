"""Rank trained models over several benchmarks, and say how far the benchmarks agree on it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from predictor import __version__
from predictor.decisions.frames import ModelRankingFrame
from predictor.decisions.kemeny import KemenyOrder, borda, kemeny, pairwise_wins
from predictor.errors import ForecastError, UnknownNameError
from predictor.fitting import stable_generator
from predictor.results import Results
from predictor.results.ends import run_ends
from predictor.results.series import SERIES_COLUMNS, Series, fill_shots

Array = NDArray[np.float64]

SCHEMA = "predictor.rank/1"
RESAMPLES = 1000
# Fewer models than this give no rank correlation worth a number, fewer benchmarks no aggregate.
_FEWEST_MODELS, _FEWEST_BENCHMARKS = 4, 2
# Numbers of models at which agreement is looked at, and how many sets of each are drawn.
_SETS, _DRAWS = (5, 10, 20, 40), 200


@dataclass(frozen=True)
class RankedModel:
    """One model in both aggregate orders.

    Attributes:
        family: its family.
        run: its name.
        params: its parameters.
        tokens: tokens of its last checkpoint, the one that is ranked.
        borda: mean share of the other models that it beats.
        borda_rank: place by that, 1 the best; equal shares share the mean place.
        kemeny_rank: place in Kemeny's order.
        benchmarks: on how many it was scored.
    """

    family: str
    run: str
    params: float
    tokens: float
    borda: float
    borda_rank: float
    kemeny_rank: int
    benchmarks: int


@dataclass(frozen=True)
class BenchmarkAgreement:
    """How far one benchmark orders the models as the reference does, itself left out of it.

    Attributes:
        task: the benchmark.
        num_fewshot: examples in the prompt, or None.
        models: on how many models it was looked at.
        kendall: Kendall's tau-b with the mean of the reference's win shares.
        interval: of Kendall's tau, the central 95% over resamples of the models.
        spearman: Spearman's correlation with the same.
        z: its Kendall's tau in standard deviations from the mean of the reference benchmarks' own (Perlitz et al. 2024,
            arXiv 2407.13696): agreement as such depends on how many models there are and how far apart they lie.
    """

    task: str
    num_fewshot: int | None
    models: int
    kendall: float
    interval: tuple[float, float]
    spearman: float
    z: float | None


@dataclass(frozen=True)
class AgreementBySize:
    """Mean Kendall's tau of the benchmarks with their reference, over smaller sets of models.

    Attributes:
        models: how many.
        random: of models drawn at random.
        adjacent: of models that follow each other in the order by Borda: the harder and the more usual question.
    """

    models: int
    random: float
    adjacent: float


@dataclass(frozen=True, repr=False)
class ModelRanking(ModelRankingFrame):
    """Models ranked over benchmarks.

    Attributes:
        models: in Kemeny's order.
        kemeny: the order's cost and whether it is exact.
        agreement: one per benchmark, those that agree most first.
        by_size: agreement over smaller sets of models.
        record: version, seed, hashes of the inputs, reference, notes.
    """

    models: tuple[RankedModel, ...]
    kemeny: KemenyOrder
    agreement: tuple[BenchmarkAgreement, ...]
    by_size: tuple[AgreementBySize, ...]
    record: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Return the object of the `rank --json` contract."""
        return {
            "schema": SCHEMA,
            "models": [asdict(model) for model in self.models],
            "kemeny": {"contradicted": self.kemeny.contradicted, "exact": self.kemeny.exact},
            "agreement": [{**asdict(found), "interval": list(found.interval)} for found in self.agreement],
            "by_size": [asdict(size) for size in self.by_size],
            "record": self.record,
        }


def rank(
    results: Results,
    *,
    families: Iterable[str] | None = None,
    tasks: Iterable[str] | None = None,
    reference: Iterable[str] | None = None,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> ModelRanking:
    """Rank the last checkpoints of all runs over all benchmarks.

    Args:
        results: scores of the models.
        families: whose runs; all where None.
        tasks: benchmarks to rank by; all with a headline score in [0, 1] where None.
        reference: benchmarks that each is held against; all of them where None.
        seed: of the resampling.
        resamples: how often the models are resampled for the intervals.

    Raises:
        UnknownNameError: a family or task that is not there.
        ForecastError: too few models or benchmarks.
    """
    given, notes = last_scores(results, families, tasks)
    # A benchmark that few models were scored on, or that all score alike, orders none.
    scores = given.loc[:, (given.notna().sum() >= _FEWEST_MODELS) & (given.max() > given.min())].dropna(how="all")
    if len(scores) < _FEWEST_MODELS or scores.shape[1] < _FEWEST_BENCHMARKS:
        raise ForecastError(
            f"{results.path} has {len(given)} models scored on {given.shape[1]} benchmarks, and "
            f"{_FEWEST_BENCHMARKS} that tell {_FEWEST_MODELS} models apart are needed to rank",
            "score more of them, or name other --families or --tasks",
        )
    held = None if reference is None else {results.task(name).task for name in reference}
    known = {series.task for series in benchmarks(scores)}
    if held is not None and (absent := sorted(held - known)):
        raise UnknownNameError("reference task", absent[0], known, "the benchmarks that are ranked by")
    values = scores.to_numpy(float)
    shares = borda(values)
    order = kemeny(pairwise_wins(values))
    ranks = pd.Series(-shares).rank().to_numpy(float)
    place = {model: number + 1 for number, model in enumerate(order.order)}
    index = scores.index.to_frame(index=False)
    models = [
        RankedModel(
            family=str(index["family"][i]),
            run=str(index["run"][i]),
            params=float(index["params"][i]),
            tokens=float(index["tokens"][i]),
            borda=float(shares[i]),
            borda_rank=float(ranks[i]),
            kemeny_rank=place[i],
            benchmarks=int(np.isfinite(values[i]).sum()),
        )
        for i in order.order
    ]
    in_reference = np.array([held is None or task in held for task in (series.task for series in benchmarks(scores))])
    agreement, by_size = _agreement(scores, in_reference, seed, resamples)
    record = {
        "version": __version__,
        "seed": seed,
        "resamples": resamples,
        "inputs": results.inputs,
        "reference": sorted(known if held is None else held),
        "notes": [*results.notes, *notes],
    }
    return ModelRanking(tuple(models), order, agreement, by_size, record)


def last_scores(
    results: Results, families: Iterable[str] | None, tasks: Iterable[str] | None
) -> tuple[pd.DataFrame, list[str]]:
    """Tabulate the score of each run's end on each benchmark as a share; `run_ends` of `predictor.results.ends`.

    Returns:
        index (family, run, params, tokens of the newest checkpoint), columns task, metric and num_fewshot (see
        `benchmarks`), NaN where not scored; and notes on benchmarks that the newest checkpoint lacks.
    """
    evals = results.evals
    if families is not None:
        asked, known = list(families), evals["family"].unique()
        if unknown := [name for name in asked if name not in known]:
            raise UnknownNameError("family", unknown[0], known, str(results.path))
        evals = evals[evals["family"].isin(asked)]
    rows = evals[results.is_headline(evals) & (evals["tokens"] > 0)]
    if tasks is not None:
        rows = rows[rows["task"].isin({results.task(name).task for name in tasks})]
    ends = run_ends(fill_shots(results.as_shares(rows)))
    notes = _half_scored(ends)
    ends["tokens"] = ends.groupby(["family", "run"])["tokens"].transform("max")
    return ends.pivot_table(
        index=["family", "run", "params", "tokens"], columns=SERIES_COLUMNS, values="value", aggfunc="mean"
    ), notes


def _half_scored(ends: pd.DataFrame) -> list[str]:
    """Report the runs whose newest checkpoint lacks benchmarks that an older one has."""
    notes = []
    for place, own in ends[ends["older"]].groupby(["family", "run"]):
        family, run = place
        lacking = sorted(own["task"].unique())
        listed = ", ".join(lacking[:3]) + (", …" if len(lacking) > 3 else "")
        notes.append(
            f"run {run} of family {family}: its newest checkpoint lacks {len(lacking)} benchmarks ({listed}), which "
            "are ranked by an older one"
        )
    return notes


def benchmarks(scores: pd.DataFrame) -> list[Series]:
    """Name the columns of `last_scores`."""
    return [Series.from_columns(column) for column in scores.columns]


def _agreement(
    scores: pd.DataFrame, in_reference: NDArray[np.bool_], seed: int, resamples: int
) -> tuple[tuple[BenchmarkAgreement, ...], tuple[AgreementBySize, ...]]:
    values = scores.to_numpy(float)
    count, number = values.shape
    generator = stable_generator(seed, "rank", "agreement")
    # How often each resample holds each model; a model is never compared with its own copy.
    weights = generator.multinomial(count, np.full(count, 1 / count), size=resamples).astype(float)
    sizes = [size for size in _SETS if size < count]
    random = [_random_sets(count, size, generator) for size in sizes]
    kendall, drawn, spearman, models = [], [], [], []
    inside: list[list[tuple[float, float]]] = [[] for _ in sizes]
    for place in range(number):
        others = in_reference & (np.arange(number) != place)
        if not others.any():
            others = np.arange(number) != place
        reference = borda(np.where(np.isfinite(values[:, [place]]), values[:, others], np.nan))
        seen = np.isfinite(values[:, place]) & np.isfinite(reference)
        own, held = _signs(np.where(seen, values[:, place], np.nan)), _signs(np.where(seen, reference, np.nan))
        kendall.append(float(_kendall(own, held, np.ones((1, count)))[0]))
        drawn.append(_kendall(own, held, weights))
        pair = pd.DataFrame({"own": values[seen, place], "held": reference[seen]}).rank()
        spearman.append(float(pair["own"].corr(pair["held"])))
        models.append(int(seen.sum()))
        for slot, size in enumerate(sizes):
            # In the order of the others alone: models alike in a mean with this benchmark in it must differ oppositely.
            sets = (random[slot], _adjacent_sets(np.where(seen, reference, np.nan), size))
            drawn_taus = [_kendall(own, held, models_in) for models_in in sets]
            inside[slot].append((_mean(drawn_taus[0]), _mean(drawn_taus[1])))
    taus = np.array(kendall)
    found = []
    for place, series in enumerate(benchmarks(scores)):
        if not np.isfinite(kendall[place]):
            # Its models were scored on no other benchmark, or tie there.
            continue
        others = taus[in_reference & (np.arange(number) != place)]
        others = others[np.isfinite(others)]
        spread = float(others.std(ddof=1)) if others.size > 2 else 0.0
        low, high = np.nanquantile(drawn[place], [0.025, 0.975])
        found.append(
            BenchmarkAgreement(
                task=series.task,
                num_fewshot=series.num_fewshot,
                models=models[place],
                kendall=kendall[place],
                interval=(float(low), float(high)),
                spearman=spearman[place],
                z=(kendall[place] - float(others.mean())) / spread if spread > 0 else None,
            )
        )
    found.sort(key=lambda agreement: (-agreement.kendall, agreement.task))
    by_size = [
        AgreementBySize(size, *(_mean(np.array(column)) for column in zip(*inside[slot], strict=True)))
        for slot, size in enumerate(sizes)
    ]
    by_size.append(AgreementBySize(count, random=_mean(taus), adjacent=_mean(taus)))
    return tuple(found), tuple(size for size in by_size if np.isfinite([size.random, size.adjacent]).all())


def _mean(values: Array) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if known.size else float("nan")


def _random_sets(count: int, size: int, generator: np.random.Generator) -> Array:
    """Draw sets of models as weights of 0 and 1, shape (draws, models)."""
    sets = np.zeros((_DRAWS, count))
    for row in sets:
        row[generator.choice(count, size, replace=False)] = 1.0
    return sets


def _adjacent_sets(shares: Array, size: int) -> Array:
    """Take all sets of models that follow each other in an order, as weights of 0 and 1, shape (sets, models)."""
    order = np.argsort(-shares, kind="stable")[: np.isfinite(shares).sum()]
    sets = np.zeros((max(order.size - size + 1, 0), shares.size))
    for start, row in enumerate(sets):
        row[order[start : start + size]] = 1.0
    return sets


def _signs(values: Array) -> Array:
    """Return who beats whom, shape (models, models): 1, -1, or 0 for ties and for models without a value."""
    return np.asarray(np.sign(np.nan_to_num(values[:, None] - values)))


def _kendall(a: Array, b: Array, weights: Array) -> Array:
    """Return Kendall's tau-b over pairs of models, each weighed by both of its models' weights, shape (weights,)."""
    both, own, other = (((weights @ pairs) * weights).sum(axis=1) for pairs in (a * b, a * a, b * b))
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where((own > 0) & (other > 0), both / np.sqrt(own * other), np.nan))
