"""Which families were tuned from one base: from `models.parquet` beside a table, else from their names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from predictor.results.tables import read_table
from predictor.results.unknown_tokens import MODELS

# Endings of a family's name that mark a tuned variant or one with a longer context, as in `falcon-instruct`.
_TUNED = re.compile(r"[-_ ](instruct|chat|it|sft|dpo|rlhf|tuned|assistant)(?=$|[-_ ])", re.IGNORECASE)
_LONGER = re.compile(r"[-_ ]\d+k$", re.IGNORECASE)


@dataclass(frozen=True)
class Kinship:
    """What a family was made from.

    Attributes:
        base: name of the base that its pretraining belongs to; variants of one base share it.
        tuned: whether it was tuned to follow instructions after pretraining.
    """

    base: str
    tuned: bool


def kinship_by_name(family: str) -> Kinship:
    """Return what a family's name reveals: `yi-chat` is a tuned variant of `yi`, `yi-200k` a variant of it."""
    base = _LONGER.sub("", _TUNED.sub("", family))
    return Kinship(base or family, _TUNED.search(family) is not None)


def read_kinship(path: Path, families: list[str]) -> dict[str, Kinship]:
    """Read the bases of families from `models.parquet` beside a results table; those it does not list go by their name.

    The table's columns are `family`, `family_pretrained` (or `base`) and, where known, `instruct` (or `tuned`).

    Raises:
        InputError: the file is damaged.
    """
    listed: dict[str, Kinship] = {}
    file = (path if path.is_dir() else path.parent) / MODELS
    if file.is_file():
        table = read_table(file).rename(columns={"base": "family_pretrained", "tuned": "instruct"})
        if {"family", "family_pretrained"} <= set(table.columns):
            tuned = table["instruct"] if "instruct" in table else [False] * len(table)
            rows = zip(table["family"].astype(str), table["family_pretrained"], tuned, strict=True)
            listed = {family: Kinship(str(base), bool(is_tuned)) for family, base, is_tuned in rows if base == base}
    return {family: listed.get(family) or kinship_by_name(family) for family in families}
