"""A small ladder whose scores follow a known law, and a browser to open reports in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from known_ladder import HOSTILE, HOSTILE_RUN, law

from predictor.forecasting import Forecaster, fit_forecaster
from predictor.results import read_results

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture(scope="package")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Nine benchmarks that rise with compute, one that stays at chance, one held-out loss; six runs."""
    folder = tmp_path_factory.mktemp("results")
    middles = {f"rising_{i}": 18.0 + 0.2 * i for i in range(8)} | {HOSTILE: 18.5}
    random = np.random.default_rng(0)
    rows = []
    for number, params in enumerate([1e7, 2e7, 4e7, 8e7, 1.6e8, 3.2e8]):
        tokens = 20 * params
        at = {"run": HOSTILE_RUN if number == 3 else f"run-{number}", "params": int(params), "tokens": int(tokens)}
        for task, middle in middles.items():
            score = law(params, tokens, middle) + 0.003 * random.standard_normal()
            rows.append({**at, "task": task, "metric": "acc", "value": score, "num_fewshot": 0})
        rows.append({**at, "task": "flat", "metric": "acc", "value": 0.25 + 0.004 * (-1) ** number, "num_fewshot": 0})
        loss = 1.7 + 400 * params**-0.34 + 410 * tokens**-0.28
        rows.append({**at, "task": "loss:c4", "metric": "nll", "value": loss})
    frame = pd.DataFrame(rows).assign(family="ladder", n_items=2000)
    frame.to_parquet(folder / "evals.parquet")
    tasks = [*middles, "flat"]
    pd.DataFrame({"task": tasks, "metric": "acc", "chance": 0.25, "n_items": 2000}).to_parquet(folder / "tasks.parquet")
    return folder / "evals.parquet"


@pytest.fixture(scope="package")
def forecaster(table: Path) -> Forecaster:
    return fit_forecaster(read_results(table), resamples=40)


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield launched
        launched.close()
