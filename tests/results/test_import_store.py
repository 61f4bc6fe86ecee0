"""What a store holds after several imports: repeated, corrected, with a limit, of another model, with items."""

import json

import pytest

from predictor.errors import InputError
from predictor.results.importing import Given, import_results
from predictor.results.items import read_items
from predictor.results.readers import read_results
from predictor.results.store import Store
from predictor.results.upkeep import check
from tests.results.formats.test_lm_eval import sample
from tests.results.scored import pair

GIVEN = Given("r", None, 1e9, 1e11)


def write(folder, date, acc, items=100, whole=100, model="/ckpt/r", samples=None, limit=None, task="arc_easy"):
    folder.mkdir(parents=True, exist_ok=True)
    content = {
        "results": {task: {"acc,none": acc, "acc_stderr,none": 0.01}},
        "n-shot": {task: 0},
        "n-samples": {task: {"original": whole, "effective": items}},
        "config": {"model": "hf", "limit": limit},
        "model_name": model,
    }
    path = folder / f"results_{date}.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    if samples is not None:
        lines = "\n".join(json.dumps(line) for line in samples)
        (folder / f"samples_{task}_{date}.jsonl").write_text(lines, encoding="utf-8")
    return path


def day(number):
    return f"2026-01-{number:02d}T00-00-00.000001"


def bring(path, store, given=GIVEN):
    return import_results("lm-eval", path, store, given)


def value(store):
    (row,) = read_results(store).evals.query("metric == 'acc'").to_dict("records")
    return row["value"]


def answers(*right):
    return [sample(number, [-1.0, -2.0], 0 if hit else 1, float(hit)) for number, hit in enumerate(right)]


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
def test_the_newest_counts_whatever_was_imported_first(tmp_path, order):
    files = {number: write(tmp_path / "out", day(number), number / 10) for number in (1, 2)}
    for number in order:
        bring(files[number], tmp_path / "store")
    assert value(tmp_path / "store") == 0.2


@pytest.mark.parametrize("order", [(1, 2), (2, 1)])
@pytest.mark.parametrize("stated", ["effective", "limit"])
def test_a_limited_score_never_replaces_a_full_one(tmp_path, order, stated):
    limited = {"items": 10} if stated == "effective" else {"limit": 10}
    files = {1: write(tmp_path / "out", day(1), 0.7), 2: write(tmp_path / "out", day(2), 0.1, **limited)}
    imports = [bring(files[number], tmp_path / "store") for number in order]
    assert value(tmp_path / "store") == 0.7
    if order == (1, 2):
        (entry,) = imports[1].left_out
        assert entry.reason == "scored with a limit; the store has the full score, 0.7"


def test_of_limited_scores_the_one_on_most_items_counts(tmp_path):
    for number, items in ((1, 50), (2, 10)):
        write(tmp_path / "out", day(number), number / 10, items)
    imported = bring(tmp_path / "out", tmp_path / "store")
    assert value(tmp_path / "store") == 0.1
    assert len(imported.left_out) == 1


def test_importing_again_changes_nothing(tmp_path):
    write(tmp_path / "out", day(1), 0.5, samples=answers(1, 0), items=2, whole=2)
    first = bring(tmp_path / "out", tmp_path / "store")
    before = {file: file.read_bytes() for file in (tmp_path / "store").rglob("*.parquet")}
    again = bring(tmp_path / "out", tmp_path / "store")
    assert {file: file.read_bytes() for file in (tmp_path / "store").rglob("*.parquet")} == before
    assert (first.new, first.unchanged, again.new, again.unchanged, again.corrected) == (1, 0, 0, 1, ())


def test_a_corrected_file_is_reported_with_both_values(tmp_path):
    bring(write(tmp_path / "out", day(1), 0.4), tmp_path / "store")
    (change,) = bring(write(tmp_path / "out", day(2), 0.45), tmp_path / "store").corrected
    assert str(change) == "arc_easy acc of r at 100B tokens: 0.4 so far, 0.45 now"
    assert value(tmp_path / "store") == 0.45


def test_an_older_result_does_not_replace_a_newer_one_and_is_listed(tmp_path):
    bring(write(tmp_path / "out", day(2), 0.4), tmp_path / "store")
    (entry,) = bring(write(tmp_path / "other", day(1), 0.45), tmp_path / "store").left_out
    assert entry.reason == "the store has a newer result, of 2026-01-02T00:00:00, 0.4"


def test_a_table_that_was_corrected_counts(tmp_path):
    """A table does not say when its scores were made: the one imported last counts."""
    for text in ("0.4", "0.45", "0.4"):
        (tmp_path / "t.csv").write_text(f"task,metric,value\narc_easy,acc,{text}\n")
        import_results("table", tmp_path / "t.csv", tmp_path / "store", GIVEN)
        assert value(tmp_path / "store") == float(text)


def test_another_model_is_not_the_same_checkpoint(tmp_path):
    bring(write(tmp_path / "a", day(1), 0.4, model="/ckpt/step_1000"), tmp_path / "store")
    other = write(tmp_path / "b", day(2), 0.7, model="/ckpt/step_9000")
    with pytest.raises(
        InputError, match=r"/ckpt/step_9000 would be run r at 100B tokens, which the store .* /ckpt/step_1000"
    ):
        bring(other, tmp_path / "store")
    assert value(tmp_path / "store") == 0.4
    # A checkpoint that was moved keeps the last part of its path.
    bring(write(tmp_path / "c", day(3), 0.5, model="/data/step_1000"), tmp_path / "store")
    renamed = Given("r", None, 1e9, 1e11, same_model=True)
    bring(other, tmp_path / "store", renamed)
    assert value(tmp_path / "store") == 0.5


def test_own_scores_count_before_imported_ones(tmp_path):
    scores, items, identity = pair("facts", value=0.5)
    store = Store(tmp_path / "store")
    store.write(scores, items, identity)
    given = Given("a", "fam", 1000, 1000)
    bring(write(tmp_path / "out", day(1), 0.9, task="facts"), tmp_path / "store", given)
    assert value(tmp_path / "store") == 0.5


def test_items_are_those_of_the_scores_that_count(tmp_path):
    write(tmp_path / "out", day(1), 0.75, 4, 4, samples=answers(1, 1, 1, 0))
    write(tmp_path / "out", day(2), 0.0, 2, 4, samples=answers(0, 0))
    imported = bring(tmp_path / "out", tmp_path / "store")
    assert imported.items == 4
    assert read_items(tmp_path / "store", "arc_easy")["correct"].tolist() == [1.0, 1.0, 1.0, 0.0]
    assert check(Store(tmp_path / "store")).without_scores == ()


def test_items_of_other_scores_are_left_out_with_both_numbers(tmp_path):
    write(tmp_path / "out", day(1), 0.9, 4, 4, samples=answers(1, 1, 1, 0))
    imported = bring(tmp_path / "out", tmp_path / "store")
    (entry,) = imported.left_out
    assert entry.what == "items of arc_easy of /ckpt/r"
    assert entry.reason == "their mean is 0.7500, which is none of the scores (0.9000)"
    assert imported.items == 0


def test_broken_samples_cost_the_items_and_not_the_scores(tmp_path):
    write(tmp_path / "out", day(1), 0.9)
    (tmp_path / "out" / f"samples_arc_easy_{day(1)}.jsonl").write_text("{")
    imported = bring(tmp_path / "out", tmp_path / "store")
    assert "cannot be read as samples of lm-eval" in imported.left_out[0].reason
    assert value(tmp_path / "store") == 0.9


def test_samples_without_a_results_file_are_listed(tmp_path):
    write(tmp_path / "out", day(1), 0.5, samples=answers(1, 0), items=2, whole=2)
    (tmp_path / "out" / f"samples_piqa_{day(2)}.jsonl").write_text("{}")
    (entry,) = bring(tmp_path / "out", tmp_path / "store").left_out
    assert str(entry) == f"samples_piqa_{day(2)}.jsonl left out: no results file was written with it"


def test_what_follows_from_items_is_stored_beside_the_scores(tmp_path):
    """The right answer has -1 nats twice and -2 once, over eight bytes of ` choice N` and its space."""
    write(tmp_path / "out", day(1), 2 / 3, 3, 3, samples=answers(1, 1, 0))
    bring(tmp_path / "out", tmp_path / "store")
    evals = read_results(tmp_path / "store").evals.set_index("metric")["value"]
    assert evals["nll_answer"] == pytest.approx(4 / 3)
    assert evals["bpb"] == pytest.approx(4 / 3 / 0.6931471805599453 / 9)


def test_initial_weights_do_not_disturb_a_forecast(tmp_path):
    from predictor.forecasting import forecast

    for run, acc in enumerate((0.3, 0.4, 0.5, 0.6)):
        for tokens, score in ((0, 0.25), (10**11, acc)):
            given = Given(f"r{run}", None, 1e9 * 2**run, tokens)
            bring(write(tmp_path / f"{run}-{tokens}", day(1), score), tmp_path / "store", given)
    (answer,) = forecast(read_results(tmp_path / "store"), 1.6e10, 10**11).to_json()["forecasts"]
    assert answer["largest"] == 0.6
    assert 0.6 < answer["median"] < 1
