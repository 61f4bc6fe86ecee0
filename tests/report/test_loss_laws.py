"""The laws of held-out losses: found again, drawn, or refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from predictor.forecasting import Forecaster
from predictor.report import build_report, fit_loss_laws, write_html
from predictor.results import Results, read_results

E, A, ALPHA, B, BETA = 1.7, 400.0, 0.34, 410.0, 0.28


def law(params: float, tokens: float) -> float:
    return E + A * params**-ALPHA + B * tokens**-BETA


@pytest.fixture
def grid(tmp_path: Path):
    """Write losses of runs on a grid of sizes and tokens per parameter; gives the results."""

    def write(sizes: list[float], ratios: list[float], task: str = "loss:c4") -> Results:
        random = np.random.default_rng(0)
        rows = [
            {
                "family": "grid",
                "run": f"{size:.0e}-{ratio:g}",
                "params": int(size),
                "tokens": int(ratio * size),
                "task": task,
                "metric": "nll" if task.startswith("loss:") else "acc",
                "value": law(size, ratio * size) * np.exp(0.001 * random.standard_normal())
                if task.startswith("loss:")
                else 0.5,
            }
            for size in sizes
            for ratio in ratios
        ]
        pd.DataFrame(rows).to_parquet(tmp_path / "evals.parquet")
        return read_results(tmp_path / "evals.parquet")

    return write


def test_the_law_in_size_and_data_is_found_again(grid):
    (found,) = fit_loss_laws(grid([1e7, 3e7, 1e8, 3e8, 1e9], [5, 20, 80, 320]), "grid", 1e10, 4e11)
    assert found.law == "chinchilla"
    assert found.value == pytest.approx(law(1e10, 4e11), rel=0.01)
    low, high = found.intervals["95"]
    assert low < law(1e10, 4e11) < high
    truth = {"E": E, "A": A, "alpha": ALPHA, "B": B, "beta": BETA}
    assert all(one.low <= truth[one.name] <= one.high for one in found.coefficients)
    assert "extrapolates" in found.place
    middle = next(trace for trace in found.figure["data"] if trace["name"] == "fitted law")
    assert middle["y"][-1] == pytest.approx(found.value, rel=1e-3)
    assert middle["x"][-1] == pytest.approx(6 * 1e10 * 4e11, rel=1e-3)


def test_one_ratio_of_tokens_to_parameters_leaves_the_law_in_compute_or_a_reason(grid):
    (found,) = fit_loss_laws(grid([1e7, 2e7, 4e7, 8e7, 2e8, 4e8, 8e8, 2e9], [20]), "grid", 1e10, 2e11)
    told = found.refusal or found.note
    assert "params and tokens vary only together" in told
    assert found.law in ("", "asymptote")


def test_too_few_runs_are_refused_with_the_reason(grid):
    (found,) = fit_loss_laws(grid([1e7, 1e8], [20]), "grid", 1e10, 2e11)
    assert found.figure is None
    assert "2 observations cannot determine" in found.refusal


def test_without_a_loss_the_page_says_so(forecaster: Forecaster, grid, tmp_path: Path):
    laws = fit_loss_laws(grid([1e7, 1e8], [20], task="arc_easy"), "grid", 1e10, 2e11)
    assert laws == ()
    page = write_html(build_report(forecaster, 1e9, 2e10, laws=laws), tmp_path / "r.html").read_text(encoding="utf-8")
    assert "No held-out loss was scored" in page
    bare = write_html(build_report(forecaster, 1e9, 2e10), tmp_path / "r.html").read_text(encoding="utf-8")
    assert 'id="laws"' not in bare
