import numpy as np
import pandas as pd
import pytest

from predictor.errors import ForecastError, UnknownNameError
from predictor.forecasting.panel import build_panel, choose_family
from predictor.results import read_results


def read(tmp_path, frame):
    frame.to_parquet(tmp_path / "table.parquet")
    return read_results(tmp_path / "table.parquet")


def run(name, tokens, planned, values, params=1000, family="f"):
    return [
        {
            "family": family,
            "run": name,
            "params": params,
            "tokens": seen,
            "tokens_planned": planned,
            "task": "t",
            "metric": "acc",
            "value": value,
        }
        for seen, value in zip(tokens, values, strict=True)
    ]


def test_a_run_with_a_planned_end_gives_one_observation_from_its_annealed_end(tmp_path):
    rows = run("a", [100, 500, 980, 1000], 1000, [0.1, 0.2, 0.6, 0.8]) + run("b", [2000], 2000, [0.9])
    panel = build_panel(read(tmp_path, pd.DataFrame(rows)), "f")
    assert panel.runs == ("a", "b")
    np.testing.assert_allclose(panel.score, [[0.7, 0.9]], atol=0.005)
    np.testing.assert_allclose(panel.tokens, [1000, 2000])


def test_the_last_stretch_tells_the_end_with_less_noise_than_the_last_checkpoint(tmp_path):
    generator = np.random.default_rng(0)
    tokens = np.arange(760, 1001, 20)
    truth = {f"run{i}": 0.3 + 0.02 * i for i in range(10)}
    rows = []
    for size, (name, end) in enumerate(truth.items()):
        scores = end + 0.08 * np.log(tokens / 1000) + generator.normal(0, 0.01, tokens.size)
        rows += run(name, tokens.tolist(), 1000, scores.tolist(), params=1000 * (size + 1))
    panel = build_panel(read(tmp_path, pd.DataFrame(rows)), "f")
    ends = np.array(list(truth.values()))
    assert [*panel.runs] == [*truth]
    assert np.abs(panel.score[0] - ends).mean() < 0.0035  # a single checkpoint: 0.008
    assert 0.002 < panel.stderr[0].max() < 0.02


def test_a_benchmark_that_the_newest_checkpoint_lacks_keeps_its_older_score(tmp_path):
    rows = run("a", [100, 200], 1000, [0.1, 0.2]) + run("b", [2000], 2000, [0.9])
    rows += [{**row, "task": "u"} for row in run("a", [100], 1000, [0.4]) + run("b", [2000], 2000, [0.8])]
    panel = build_panel(read(tmp_path, pd.DataFrame(rows)), "f")
    seen = {one.task: panel.score[row][np.isfinite(panel.score[row])].tolist() for row, one in enumerate(panel.series)}
    assert seen == {"t": [0.2, 0.9], "u": [0.4, 0.8]}


def test_a_run_without_a_planned_end_gives_checkpoints_spread_in_log_tokens(tmp_path):
    tokens = list(range(100, 10_100, 100))
    rows = run("a", tokens, None, [0.5] * 100) + run("b", tokens, None, [0.6] * 100, params=2000)
    panel = build_panel(read(tmp_path, pd.DataFrame(rows)), "f")
    first = panel.tokens[panel.run == 0]
    assert first.size == 8
    assert first.max() == 10_000
    steps = np.diff(np.log(first))
    assert steps.max() < 2 * steps.min()


def test_an_unfinished_run_gives_its_latest_checkpoint(tmp_path):
    rows = run("a", [100, 200, 300], 1000, [0.1, 0.2, 0.3]) + run("b", [2000], 2000, [0.9])
    np.testing.assert_allclose(build_panel(read(tmp_path, pd.DataFrame(rows)), "f").score, [[0.3, 0.9]])


def test_prompt_formats_are_series_of_their_own(tmp_path):
    rows = [
        {**row, "num_fewshot": shots, "value": 0.1 * (shots + 1)}
        for shots in (0, 5)
        for row in run("a", [10], 10, [0.5]) + run("b", [20], 20, [0.5])
    ]
    panel = build_panel(read(tmp_path, pd.DataFrame(rows)), "f")
    assert [one.label for one in panel.series] == ["t (0-shot)", "t (5-shot)"]
    np.testing.assert_allclose(panel.score[:, 0], [0.1, 0.6])


def test_the_family_with_the_most_runs_is_chosen_and_said(tmp_path):
    rows = run("a", [10], 10, [0.5], family="small") + run("b", [20], 20, [0.5]) + run("c", [30], 30, [0.5])
    results = read(tmp_path, pd.DataFrame(rows))
    family, note = choose_family(results, None)
    assert family == "f"
    assert "small" in note
    with pytest.raises(UnknownNameError, match="unknown family 'smal'"):
        choose_family(results, "smal")


def test_one_run_is_no_ladder(tmp_path):
    with pytest.raises(ForecastError, match="only one run"):
        build_panel(read(tmp_path, pd.DataFrame(run("a", [10, 20], None, [0.5, 0.6]))), "f")


def test_runs_of_one_compute_are_no_ladder(tmp_path):
    with pytest.raises(ForecastError, match="have the same compute"):
        build_panel(read(tmp_path, pd.DataFrame(run("a", [10], 10, [0.5]) + run("b", [10], 10, [0.6]))), "f")


def test_untrained_checkpoints_are_no_ladder(tmp_path):
    with pytest.raises(ForecastError, match="no trained checkpoint"):
        build_panel(read(tmp_path, pd.DataFrame(run("a", [0], 10, [0.5]) + run("b", [0], 10, [0.6]))), "f")


def test_losses_alone_are_no_benchmark(tmp_path):
    rows = [
        {**row, "task": "loss:c4", "metric": "nll"} for row in run("a", [10], 10, [3.0]) + run("b", [20], 20, [2.5])
    ]
    with pytest.raises(ForecastError, match="no benchmark score"):
        build_panel(read(tmp_path, pd.DataFrame(rows)), "f")
