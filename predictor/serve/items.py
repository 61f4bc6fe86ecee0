"""The page of single items: what a checkpoint answered, beside the run's other checkpoints."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from predictor.errors import InputError, UnknownNameError
from predictor.serve.pages import run_of
from predictor.serve.source import Source
from predictor.statistics.item_views import Asked, view_items

PAGE = 20
_LONGEST = 15


def items_page(source: Source, task: str, asked: Mapping[str, str]) -> dict[str, Any]:
    """Show items of a benchmark, a page at a time.

    Args:
        source: the results.
        task: the benchmark.
        asked: `run`, and if wanted `step`, `wrong`, `flipped` (a step), `item` and `page`.

    Raises:
        UnknownNameError: there is no such benchmark or run.
        InputError: a number is none, or no items were kept.
    """
    names = [str(name) for (name,) in source.summary.rows("SELECT DISTINCT task FROM scores ORDER BY 1")]
    if task not in names:
        raise UnknownNameError("benchmark", task, names, "these results")
    runs = sorted(run.label for run in source.summary.runs())
    form = {"run": "", "step": "", "wrong": "", "flipped": "", "item": "", **asked}
    content: dict[str, Any] = {"task": task, "runs": runs, "asked": form, "items": None, "page": 1, "pages": 1}
    if not form["run"]:
        return content
    run = run_of(source.summary, form["run"])
    page = max(_number(form.get("page"), "page") or 1, 1)
    document = _number(form["item"], "item")
    wanted = Asked(
        wrong=form["wrong"] == "1",
        flipped_since=_number(form["flipped"], "flipped"),
        numbers=() if document is None else (document,),
        skip=(page - 1) * PAGE,
        limit=PAGE,
    )
    step = _number(form["step"], "step")
    found = view_items(source.path, [task], run.run, step, family=run.family, asked=wanted)
    return {**content, "items": found, "page": page, "pages": max(1, math.ceil(found.matching / PAGE))}


def _number(text: str | None, name: str) -> int | None:
    """Read a whole number of the form; None where the field is empty."""
    text = (text or "").strip()
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= _LONGEST):
        raise InputError(f"{name} is no whole number", "write digits alone")
    return int(text)
