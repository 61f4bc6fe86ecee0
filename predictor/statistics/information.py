"""How much information a model gains from text for the compute it spends on it, with its tokenizer accounted for.

A held-out text whose loss is known per byte and per token says how many bytes a token holds. A model then saves
8 - bpb bits of every byte and spends 2·N FLOPs on every token, so a tokenizer with long tokens makes a model cheaper.
Bits saved per FLOP fall with size in every family, as losses move with the logarithm of compute. Information capacity
divides the bits saved per token by that logarithm instead, so that models of several sizes compare. The idea is that of
Yuan et al. 2025, arXiv 2511.08066; attention over the context, which they count, is left out here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from predictor.errors import InputError, UnknownNameError
from predictor.results.readers import Results
from predictor.results.series import LOSS_PREFIX
from predictor.statistics.plain import to_plain

_RAW_BITS = 8.0


@dataclass(frozen=True)
class Compressed:
    """One model on one held-out text.

    Attributes:
        family: its family.
        run: its run.
        params: its parameters; the active ones where a token passes through a part of them only.
        tokens: training tokens of its newest checkpoint.
        text: the held-out text, as a task.
        bpb: bits per byte.
        bytes_per_token: of the model's tokenizer on this text.
        flops_per_byte: 2·N over bytes per token; attention over the context is left out.
        saved: bits saved of every byte.
        saved_per_gflop: bits saved per 1e9 FLOPs.
        capacity: bits saved per token over log2 of the FLOPs per token.
    """

    family: str
    run: str
    params: float
    tokens: float
    text: str
    bpb: float
    bytes_per_token: float
    flops_per_byte: float
    saved: float
    saved_per_gflop: float
    capacity: float


@dataclass(frozen=True)
class FamilyCapacity:
    """A family's information capacity on one text.

    Attributes:
        family: the family.
        text: the text.
        models: how many.
        capacity: mean over its models.
        spread: standard deviation over them; None for one model.
    """

    family: str
    text: str
    models: int
    capacity: float
    spread: float | None


@dataclass(frozen=True)
class Compression:
    """The answer of `predictor compression`.

    Attributes:
        models: every model and text.
        families: every family and text, the most capacity first.
        notes: what was left out.
    """

    models: tuple[Compressed, ...]
    families: tuple[FamilyCapacity, ...]
    notes: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return it as values of JSON."""
        values: dict[str, Any] = to_plain(asdict(self))
        return values


def compression(results: Results, texts: Sequence[str] = (), families: Sequence[str] = ()) -> Compression:
    """Compute the information that each run's newest checkpoint gains from held-out texts per compute.

    Args:
        results: a table with losses in nats per token (`nll`) and bits per byte (`bpb`) of the same texts.
        texts: which of them; all where none are named.
        families: whose runs; all where none are named.

    Raises:
        UnknownNameError: there is no such text or family.
        InputError: no text has both losses, or a loss is not positive.
    """
    rows = results.evals[results.evals["task"].str.startswith(LOSS_PREFIX)]
    for kind, wanted, column in (("text", texts, "task"), ("family", families, "family")):
        known = rows[column].unique()
        for name in wanted:
            if name not in known:
                raise UnknownNameError(kind, name, known, str(results.path))
        rows = rows[rows[column].isin(wanted)] if wanted else rows
    keys = ["family", "run", "task", "tokens"]
    losses = rows[rows["metric"].isin(("nll", "bpb"))].drop_duplicates([*keys, "metric"], keep="last")
    wide = losses.pivot_table(index=keys, columns="metric", values="value").reset_index()
    if not {"nll", "bpb"} <= set(wide.columns):
        raise InputError(
            f"{results.path} has no held-out text in nats per token and in bits per byte", "score a task of kind: loss"
        )
    both = wide.dropna(subset=["nll", "bpb"])
    both = both[both["tokens"] == both.groupby(["family", "run", "task"])["tokens"].transform("max")]
    if both.empty:
        raise InputError(f"no run of {results.path} has both losses of one text", "score a task of kind: loss")
    sizes = {(str(row["family"]), str(row["run"])): row for row in rows.to_dict("records")}
    models = [_model(row, sizes[str(row.family), str(row.run)]) for row in both.itertuples()]
    left = len(set(map(tuple, losses[["run", "task"]].to_numpy()))) - len(models)
    notes = (f"{left} runs and texts have one of the two losses only",) if left > 0 else ()
    models.sort(key=lambda model: (model.text, model.family, model.params, model.run))
    return Compression(tuple(models), _by_family(models), notes)


def _model(row: Any, size: dict[Any, Any]) -> Compressed:
    nll, bpb = float(row.nll), float(row.bpb)
    if not (nll > 0 and bpb > 0):
        raise InputError(f"a loss of {row.run} on {row.task} is not positive", "check the table")
    active = size.get("params_active")
    params = float(size["params"] if active is None or pd.isna(active) else active)
    bytes_per_token = nll / (math.log(2) * bpb)
    per_byte, saved = 2 * params / bytes_per_token, _RAW_BITS - bpb
    return Compressed(
        str(row.family),
        str(row.run),
        params,
        float(row.tokens),
        str(row.task),
        bpb,
        bytes_per_token,
        per_byte,
        saved,
        1e9 * saved / per_byte,
        saved * bytes_per_token / math.log2(2 * params),
    )


def _by_family(models: Sequence[Compressed]) -> tuple[FamilyCapacity, ...]:
    frame = pd.DataFrame([{"family": m.family, "text": m.text, "capacity": m.capacity} for m in models])
    found = []
    for _, rows in frame.groupby(["text", "family"]):
        first, count = rows.iloc[0], len(rows)
        spread = float(rows["capacity"].std(ddof=1)) if count > 1 else None
        mean = float(rows["capacity"].mean())
        found.append(FamilyCapacity(str(first["family"]), str(first["text"]), count, mean, spread))
    return tuple(sorted(found, key=lambda row: (row.text, -row.capacity)))
