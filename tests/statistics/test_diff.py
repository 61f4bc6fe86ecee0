"""Differences of checkpoints, against closed forms and the tests of statsmodels."""

import math

import numpy as np
import pandas as pd
import pytest
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from predictor.errors import InputError, UnknownNameError
from predictor.results.store import Store
from predictor.statistics import diff
from tests.statistics.conftest import items_of

A = np.repeat([1, 1, 0, 0], [50, 8, 20, 22])
B = np.repeat([1, 0, 1, 0], [50, 8, 20, 22])


def row_of(answer, task="easy", measure="score"):
    return next(row for row in answer.rows if row.task == task and row.measure == measure)


def test_right_and_wrong_answers_follow_bonett_and_price(store):
    answer = diff("a", "b", results=store({"a": {"easy": items_of(A)}, "b": {"easy": items_of(B)}}))
    row = row_of(answer)
    assert (row.a, row.b, row.difference) == pytest.approx((0.58, 0.70, 0.12))
    # Two more items, one won by each side; Student's t of 101 degrees of freedom.
    gain, loss = 21 / 102, 9 / 102
    error = math.sqrt((gain + loss - (gain - loss) ** 2) / 101)
    assert row.stderr == pytest.approx(error)
    assert row.interval == pytest.approx((12 / 102 - 1.98373 * error, 12 / 102 + 1.98373 * error), abs=1e-5)
    known = mcnemar([[50, 8], [20, 22]], exact=True).pvalue
    assert (row.mcnemar.only_a, row.mcnemar.only_b, row.mcnemar.p_value) == (8, 20, pytest.approx(known))
    assert row.unpaired[1] - row.unpaired[0] > row.interval[1] - row.interval[0]


def test_bits_per_byte_of_the_right_answer_stand_beside_accuracy(store):
    nats = np.random.default_rng(0).uniform(1, 3, size=(2, 100))
    path = store({"a": {"easy": items_of(A, nats=nats[0])}, "b": {"easy": items_of(B, nats=nats[1])}})
    row = row_of(diff("a", "b", results=path), measure="bpb")
    change = (nats[1] - nats[0]) / 4 / math.log(2)
    assert row.difference == pytest.approx(change.mean())
    assert row.stderr == pytest.approx(change.std(ddof=1) / 10)
    assert not row.higher_is_better


def test_p_values_are_adjusted_by_holm_and_benjamini_hochberg_over_benchmarks(store):
    generator = np.random.default_rng(1)
    sides = {
        side: {f"t{number}": items_of(generator.random(80) < 0.5 + shift * number) for number in range(4)}
        for side, shift in (("a", 0.0), ("b", 0.12))
    }
    answer = diff("a", "b", results=store(sides), measures=["score"])
    p_values = [row.p_value for row in answer.rows]
    assert [row.holm for row in answer.rows] == pytest.approx(multipletests(p_values, method="holm")[1].tolist())
    assert [row.bh for row in answer.rows] == pytest.approx(multipletests(p_values, method="fdr_bh")[1].tolist())
    (mean,) = answer.suites
    assert mean.difference == pytest.approx(np.mean([row.difference for row in answer.rows]))
    assert mean.stderr == pytest.approx(math.sqrt(sum(row.stderr**2 for row in answer.rows)) / 4)


def test_items_without_a_grade_are_counted_and_bounded(store):
    b = B.astype(float)
    b[:3] = np.nan
    row = row_of(diff("a", "b", results=store({"a": {"easy": items_of(A)}, "b": {"easy": items_of(b)}})))
    assert row.ungraded == (0, 3)
    assert row.items == 97
    # The three are right on a: wrong or right on b, they make the difference 3 items worse or leave it as it is.
    assert row.bounds == pytest.approx((0.09, 0.12))


def test_subjects_are_the_groups_of_a_benchmark_that_has_ten(store):
    subjects = np.repeat([f"s{number}" for number in range(10)], 10)
    a, b = items_of(A, subtask=subjects), items_of(np.random.default_rng(2).permutation(B), subtask=subjects)
    path = store({"a": {"easy": a}, "b": {"easy": b}})
    row = row_of(diff("a", "b", results=path, measures=["score"]))
    assert (row.groups, row.grouped_by) == (10, "subtask")
    assert row_of(diff("a", "b", results=path, cluster="none")).groups is None


def test_groups_come_from_a_file_and_one_that_lacks_an_item_is_refused(store, tmp_path):
    path = store({"a": {"easy": items_of(A)}, "b": {"easy": items_of(B)}})
    table = pd.DataFrame({"doc_id": np.arange(100), "group": np.arange(100) // 5})
    table.to_csv(tmp_path / "passages.csv", index=False)
    row = row_of(diff("a", "b", results=path, cluster=tmp_path / "passages.csv"), measure="bpb")
    assert row.groups == 20
    table.head(50).to_csv(tmp_path / "half.csv", index=False)
    with pytest.raises(InputError, match="no group of item 50"):
        diff("a", "b", results=path, cluster=tmp_path / "half.csv")


def test_several_seeds_add_the_variance_between_runs(store):
    generator = np.random.default_rng(3)
    runs = {f"{side}{seed}": {"easy": items_of(generator.random(100) < 0.5)} for side in "ab" for seed in range(3)}
    answer = diff("a*", "b0,b1,b2", results=store(runs), measures=["score"])
    row = row_of(answer)
    values = np.array([[runs[f"{side}{seed}"]["easy"]["correct"] for seed in range(3)] for side in "ab"])
    means = values.mean(axis=2)
    assert row.difference == pytest.approx(means[1].mean() - means[0].mean())
    items = np.var(values[1].mean(axis=0) - values[0].mean(axis=0), ddof=1) / 100
    # Crossed layout: between runs, less the interaction that the variance over items has already.
    rest = [np.var(values[s] - means[s][:, None], axis=0, ddof=1).sum() / 100 / 99 / 3 for s in (0, 1)]
    seeds = sum(max(np.var(means[s], ddof=1) / 3 - rest[s], 0) for s in (0, 1))
    assert row.stderr == pytest.approx(math.sqrt(items + seeds))
    assert row.seeds == (3, 3)


def test_scores_without_items_are_compared_unpaired_with_a_note(draw_ladder, tmp_path):
    draw_ladder().assign(stderr=0.01).to_parquet(tmp_path / "evals.parquet")
    answer = diff("run-1e+08", "run-3e+09", results=tmp_path)
    row = row_of(answer)
    assert not row.paired
    assert row.stderr == pytest.approx(math.sqrt(2) * 0.01)
    assert any("without items" in note for note in answer.notes)


def test_the_number_of_items_shows_the_difference_with_the_stated_power(store):
    generator = np.random.default_rng(4)
    path = store({s: {"easy": items_of(generator.random(400) < 0.5)} for s in "ab"})
    row = row_of(diff("a", "b", results=path, measures=["bpb"], detect=0.05), measure="bpb")
    # (z_0.975 + z_0.8)² σ² / δ²
    sigma = row.stderr * 20
    assert row.items_needed == math.ceil((1.959964 + 0.841621) ** 2 * sigma**2 / 0.05**2)
    assert row.detectable == pytest.approx(2.8016 * row.stderr, rel=0.01)


def test_documents_that_changed_are_not_compared(store):
    other = items_of(B)
    other.loc[:9, "doc_hash"] = "f" * 64
    answer = diff("a", "b", results=store({"a": {"easy": items_of(A)}, "b": {"easy": other}}))
    assert row_of(answer).items == 90
    assert any("10 items have other documents" in note for note in answer.notes)


def test_a_worse_candidate_is_called_worse(store):
    path = store({"a": {"easy": items_of(np.ones(200))}, "b": {"easy": items_of(np.arange(200) % 2)}})
    assert diff("a", "b", results=path).is_worse()
    assert not diff("b", "a", results=path).is_worse()


@pytest.mark.parametrize(
    ("a", "b", "error"),
    [("a", "c", UnknownNameError), ("a", "a", InputError), ("a", "b@77", InputError), ("a", None, InputError)],
)
def test_what_cannot_be_compared_is_refused_with_a_remedy(store, a, b, error):
    path = store({"a": {"easy": items_of(A)}, "b": {"easy": items_of(B)}})
    with pytest.raises(error) as caught:
        diff(a, b, results=path)
    assert caught.value.remedy or error is UnknownNameError


def test_two_stores_and_a_step_are_named_by_path(store):
    first = store({"a@10": {"easy": items_of(A)}, "a@20": {"easy": items_of(B)}}, "first")
    second = store({"b": {"easy": items_of(B)}}, "second")
    answer = diff(f"{first}:a@10", str(second))
    assert row_of(answer).difference == pytest.approx(0.12)
    assert row_of(diff("a@20", str(second), results=first)).difference == 0.0


def test_one_checkpoint_under_two_names_is_refused(store):
    path = store({"a": {"easy": items_of(A)}})
    with pytest.raises(InputError, match="same checkpoint"):
        diff("a", "a@10", results=path)


def test_items_that_two_stores_graded_by_other_metrics_are_not_paired(store):
    first = store({"a": {"easy": items_of(A)}}, "first")
    second = store({"b": {"easy": items_of(B)}}, "second")
    tasks = pd.read_parquet(second / "tasks.parquet").assign(metric="acc_norm")
    scores = pd.concat([pd.read_parquet(file) for file in (second / "scores").rglob("*.parquet")])
    kept = Store(second)
    kept.write_tasks(tasks)
    kept.write(pd.concat([scores, scores.assign(metric="acc_norm")]), items_of(B).assign(**place_of(scores)), {"b": 2})
    row = row_of(diff(f"{first}:a", f"{second}:b"))
    assert (row.metric, row.paired) == ("acc", False)
    assert any("graded by acc on one side" in note for note in row.notes)


def place_of(scores):
    return scores.drop(columns=["metric", "value", "stderr", "scored_at"]).iloc[0].to_dict()
