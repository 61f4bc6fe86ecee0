"""Stores whose items were drawn, so that every difference is known."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor.results.store import Store


def items_of(values, gold=None, **more):
    """Rows of items: right or wrong, two choices of four bytes, the right one `nats` worth."""
    count = len(values)
    nats = np.asarray(more.pop("nats", np.where(np.asarray(values) == 1, 1.0, 3.0)), float)
    gold = np.zeros(count, int) if gold is None else gold
    wrong = np.full(count, 2.0)
    likelihoods = [[-n, -w] if g == 0 else [-w, -n] for n, w, g in zip(nats, wrong, gold, strict=True)]
    base = {
        "subtask": "drawn",
        "doc_id": np.arange(count),
        "doc_hash": [f"{number:064d}" for number in range(count)],
        "log_likelihoods": likelihoods,
        "byte_lengths": [[4, 4]] * count,
        "gold": pd.array(gold, dtype="Int64"),
        "correct": np.asarray(values, float),
        "samples": pd.array([pd.NA] * count, dtype="Int64"),
        "passes": pd.array([pd.NA] * count, dtype="Int64"),
    }
    return pd.DataFrame({**base, **more})


@pytest.fixture
def store(tmp_path: Path) -> Callable[..., Path]:
    """Write a store of runs: run -> task -> rows of items; one checkpoint each, at step 10 unless `steps` says else."""

    def write(runs: Mapping[str, Mapping[str, pd.DataFrame]], name: str = "store", **place) -> Path:
        kept = Store(tmp_path / name)
        kept.create()
        tasks = {}
        for run, of_tasks in runs.items():
            base, _, step = run.partition("@")
            for task, items in of_tasks.items():
                at = int(step or 10)
                row = {"family": "fam", "run": base, "params": 1000, "params_non_embedding": 900, "step": at}
                row |= {"tokens": at * 100, "tokens_planned": 3000, "task": task, "num_fewshot": 0, "flops": np.nan}
                digest = f"{sum((run + task).encode()):064x}"
                row |= {"identity": digest, "protocol": "p1", "checkpoint": "c1", "n_items": len(items), **place}
                score = items["correct"].mean()
                scores = pd.DataFrame([{**row, "metric": "acc", "value": score, "stderr": 0.01}])
                kept.write(scores, items.assign(**row), {"run": run, "task": task})
                tasks[task] = (task, 0, "acc", 0.5, len(items), "p1")
        columns = ["task", "num_fewshot", "metric", "chance", "n_items", "protocol"]
        kept.write_tasks(pd.DataFrame(list(tasks.values()), columns=columns))
        names = sorted({run.partition("@")[0] for run in runs})
        described = {"run": names, "family": "fam", "role": "ladder", "params": 1000, "params_non_embedding": 900}
        kept.write_runs(pd.DataFrame(described).assign(tokens_per_step=100, tokens_planned=3000))
        return kept.path

    return write
