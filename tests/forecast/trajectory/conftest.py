"""Runs whose scores follow a known path, with checkpoints along the way."""

import numpy as np
import pandas as pd
import pytest


def rising(params, tokens, middle):
    """Score from 25 % towards 85 %, half-way at 10^middle FLOPs, a quarter at a tenth of that."""
    return 0.25 + 0.60 / (1 + 10 ** (0.5 * (middle - np.log10(6 * params * tokens))))


@pytest.fixture
def draw_runs():
    """Make a table of runs with 30 checkpoints each; `change` bends the largest run's shares and losses."""

    def draw(change=None, upto=30, seed=0, noise=0.008):
        random = np.random.default_rng(seed)
        rows = []
        for number, params in enumerate([1e7, 2e7, 4e7, 8e7, 1.6e8]):
            last = number == 4
            for step in range(1, (upto if last else 30) + 1):
                tokens = 20 * params * step / 30
                at = {"run": f"run-{number}", "params": int(params), "tokens": int(tokens), "step": step}
                worse = change(step) if last and change else 0.0
                for task in range(8):
                    score = rising(params, tokens, 17.6 + 0.2 * task)
                    score -= worse * (score - 0.25)
                    value = float(np.clip(score + noise * random.standard_normal(), 0, 1))
                    rows.append({**at, "task": f"task_{task}", "metric": "acc", "value": value})
                loss = (1.7 + 400 * params**-0.34 + 410 * tokens**-0.28) * (1 + max(worse, 0.0) / 3)
                rows.append(
                    {**at, "task": "loss:c4", "metric": "nll", "value": loss * np.exp(0.002 * random.standard_normal())}
                )
        frame = pd.DataFrame(rows).assign(family="drawn", num_fewshot=0, n_items=2000)
        planned = frame["params"] * 20
        return frame.assign(tokens_planned=planned)

    return draw


@pytest.fixture
def results_of(tmp_path):
    """Read a table with its chance levels."""
    from predictor.results import read_results

    def read(frame):
        frame.to_parquet(tmp_path / "evals.parquet")
        tasks = [task for task in frame["task"].unique() if not task.startswith("loss:")]
        pd.DataFrame({"task": tasks, "metric": "acc", "chance": 0.25}).to_parquet(tmp_path / "tasks.parquet")
        return read_results(tmp_path)

    return read
