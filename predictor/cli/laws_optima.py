"""`predictor laws solve`: the best vocabulary, format, epochs, pools, mixture, and answers read from tables."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import numpy as np

from predictor.cli.law_source import (
    ASSIGNMENTS,
    NAMES,
    Chosen,
    central_interval,
    chosen_parameters,
    parameter_options,
)
from predictor.cli.laws_solve import shown_interval, shown_number
from predictor.cli.options import QUANTITY, TaskList, json_option, results_option, write_json
from predictor.errors import InputError
from predictor.laws import get_law

if TYPE_CHECKING:
    import pandas as pd

_JSON = json_option("Write JSON")
_TABLE = click.option("--table", type=click.Path(path_type=Path), required=True, metavar="FILE", help="Parquet or CSV.")


def _column(table: pd.DataFrame, name: str, source: Path) -> np.ndarray:
    from predictor.forecasting.law_columns import column

    return column(table, name, str(source))


def _read(path: Path) -> pd.DataFrame:
    from predictor.results.tables import read_table

    return read_table(path)


def _deliver(record: dict[str, Any], lines: list[str], json_path: str | None) -> None:
    if json_path is not None:
        write_json(record, json_path)
    if json_path != "-":
        for line in lines:
            click.echo(line)


@click.command()
@click.option("--params", type=QUANTITY, required=True, metavar="N", help="Parameters outside the vocabulary.")
@click.option("--width", type=QUANTITY, required=True, metavar="W", help="Width of the model.")
@click.option("--flops", type=QUANTITY, required=True, metavar="C", help="Budget of training compute.")
@parameter_options
@_JSON
def vocabulary(params: float, width: float, flops: float, json_path: str | None, **options: Any) -> None:
    """Find the vocabulary of the least loss at a budget, under the vocabulary law.

    \b
    Example:
      predictor laws solve vocabulary --published tao --params 70B --width 8192 --flops 8e23
    """
    from predictor.laws.optima import best_vocabulary

    chosen = chosen_parameters(get_law("vocabulary"), options)
    best = best_vocabulary(chosen.parameters, params, width, flops)
    ends = chosen.intervals(lambda drawn: best_vocabulary(drawn, params, width, flops).vocabulary)
    record = {"vocabulary": best.vocabulary, "tokens": best.tokens, "loss": best.loss, "interval_80": ends}
    lines = [
        f"vocabulary {shown_number(best.vocabulary)}{shown_interval(ends, before=chr(10))}",
        f"loss {best.loss:.4f} on {shown_number(best.tokens)} tokens; {chosen.source}",
    ]
    _deliver(record, lines, json_path)


@click.command("encoder-share")
@parameter_options
@_JSON
def encoder_share(json_path: str | None, **options: Any) -> None:
    """Find the share of the parameters that is best in the encoder, under the encoder_decoder law.

    \b
    Example:
      predictor laws solve encoder-share --parameters a=0.6,p_e=0.18,p_d=0.3,L_inf=0.9
    """
    from predictor.laws.optima import encoder_share as best_share

    chosen = chosen_parameters(get_law("encoder_decoder"), options)
    share, ends = best_share(chosen.parameters), chosen.intervals(best_share)
    line = f"encoder share {share:.4g}{shown_interval(ends, before=chr(10))}"
    _deliver({"encoder_share": share, "interval_80": ends}, [line], json_path)


@click.command("format")
@click.option("--params", type=QUANTITY, required=True, metavar="N", help="Model size.")
@click.option(
    "--bits",
    type=click.IntRange(3, 64),
    multiple=True,
    default=(4, 8, 16),
    show_default=True,
    help="Bits of the format; repeat for several.",
)
@click.option("--block", type=QUANTITY, default=128, show_default=True, help="Numbers that share a scaling factor.")
@parameter_options
@_JSON
def float_format(params: float, bits: tuple[int, ...], block: float, json_path: str | None, **options: Any) -> None:
    """Find the best exponent and mantissa bits of a float format, and the tokens beyond which training does harm.

    \b
    Example:
      predictor laws solve format --published sun --params 1B --bits 4 --bits 8
    """
    from predictor.laws.optima import best_format

    chosen = chosen_parameters(get_law("float_training"), options)
    rows, lines = [], ["bits  format  critical tokens"]
    for number in bits:
        best = best_format(chosen.parameters, params, number, block)
        name = f"E{best.exponent_bits}M{best.mantissa_bits}"
        find = partial(best_format, params=params, bits=number, block=block)
        ends = chosen.intervals(lambda drawn, find=find: find(drawn).critical_tokens)  # type: ignore[misc]
        rows.append({"bits": number, "format": name, "critical_tokens": best.critical_tokens, "interval_80": ends})
        lines.append(f"{number:4d}  {name:6s}  {shown_number(best.critical_tokens)}{shown_interval(ends)}")
    _deliver({"params": params, "block": block, "formats": rows}, lines, json_path)


@click.command()
@click.option("--params", type=QUANTITY, required=True, metavar="N", help="Model size.")
@click.option("--unique", type=QUANTITY, required=True, metavar="U", help="Distinct training tokens.")
@click.option("--worth", type=float, default=0.002, show_default=True, help="Nats that one more epoch must gain.")
@parameter_options
@_JSON
def epochs(params: float, unique: float, worth: float, json_path: str | None, **options: Any) -> None:
    """Find after how many epochs repeating the data stops paying, under the repeated_data law.

    \b
    Example:
      predictor laws solve epochs --published muennighoff --params 7B --unique 100B
    """
    from predictor.laws.optima import worthwhile_repeats

    law = get_law("repeated_data")
    chosen = chosen_parameters(law, options)
    best = worthwhile_repeats(chosen.parameters, params, unique, worth)
    ends = chosen.intervals(lambda drawn: worthwhile_repeats(drawn, params, unique, worth).epochs)
    curve = []
    lines = [
        f"epochs {best.epochs:.0f}, {shown_number(best.tokens)} tokens{shown_interval(ends, before=chr(10))}",
        f"loss {best.loss:.4f}; endless repeats would reach {best.endless:.4f}",
        "epochs    loss",
    ]
    for number in (1, 2, 4, 8, 16, 32, 64):
        given = {"params": params, "tokens": unique * number, "unique_tokens": unique}
        curve.append({"epochs": number, "loss": float(law.evaluate(chosen.parameters, given))})
        lines.append(f"{number:6d}  {curve[-1]['loss']:.4f}")
    record = {"epochs": best.epochs, "tokens": best.tokens, "loss": best.loss, "endless": best.endless}
    _deliver({**record, "interval_80": ends, "curve": curve}, lines, json_path)


class Pool(click.ParamType):
    """One data pool, as `web:b=0.2,tau=5,size=1G`."""

    name = "NAME:b=…,tau=…,size=…"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Split the name from the numbers."""
        if isinstance(value, tuple):
            return value
        name, sign, rest = str(value).partition(":")
        numbers = ASSIGNMENTS.convert(rest, param, ctx) if sign else {}
        if not name or set(numbers) != {"b", "tau", "size"} or min(numbers.values()) <= 0:
            self.fail(f"'{value}' is not of the form NAME:b=0.2,tau=5,size=1G", param, ctx)
        return name, (numbers["b"], numbers["tau"], numbers["size"])


@click.command()
@click.option("--pool", "pools", type=Pool(), multiple=True, required=True, help="A pool; repeat for each.")
@click.option("--samples", type=QUANTITY, required=True, metavar="S", help="Samples to train on, repeats included.")
@click.option("--weight", type=float, default=1.0, show_default=True, help="a of the filtered_pools law.")
@click.option("--floor", type=float, default=0.0, show_default=True, help="d of the filtered_pools law.")
@_JSON
def pools(
    pools: tuple[tuple[str, tuple[float, float, float]], ...],
    samples: float,
    weight: float,
    floor: float,
    json_path: str | None,
) -> None:
    """Choose the data pools to train on at a budget of samples, under the filtered_pools law.

    \b
    Example:
      predictor laws solve pools --samples 640M --pool best:b=0.2,tau=3,size=13M --pool next:b=0.15,tau=5,size=13M
    """
    from predictor.laws.optima import rank_pools

    if len(dict(pools)) < len(pools):
        raise InputError("two pools have one name", "give each its own")
    ranked = rank_pools(dict(pools), weight, floor, samples)
    rows = [{"pools": list(one.names), "error": one.error, "epochs": one.epochs} for one in ranked]
    lines = ["   error  epochs  pools"]
    lines += [f"{one.error:8.4g}  {one.epochs:6.3g}  {', '.join(one.names)}" for one in ranked[:10]]
    _deliver({"samples": samples, "ranked": rows}, lines, json_path)


@click.command()
@_TABLE
@click.option("--shares", type=TaskList(), required=True, metavar="a,b", help="Columns of the domains' shares.")
@click.option("--output", required=True, metavar="COLUMN", help="Column of the loss or score.")
@click.option("--higher-is-better", is_flag=True, help="The output is a score.")
@click.option(
    "--model",
    "kind",
    type=click.Choice(["linear", "quadratic", "trees"]),
    default="quadratic",
    show_default=True,
    help="The regression of the output on the shares.",
)
@click.option("--available", type=ASSIGNMENTS, metavar="a=20B", help="Distinct tokens of each domain.")
@click.option("--tokens", type=QUANTITY, metavar="D", help="Training tokens, with --available.")
@click.option("--epochs", type=float, default=4.0, show_default=True, help="Most epochs of a domain, with --available.")
@click.option("--bound", type=ASSIGNMENTS, metavar="COLUMN=L", help="Losses of other domains that may not exceed this.")
@_JSON
def mixture(
    table: Path,
    shares: tuple[str, ...],
    output: str,
    higher_is_better: bool,
    kind: str,
    available: dict[str, float] | None,
    tokens: float | None,
    epochs: float,
    bound: dict[str, float] | None,
    json_path: str | None,
) -> None:
    """Find the best training mixture among the means of mixtures that were trained.

    \b
    Example:
      predictor laws solve mixture --table mixtures.csv --shares web,code,books --output loss --bound loss_code=1.1
    """
    from predictor.laws.mixtures import best_mixture, mixture_caps
    from predictor.laws.regression import fit_mixture_regression

    frame = _read(table)
    trained = np.column_stack([_column(frame, name, table) for name in shares])
    fit = partial(fit_mixture_regression, trained, kind=kind)  # type: ignore[arg-type]
    model = fit(_column(frame, output, table))
    bounds = {fit(_column(frame, name, table)): limit for name, limit in (bound or {}).items()}
    caps = None if available is None else mixture_caps(shares, available, tokens, epochs)
    best = best_mixture(model, trained, lower_is_better=not higher_is_better, caps=caps, bounds=bounds)
    named = dict(zip(shares, map(float, best.shares), strict=True))
    ends = model.interval(best.shares)
    lines = [f"{output} {best.value:.5g}{shown_interval(ends)}"]
    if best.trained is not None:
        lines.append(f"best trained mixture {best.trained:.5g} by the same model")
    lines += [f"  {name:12s} {share:.4f}" for name, share in sorted(named.items(), key=lambda item: -item[1])]
    record = {"shares": named, "value": best.value, "trained": best.trained, "interval_80": ends, "model": kind}
    _deliver(record, lines, json_path)


@click.command()
@click.argument("law")
@click.option("--a", "first", type=ASSIGNMENTS, required=True, metavar="a=1,…", help="Parameters of the first recipe.")
@click.option("--b", "second", type=ASSIGNMENTS, required=True, metavar="a=1,…", help="Parameters of the second.")
@click.option("--along", required=True, metavar="INPUT", help="The input that varies.")
@click.option("--given", type=ASSIGNMENTS, default="", metavar="a=1", help="The other inputs.")
@click.option("--from", "low", type=QUANTITY, required=True, help="Smallest value of the input.")
@click.option("--to", "high", type=QUANTITY, required=True, help="Largest value.")
@_JSON
def crossings(
    law: str,
    first: dict[str, float],
    second: dict[str, float],
    along: str,
    given: dict[str, float],
    low: float,
    high: float,
    json_path: str | None,
) -> None:
    """Find all places where two recipes under LAW change places.

    \b
    Example:
      predictor laws solve crossings asymptote --a E=1.7,A=300,alpha=0.15 --b E=1.8,A=500,alpha=0.17 --along flops \\
        --from 1e18 --to 1e26
    """
    from predictor.laws.solve import all_crossovers

    found = get_law(law)
    roots = all_crossovers((found, first), (found, second), along, given, (low, high))
    lines = [f"{along} {shown_number(root)}" for root in roots] or ["they cross nowhere in between"]
    _deliver({"along": along, "crossings": roots}, lines, json_path)


@click.command()
@_TABLE
@click.option("--columns", type=NAMES, default="", metavar="flops=c,…", help="Columns of flops, params and loss.")
@click.option("--flops", type=QUANTITY, metavar="C", help="A budget to give the best size for.")
@_JSON
def isoflop(table: Path, columns: dict[str, str], flops: float | None, json_path: str | None) -> None:
    """Fit the best size at each budget of a table of isoFLOP runs, and the power law through them.

    \b
    Example:
      predictor laws solve isoflop --table runs.csv --columns loss=val_loss --flops 5.76e23
    """
    from predictor.fitting.curves import isoflop as fit_isoflop

    frame = _read(table)
    read = [_column(frame, columns.get(name, name), table) for name in ("flops", "params", "loss")]
    answer = fit_isoflop(read[0], read[1], read[2], budget=flops)
    rows = [
        {"flops": float(c), "params": float(n), "loss": float(best)}
        for c, n, best in zip(answer.flops, answer.params, answer.loss, strict=True)
    ]
    exponent, low, high = answer.exponent
    lines = ["     flops  best params    loss"]
    lines += [f"{row['flops']:10.3g}  {shown_number(row['params'])}  {row['loss']:.4f}" for row in rows]
    finite = bool(np.isfinite([low, high]).all())
    ends = (low, high) if finite else None
    lines.append(f"N_opt grows as C^{exponent:.4g}{shown_interval(ends)}")
    record: dict[str, Any] = {"budgets": rows, "exponent": exponent, "exponent_interval_80": ends, "at": None}
    if answer.asked is not None:
        reach = (answer.asked[2], answer.asked[3]) if finite else None
        record["at"] = {"flops": flops, "params": answer.asked[1], "interval_80": reach}
        lines.append(f"at {flops:.4g} FLOPs {shown_number(answer.asked[1])}{shown_interval(reach)}")
    _deliver(record, lines, json_path)


@click.command()
@_TABLE
@click.option("--date", default="date", show_default=True, metavar="COLUMN", help="Column of release dates.")
@click.option("--value", default="density", show_default=True, metavar="COLUMN", help="Column of densities.")
@_JSON
def doubling(table: Path, date: str, value: str, json_path: str | None) -> None:
    """Fit how fast capacity density, or anything else, doubles over release dates.

    \b
    Example:
      predictor laws solve doubling --table densities.csv --date released
    """
    from predictor.fitting.curves import doubling_time, years_of

    frame = _read(table)
    if date not in frame.columns:
        _column(frame, date, table)
    answer = doubling_time(years_of(frame[date], f"column {date} of {table}"), _column(frame, value, table))
    ends = tuple(None if np.isinf(end) else 12 * end for end in answer.interval)
    if np.isinf(answer.years):
        raise InputError(f"{value} does not grow over {date}", "check the columns")
    line = f"{value} doubles in {12 * answer.years:.3g} months{shown_interval(ends)}"  # type: ignore[arg-type]
    _deliver({"months": 12 * answer.years, "interval_80": ends}, [line], json_path)


@click.command("early-stop")
@_TABLE
@click.option("--run", default="run", show_default=True, metavar="COLUMN", help="Column of the runs' names.")
@click.option("--along", default="tokens", show_default=True, metavar="COLUMN", help="Column of tokens or steps.")
@click.option("--loss", default="loss", show_default=True, metavar="COLUMN", help="Column of the losses.")
@click.option("--end", type=QUANTITY, required=True, metavar="D", help="Tokens or steps at which the runs end.")
@click.option("--keep", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="Keep likelier runs.")
@_JSON
def early_stop(table: Path, run: str, along: str, loss: str, end: float, keep: float, json_path: str | None) -> None:
    """Extrapolate the losses of candidate runs and say which may be stopped.

    \b
    Example:
      predictor laws solve early-stop --table losses.csv --end 20B
    """
    from predictor.fitting.curves import rank_candidates

    frame = _read(table)
    x, y = _column(frame, along, table), _column(frame, loss, table)
    if run not in frame.columns:
        _column(frame, run, table)
    names = frame[run].astype(str).to_numpy()
    ranked = rank_candidates({name: (x[names == name], y[names == name]) for name in dict.fromkeys(names)}, end)
    rows, lines = [], ["lowest   loss (80%)                run"]
    for one in ranked:
        middle, low, high = one.loss
        verdict = "keep" if one.best > keep else "stop"
        rows.append(
            {"run": one.run, "loss": middle, "interval_80": [low, high], "lowest": one.best, "verdict": verdict}
        )
        lines.append(f"{100 * one.best:5.1f}%   {middle:.4f} ({low:.4f} to {high:.4f})  {one.run}: {verdict}")
    _deliver({"end": end, "runs": rows}, lines, json_path)


@click.command("tokens-for-score")
@results_option()
@click.option("--task", required=True, metavar="T", help="The benchmark.")
@click.option("--loss-task", required=True, metavar="T", help="The held-out loss that it is read from.")
@click.option("--score", type=float, required=True, metavar="Y", help="The score to reach, in [0, 1].")
@click.option("--params", type=QUANTITY, required=True, metavar="N", help="Size of the model.")
@click.option("--family", metavar="F", help="Family of runs (default: that with the most).")
@_JSON
def tokens_for_score(
    results: Path,
    task: str,
    loss_task: str,
    score: float,
    params: float,
    family: str | None,
    json_path: str | None,
) -> None:
    """Find the fewest training tokens for a benchmark score at one size: the loss for the score, then its tokens.

    \b
    Example:
      predictor laws solve tokens-for-score --results evals.parquet --task hellaswag --loss-task loss:c4_val \\
        --score 0.7 --params 7B
    """
    from predictor.forecasting.law_table import fit_law_to_results
    from predictor.laws.solve import solve_for
    from predictor.results import read_results

    table = read_results(results)
    score_law, loss_law = get_law("accuracy_from_loss"), get_law("chinchilla")
    scores = Chosen.of(fit_law_to_results(score_law, table, task=task, loss=loss_task, family=family))
    losses = Chosen.of(fit_law_to_results(loss_law, table, task=loss_task, family=family))

    def need(of_score: dict[str, float], of_loss: dict[str, float]) -> tuple[float, float]:
        loss = solve_for(score_law, of_score, "loss", score, {})
        return loss, solve_for(loss_law, of_loss, "tokens", loss, {"params": params})

    loss, tokens = need(scores.parameters, losses.parameters)
    ends = None
    if scores.draws is not None and losses.draws is not None:
        # Both laws are resampled apart: each draw pairs one with the other.
        pairs = [{"score": a, "loss": b} for a, b in zip(scores.draws, losses.draws, strict=False)]
        ends = central_interval(lambda pair: need(pair["score"], pair["loss"])[1], pairs)
    record = {"task": task, "score": score, "params": params, "loss": loss, "tokens": tokens, "interval_80": ends}
    lines = [
        f"tokens {shown_number(tokens)}{shown_interval(ends, before=chr(10))}",
        f"by a loss of {loss:.4f} on {loss_task}",
    ]
    _deliver(record, lines, json_path)


OPTIMA: tuple[click.Command, ...] = (
    tokens_for_score,
    vocabulary,
    encoder_share,
    float_format,
    epochs,
    pools,
    mixture,
    crossings,
    isoflop,
    doubling,
    early_stop,
)
