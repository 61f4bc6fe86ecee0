"""Variants of a task, columns of items, and information per compute, on drawn answers with known truth."""

import json
import math

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from click.testing import CliRunner
from scipy import stats

from predictor.cli.app import app
from predictor.errors import InputError, PredictorError
from predictor.results import read_results
from predictor.results.store import Store
from predictor.statistics import compression, covariate, robustness
from predictor.statistics.covariates import _fit_law
from tests.statistics.conftest import items_of

COUNT = 400


def answers(rate, flips, seed):
    """Right answers to a task, and to a variant that turns a share of the right ones wrong."""
    generator = np.random.default_rng(seed)
    base = (generator.random(COUNT) < rate).astype(float)
    return base, np.where(generator.random(COUNT) < flips, 0.0, base)


@pytest.fixture
def variants_store(store):
    """Three runs on a task and two variants, one of which is the same and one of which turns right answers wrong."""
    runs = {}
    for seed, (run, rate) in enumerate((("weak", 0.4), ("middle", 0.6), ("strong", 0.8))):
        base, other = answers(rate, 0.2, seed)
        runs[run] = {"task": items_of(base), "same": items_of(base), "other": items_of(other)}
    path = store(runs)
    kept = Store(path)
    rows = kept.read_tasks()
    declared = {"same": "task", "other": "task"}
    kept.write_tasks(rows.assign(variant_of=rows["task"].map(declared).astype(object)))
    return path


def test_the_paired_drop_is_that_of_a_paired_t_test(variants_store):
    found = robustness(read_results(variants_store), "task")
    for seed, (run, rate) in enumerate((("weak", 0.4), ("middle", 0.6), ("strong", 0.8))):
        base, other = answers(rate, 0.2, seed)
        own = next(row for row in found.runs if row.run == run)
        by_name = {variant.task: variant for variant in own.variants}
        expected = stats.ttest_rel(base, other).confidence_interval(0.95)
        assert by_name["other"].interval == pytest.approx((expected.low, expected.high))
        assert by_name["same"].drop == 0
        assert own.worst == pytest.approx(other.mean())
        assert own.always == pytest.approx(((base == 1) & (other == 1)).mean())
    assert [(row.task, row.tau, row.flipped, row.pairs) for row in found.ranking] == [
        ("other", 1.0, 0, 3),
        ("same", 1.0, 0, 3),
    ]


def test_a_turned_order_is_counted_and_said_to_be_beyond_doubt(store):
    ones, zeros = np.ones(COUNT), np.zeros(COUNT)
    mixed = (np.arange(COUNT) % 2).astype(float)
    path = store(
        {
            "a": {"task": items_of(ones), "turned": items_of(zeros)},
            "b": {"task": items_of(mixed), "turned": items_of(mixed)},
            "c": {"task": items_of(zeros), "turned": items_of(ones)},
        }
    )
    (row,) = robustness(read_results(path), "task", ["turned"]).ranking
    assert (row.tau, row.flipped, row.seen, row.pairs) == (-1.0, 3, 3, 3)


def test_the_command_prints_variants_and_json_alone(variants_store):
    shown = CliRunner().invoke(app, ["robustness", "task", "--results", str(variants_store)])
    assert shown.exit_code == 0, shown.output
    assert "right in all" in shown.output
    said = CliRunner().invoke(app, ["robustness", "task", "--results", str(variants_store), "--json", "-"])
    assert len(json.loads(said.stdout)["runs"]) == 3


def test_what_is_no_variant_is_refused(variants_store):
    results = read_results(variants_store)
    with pytest.raises(InputError, match="no variants of same are known"):
        robustness(results, "same")
    with pytest.raises(InputError, match="task is no variant of itself"):
        robustness(results, "task", ["task"])
    with pytest.raises(PredictorError, match="unknown task 'none'"):
        robustness(results, "task", ["none"])


@pytest.fixture
def flagged(store, tmp_path):
    """Two runs; flagged items are easier for both, and one run has seen the answers to them."""
    generator = np.random.default_rng(8)
    flags = (generator.random(COUNT) < 0.3).astype(float)
    clean = (generator.random(COUNT) < 0.4 + 0.2 * flags).astype(float)
    seen = np.where((flags == 1) & (generator.random(COUNT) < 0.8), 1.0, clean)
    file = tmp_path / "overlap.csv"
    pd.DataFrame({"doc_id": np.arange(COUNT), "overlap": flags}).to_csv(file, index=False)
    return store({"innocent": {"task": items_of(clean)}, "seen": {"task": items_of(seen)}}), file, flags, clean, seen


def test_gaps_are_welch_s_and_what_a_reference_has_too_is_taken_off(flagged):
    path, file, flags, clean, seen = flagged
    found = covariate(read_results(path), "task", file, against="innocent")
    rows = {row.run: row for row in found.gaps}
    for name, values in (("innocent", clean), ("seen", seen)):
        expected = stats.ttest_ind(values[flags == 1], values[flags == 0], equal_var=False).confidence_interval(0.95)
        assert rows[name].interval == pytest.approx((expected.low, expected.high))
    assert rows["innocent"].wider is None
    low, high = rows["seen"].wider_interval
    assert 0 < low < rows["seen"].wider < high
    assert found.flagged == int(flags.sum())
    shown = CliRunner().invoke(
        app, ["covariate", "task", "--covariate", str(file), "--against", "innocent", "--results", str(path)]
    )
    assert "wider than innocent" in shown.output


def test_the_law_in_count_and_size_is_a_logistic_regression_with_errors_by_item():
    generator = np.random.default_rng(3)
    counts, sizes = generator.poisson(20, COUNT).astype(float), np.array([1e8, 1e9, 1e10])
    place = -9 + 0.8 * np.log1p(counts)[:, None] + 0.3 * np.log(sizes)[None]
    grid = (generator.random((COUNT, 3)) < 1 / (1 + np.exp(-place))).astype(float)
    law = _fit_law(counts, sizes, grid, 0.0, 0.95)
    x = np.stack([np.ones(grid.size), np.repeat(np.log1p(counts), 3), np.tile(np.log(sizes), COUNT)], axis=1)
    fit = sm.GLM(grid.ravel(), x, family=sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": np.repeat(np.arange(COUNT), 3), "use_correction": False}
    )
    assert list(law.coefficients.values()) == pytest.approx(fit.params, rel=1e-3)
    width = np.array([high - low for low, high in law.intervals.values()])
    expected = 2 * stats.t.ppf(0.975, COUNT - 1) * fit.bse * math.sqrt(COUNT / (COUNT - 1))
    assert width == pytest.approx(expected, rel=1e-3)
    assert law.intervals["log_count"][0] < 0.8 < law.intervals["log_count"][1]


def test_a_count_gives_bins_and_the_law(flagged, tmp_path):
    path, _, _, clean, _ = flagged
    file = tmp_path / "pages.csv"
    counts = 1000 * clean + np.arange(COUNT)
    pd.DataFrame({"doc_id": np.arange(COUNT), "pages": counts, "other": 0}).to_csv(file, index=False)
    found = covariate(read_results(path), "task", file, column="pages")
    assert sum(items for _, items, _ in found.bins) == COUNT
    assert found.bins[0][2]["innocent"] < 0.1
    assert found.law.coefficients["log_count"] > 0
    assert "log_size" not in found.law.coefficients
    shown = CliRunner().invoke(
        app, ["covariate", "task", "--covariate", str(file), "--column", "pages", "--results", str(path)]
    )
    assert "sigmoid" in shown.output, shown.output


@pytest.mark.parametrize(
    ("table", "more", "said"),
    [
        ({"id": [1]}, {}, "lacks the column doc_id"),
        ({"doc_id": [1], "a": [1], "b": [1]}, {}, "has 2 columns beside doc_id"),
        ({"doc_id": [1], "a": ["x"]}, {}, "holds what is no number"),
        ({"doc_id": [1, 1], "a": [0, 1]}, {}, "names an item twice"),
        ({"doc_id": range(400), "a": [1] + [0] * 399}, {}, "leaves a part with 1 items"),
        ({"doc_id": range(400), "a": range(400)}, {"against": "seen"}, "is no flag"),
        ({"doc_id": range(400), "a": range(-1, 399)}, {}, "is negative"),
        ({"doc_id": range(400), "a": range(400)}, {"column": "c"}, "unknown column 'c'"),
    ],
)
def test_bad_columns_are_named(flagged, tmp_path, table, more, said):
    file = tmp_path / "bad.csv"
    pd.DataFrame(table).to_csv(file, index=False)
    with pytest.raises(PredictorError, match=said):
        covariate(read_results(flagged[0]), "task", file, **more)


@pytest.fixture
def losses(tmp_path):
    """Two families with the same bits per byte whose tokens hold 4 and 2 bytes."""
    rows = []
    for family, size in (("long", 4.0), ("short", 2.0)):
        for params in (10**8, 10**9):
            bpb = 1.2 - 0.1 * math.log10(params / 1e8)
            place = {"family": family, "run": f"{family}-{params:.0e}", "params": params, "tokens": 10**10}
            place |= {"task": "loss:text", "num_fewshot": 0}
            rows += [
                {**place, "metric": "bpb", "value": bpb},
                {**place, "metric": "nll", "value": bpb * math.log(2) * size},
            ]
    pd.DataFrame(rows).to_parquet(tmp_path / "evals.parquet")
    return tmp_path


def test_information_per_compute_counts_the_tokenizer(losses):
    found = compression(read_results(losses))
    by_run = {model.run: model for model in found.models}
    one, other = by_run["long-1e+08"], by_run["short-1e+08"]
    assert (one.bytes_per_token, other.bytes_per_token) == pytest.approx((4.0, 2.0))
    assert one.flops_per_byte == pytest.approx(2e8 / 4)
    assert one.saved_per_gflop == pytest.approx(2 * other.saved_per_gflop)
    assert one.capacity == pytest.approx((8 - 1.2) * 4 / math.log2(2e8))
    assert [row.family for row in found.families] == ["long", "short"]
    shown = CliRunner().invoke(app, ["compression", "--results", str(losses)])
    assert "bytes/token" in shown.output


def test_a_text_with_one_loss_only_is_refused(losses):
    frame = pd.read_parquet(losses / "evals.parquet")
    frame[frame["metric"] == "bpb"].to_parquet(losses / "evals.parquet")
    with pytest.raises(InputError, match="no held-out text in nats per token and in bits per byte"):
        compression(read_results(losses))
