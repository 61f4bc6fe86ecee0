"""Which benchmarks to trust, from ladders whose noise and spread are known."""

import math

import numpy as np
import pandas as pd
import pytest

from predictor.errors import InputError, UnknownNameError
from predictor.statistics import signal
from predictor.statistics.signal_numbers import agreement_of, newest, noise_of, rank_correlation

FAMILIES = ["web", "mix", "code", "books"]
QUALITY = {"web": 0.0, "mix": 0.02, "code": 0.04, "books": 0.06}


def ladder(noise, quality=QUALITY, checkpoints=12, seed=0, task="clear", chance=0.25):
    """Four recipes at three sizes: a score that rises with compute, a shift per recipe, noise per checkpoint."""
    generator = np.random.default_rng(seed)
    rows = []
    for family in FAMILIES:
        for size in (1e8, 4e8, 1.6e9):
            for step in range(1, checkpoints + 1):
                tokens = int(20 * size * step / checkpoints)
                level = 0.30 + 0.05 * math.log(6 * size * tokens / 1e16) / math.log(4) + quality[family]
                row = {"family": family, "run": f"{family}-{size:.0e}", "params": int(size), "tokens": tokens}
                row |= {"step": step, "task": task, "metric": "acc", "num_fewshot": 0, "chance": chance}
                rows.append({**row, "value": level + noise * generator.standard_normal()})
    return pd.DataFrame(rows)


@pytest.fixture
def table(tmp_path):
    def write(*frames):
        rows = pd.concat(frames)
        tasks = rows[["task", "metric", "chance"]].drop_duplicates()
        rows.drop(columns="chance").to_parquet(tmp_path / "evals.parquet")
        tasks.to_parquet(tmp_path / "tasks.parquet")
        return tmp_path

    return write


def by_task(answer):
    return {own.task: own for own in answer.series}


def test_sheppards_formula_is_the_share_of_orders_that_are_seen_again():
    generator = np.random.default_rng(0)
    true, noise = generator.normal(0, 3, size=(2, 200000)), generator.normal(0, 2, size=(2, 200000))
    seen = np.sign(true[0] - true[1]) == np.sign(true[0] - true[1] + noise[0] - noise[1])
    assert agreement_of(math.hypot(3, 2), 2.0) == pytest.approx(seen.mean(), abs=0.003)


def test_noise_is_found_beneath_a_trend():
    rows = ladder(0.01, checkpoints=200).assign(error=np.nan)
    rows["value"] += 0.002 * rows["step"]
    noise, source = noise_of(rows)
    # Ten last checkpoints of twelve runs: 108 steps.
    assert noise == pytest.approx(0.01, rel=0.25)
    assert source == "checkpoints"


def test_a_benchmark_that_tells_recipes_apart_is_used_and_a_noisy_one_is_not(table):
    path = table(ladder(0.002), ladder(0.08, dict.fromkeys(FAMILIES, 0.0), seed=1, task="noise"))
    found = by_task(signal(path))
    assert found["clear"].verdict == "use"
    assert found["clear"].numbers.decision == 1.0
    assert found["clear"].numbers.spread_over == "recipes"
    assert found["clear"].numbers.over_size == 1.0
    assert found["noise"].verdict != "use"


def test_pairs_are_counted_over_all_larger_sizes(table):
    # Six pairs of four recipes; small to middle, small to large, middle to large.
    assert by_task(signal(table(ladder(0.002))))["clear"].numbers.decision_pairs == 18


def test_a_benchmark_at_chance_is_avoided_however_steady_it_is(table):
    still = ladder(0.001).assign(task="still", value=lambda rows: 0.25 + 0.001 * rows["value"])
    found = by_task(signal(table(ladder(0.002), still)))
    assert found["still"].reason == "the best run is at chance"
    assert found["still"].position == pytest.approx(0.0, abs=0.01)


def test_a_loss_counts_as_better_where_it_is_lower(table):
    loss = ladder(0.002).assign(task="loss:web", metric="nll", value=lambda rows: 4 - rows["value"])
    found = by_task(signal(table(ladder(0.002), loss)))
    assert found["loss:web"].numbers.over_size == 1.0
    assert found["clear"].numbers.losses["loss:web"] > 0.9


def test_scores_and_losses_are_correlated_with_each_other(table):
    from scipy.stats import spearmanr

    loss = ladder(0.05, seed=2).assign(task="loss:web", metric="nll", value=lambda rows: 4 - rows["value"])
    frame = pd.concat([ladder(0.05), loss])
    last = frame[frame["step"] == 12].pivot_table(index="run", columns="task", values="value")
    known = spearmanr(last["clear"], -last["loss:web"]).statistic
    answer = signal(table(frame))
    assert answer.correlations.loc["clear (0-shot)", "loss:web"] == pytest.approx(known)
    assert answer.to_json()["correlations"]["loss:web"]["clear (0-shot)"] == pytest.approx(known)


def test_one_family_is_judged_by_its_sizes_with_a_note(table):
    answer = signal(table(ladder(0.002)), families=["web"])
    assert by_task(answer)["clear"].numbers.spread_over == "sizes"
    assert any("no three families" in note for note in answer.notes)


def test_names_that_do_not_exist_are_refused(table):
    path = table(ladder(0.002))
    with pytest.raises(UnknownNameError):
        signal(path, families=["wbe"])
    one = ladder(0.002)
    alone = table(one[one["run"] == one["run"].iloc[0]])
    with pytest.raises(InputError, match="fewer than two runs"):
        signal(alone)


def test_rank_correlation_is_that_of_scipy():
    from scipy.stats import spearmanr

    a, b = np.random.default_rng(0).integers(0, 9, size=(2, 30)).astype(float)
    assert rank_correlation(a, b) == pytest.approx(spearmanr(a, b).statistic)


def test_runs_of_nearly_equal_size_are_one_size():
    rows = ladder(0.0)
    rows.loc[rows["family"] == "mix", "params"] += 1000
    assert newest(rows)["size"].nunique() == 3


def test_the_advice_is_a_frame_a_figure_and_a_line(table):
    import predictor

    answer = predictor.signal(table(ladder(0.002)))
    assert answer.to_frame()["verdict"].tolist() == ["use"]
    assert repr(answer) == "<Signals: 1 benchmark: 1 use, 0 weak, 0 avoid>"
    assert len(answer.plot().data[0].x) == 1
