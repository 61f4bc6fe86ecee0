"""Which benchmarks, and by which metric, runs of these sizes can be compared on."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from predictor import __version__
from predictor.benchmarks import known_metric
from predictor.errors import InputError, UnknownNameError
from predictor.presentation import Presentable, finished
from predictor.results.readers import Results, read_results
from predictor.results.series import LOSS_PREFIX, SERIES_COLUMNS, Series, fill_shots
from predictor.statistics.plain import to_plain
from predictor.statistics.signal_numbers import Numbers, measure, newest

if TYPE_CHECKING:
    from predictor.results.task_info import TaskInfo

USE, WEAK, AVOID = "use", "weak", "avoid"
# Share of pairs that keep their order when measured again, rank correlation with compute, and share of the range above
# chance or below the ceiling. Set beforehand, not tuned: benchmarks/accuracy/trusted_benchmarks.py shows how well what
# is recommended from small runs decides larger ones.
AGREEMENT, AGREEMENT_LEAST = 0.80, 0.70
ORDER, ORDER_LEAST = 0.6, 0.3
ROOM = 0.03
# Share of orders at smaller sizes that held at larger ones, and the pairs from which on it counts. Set on gadre, where
# three corpora lie close together: what is recommended there decides 66% of larger pairs right, 62% without this rule.
DECISION, DECISION_LEAST, PAIRS = 0.6, 0.55, 20


@dataclass(frozen=True)
class SeriesSignal:
    """What one benchmark says by one metric.

    Attributes:
        task: the benchmark, or `loss:…`.
        metric: the metric.
        num_fewshot: examples in the prompt, or None.
        headline: whether it is the benchmark's headline metric.
        numbers: what was measured.
        lowest: score of the worst run, in the metric's unit.
        highest: score of the best run.
        position: where the best run stands between chance (0) and the best that is possible (1); NaN where either is
            not known.
        wrong: probability that the best run gives to wrong choices, mean over items; NaN where it was not kept.
        verdict: `use`, `weak` or `avoid`.
        reason: why.
    """

    task: str
    metric: str
    num_fewshot: int | None
    headline: bool
    numbers: Numbers
    lowest: float
    highest: float
    position: float
    wrong: float
    verdict: str
    reason: str

    @property
    def label(self) -> str:
        """Name the benchmark, as `arc_easy (5-shot)`."""
        return Series(self.task, self.metric, self.num_fewshot).label

    @property
    def quality(self) -> tuple[int, float]:
        """What orders the metrics of one benchmark, the best last."""
        agreement = self.numbers.agreement
        return (AVOID, WEAK, USE).index(self.verdict), 0.0 if math.isnan(agreement) else agreement


@dataclass(frozen=True, repr=False)
class Signals(Presentable):
    """What every benchmark says by every metric, the advice on each benchmark, and its record.

    Attributes:
        series: one for each benchmark and metric.
        correlations: Spearman's correlation of the ends of runs between headline scores and held-out losses, better
            counting up; symmetric, rows and columns by name, NaN below three shared runs.
        notes: what a reader should know.
        record: version and inputs.
    """

    series: tuple[SeriesSignal, ...]
    correlations: pd.DataFrame
    notes: tuple[str, ...]
    record: dict[str, Any]

    def best(self) -> list[SeriesSignal]:
        """Return the metric to look at of each benchmark: the headline where it can be used, else the best."""
        found: dict[str, SeriesSignal] = {}
        for own in self.series:
            if own.task.startswith(LOSS_PREFIX):
                continue
            known = found.get(own.label)
            if known is None or ((known.verdict != USE or not known.headline) and _before(own, known)):
                found[own.label] = own
        return list(found.values())

    def to_frame(self) -> pd.DataFrame:
        """Return one row per benchmark and metric."""
        rows = []
        for own in self.series:
            values = asdict(own)
            numbers = values.pop("numbers")
            losses = {f"with {name}": value for name, value in numbers.pop("losses").items()}
            rows.append({**values, "ratio": own.numbers.ratio, **numbers, **losses})
        return pd.DataFrame(rows)

    def plot(self) -> Any:
        """Draw the share of pairs that keep their order when measured again, by the best metric of each benchmark."""
        import plotly.graph_objects as go

        best = sorted(self.best(), key=lambda own: -own.quality[1])
        names = [f"{own.label} {own.metric}: {own.verdict}" for own in best]
        figure = go.Figure().add_scatter(x=[own.numbers.agreement for own in best], y=names, mode="markers")
        return finished(figure, self.summary(), "share of pairs that keep their order", rows=len(best))

    def summary(self) -> str:
        """Return the advice in one line."""
        verdicts = [own.verdict for own in self.best()]
        counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in (USE, WEAK, AVOID))
        return f"{len(verdicts)} benchmark{'s' if len(verdicts) != 1 else ''}: {counts}"

    def to_json(self) -> dict[str, Any]:
        """Return everything as values of JSON; what is not known is null."""
        series = [{**asdict(own), "ratio": own.numbers.ratio} for own in self.series]
        best = {own.label: {"metric": own.metric, "verdict": own.verdict, "reason": own.reason} for own in self.best()}
        between = to_plain({str(name): row.to_dict() for name, row in self.correlations.iterrows()})
        return {
            "series": to_plain(series),
            "best": best,
            "correlations": between,
            "notes": list(self.notes),
            "record": self.record,
        }


def _before(own: SeriesSignal, known: SeriesSignal) -> bool:
    return (own.headline and own.verdict == USE) or own.quality > known.quality


def signal(
    results: Results | str | Path, *, families: Sequence[str] | None = None, tasks: Sequence[str] | None = None
) -> Signals:
    """Measure which benchmarks and metrics tell the runs of a table apart.

    Args:
        results: runs along training; families of equal sizes are recipes that are to be told apart.
        families: whose runs to take; all where None.
        tasks: benchmarks to look at; all, and the held-out losses, where None.

    Raises:
        UnknownNameError: there is no such family or task.
        InputError: there are fewer than two runs.

    Examples:
        >>> signal("evals.parquet").to_frame()  # doctest: +SKIP
    """
    loaded = results if isinstance(results, Results) else read_results(results)
    rows = fill_shots(loaded.evals).dropna(subset=["value"])
    for family in families or ():
        if family not in set(rows["family"]):
            raise UnknownNameError("family", family, rows["family"].unique(), str(loaded.path))
    rows = rows if families is None else rows[rows["family"].isin(families)]
    wanted = None if tasks is None else {loaded.task(name).task for name in tasks}
    if len(rows[["family", "run"]].drop_duplicates()) < 2:
        raise InputError("there are fewer than two runs", "a signal is how well runs are told apart: name more")
    losses = _losses(rows)
    found = []
    for key, own in rows.groupby(SERIES_COLUMNS, sort=True):
        series = Series.from_columns(key)
        if len(own["run"].unique()) > 1 and (wanted is None or series.task in wanted):
            found.append(_series(own, rows, loaded.tasks.get(series.task), series, losses))
    record = {"version": __version__, "inputs": loaded.inputs}
    headlines = [own for own in found if own.headline]
    return Signals(tuple(found), _correlations(headlines, rows, losses), (*loaded.notes, *_notes(found)), record)


def _correlations(headlines: Sequence[SeriesSignal], rows: pd.DataFrame, losses: dict[str, pd.Series]) -> pd.DataFrame:
    """Correlate headline scores and held-out losses with each other, over the runs that both were measured of."""
    columns = dict(losses)
    for own in headlines:
        task, metric, shots = Series(own.task, own.metric, own.num_fewshot).columns
        same = (rows["task"] == task) & (rows["metric"] == metric) & (rows["num_fewshot"] == shots)
        up = 1.0 if own.highest >= own.lowest else -1.0
        columns[own.label] = up * newest(rows[same]).set_index(["family", "run"])["value"]
    return pd.DataFrame(columns).corr(method="spearman", min_periods=3)


def _losses(rows: pd.DataFrame) -> dict[str, pd.Series]:
    """Read the newest value of each held-out loss by (family, run), the better the larger."""
    losses = {}
    # Other metrics of a text, as its perplexity, are the same numbers in other units.
    rows = rows[rows["task"].str.startswith(LOSS_PREFIX) & rows["metric"].isin(("nll", "bpb"))]
    for (task, metric), own in rows.groupby(["task", "metric"]):
        last = newest(own)
        alone = len(rows.loc[rows["task"] == task, "metric"].unique()) == 1
        name = str(task) if alone else f"{task} {metric}"
        losses[name] = -last.set_index(["family", "run"])["value"]
    return losses


def _series(
    own: pd.DataFrame,
    rows: pd.DataFrame,
    info: TaskInfo | None,
    series: Series,
    losses: dict[str, pd.Series],
) -> SeriesSignal:
    task, metric, shots = series.columns
    headline = info is not None and metric == info.metric
    up = _direction(own, metric, info if headline else None)
    target, up_of_target = own, up
    if info is not None and not headline:
        same = (rows["task"] == task) & (rows["num_fewshot"] == shots) & (rows["metric"] == info.metric)
        if same.any():
            target, up_of_target = rows[same], _direction(rows[same], info.metric, info)
    decided = newest(target).assign(value=lambda last: up_of_target * last["value"])
    numbers = measure(own, decided, up, _errors(own, info if headline else None), losses)
    last = newest(own)
    best = last.iloc[int(np.argmax(up * last["value"].to_numpy(float)))]
    position = _position(float(best["value"]), info if headline else None)
    verdict, reason = judge(numbers, position)
    return SeriesSignal(
        task,
        metric,
        series.num_fewshot,
        headline,
        numbers,
        float((up * last["value"]).min() * up),
        float(best["value"]),
        position,
        _wrong(rows, best, task, shots),
        verdict,
        reason,
    )


def _direction(rows: pd.DataFrame, metric: str, info: TaskInfo | None) -> float:
    """Return 1 where higher is better, else -1: as its scale says, the catalogue, or the table."""
    if info is not None and info.scale is not None:
        return 1.0 if info.scale.higher_is_better else -1.0
    known = known_metric(metric)
    if known is not None and known.higher_is_better is not None:
        return 1.0 if known.higher_is_better else -1.0
    stated = rows["higher_is_better"].dropna() if "higher_is_better" in rows.columns else pd.Series(dtype=bool)
    return 1.0 if stated.empty or bool(stated.iloc[0]) else -1.0


def _errors(rows: pd.DataFrame, info: TaskInfo | None) -> np.ndarray:
    """Return the stated standard errors; of shares those of the number of items where none is stated."""
    errors = rows["stderr"].to_numpy(float).copy()
    if info is None or info.scale is None or not info.scale.is_share:
        return errors
    counts = rows["n_items"].astype("Float64").fillna(info.n_items or math.nan).to_numpy(float, na_value=math.nan)
    values = rows["value"].to_numpy(float)
    binomial = np.sqrt(np.clip(values * (1 - values), 0, None) / counts)
    return np.asarray(np.where(np.isnan(errors), binomial, errors))


def _position(best: float, info: TaskInfo | None) -> float:
    if info is None or info.scale is None or info.chance is None:
        return math.nan
    to_share: Callable[[float], np.ndarray] = info.scale.to_share
    chance = float(to_share(info.chance))
    return (float(to_share(best)) - chance) / (1 - chance)


def _wrong(rows: pd.DataFrame, best: pd.Series, task: str, shots: int) -> float:
    at = (rows["task"] == task) & (rows["num_fewshot"] == shots) & (rows["metric"] == "probability")
    own = rows[at & (rows["run"] == best["run"]) & (rows["tokens"] == best["tokens"])]
    return math.nan if own.empty else 1 - float(own["value"].iloc[-1])


def judge(numbers: Numbers, position: float) -> tuple[str, str]:
    """Decide whether runs of these sizes can be compared by a series, and why.

    Args:
        numbers: what was measured.
        position: of the best run between chance and ceiling, NaN where unknown.
    """
    agreement, order = numbers.agreement, numbers.over_size
    if position < ROOM:
        return AVOID, "the best run is at chance"
    if position > 1 - ROOM:
        return AVOID, "the best run has reached the ceiling"
    if math.isnan(agreement):
        return WEAK, "nothing tells its noise: too few checkpoints, and no standard errors"
    kept = f"{agreement:.0%} of pairs of {numbers.spread_over} keep their order when measured again"
    if agreement < AGREEMENT_LEAST:
        return AVOID, f"noise: only {kept}"
    if order < ORDER_LEAST:
        return AVOID, f"scores do not rise with size (rank correlation {order:.2f})"
    held = numbers.decision if numbers.decision_pairs >= PAIRS else math.nan
    orders = f"{held:.0%} of {numbers.decision_pairs} orders of smaller runs held at larger sizes"
    if held < DECISION_LEAST:
        return AVOID, f"only {orders}"
    if held < DECISION:
        return WEAK, orders
    if agreement < AGREEMENT:
        return WEAK, kept
    if order < ORDER:
        return WEAK, f"scores rise with size only loosely (rank correlation {order:.2f})"
    return USE, kept


def _notes(found: Sequence[SeriesSignal]) -> list[str]:
    notes = []
    if found and all(own.numbers.noise_from == "items" for own in found if own.numbers.noise_from):
        notes.append("no run has four checkpoints on a benchmark: noise is that of the number of items alone")
    if found and all(own.numbers.spread_over != "recipes" for own in found):
        notes.append(
            "no three families have runs of one size: the spread is over sizes, which is larger than between recipes"
        )
    return notes
