"""Scores of others come into a store, and what is wrong with them is told."""

import json

import pandas as pd
import pytest

from predictor.errors import InputError
from predictor.results.importers import Origin, import_lm_eval, import_table
from predictor.results.readers import read_results

ORIGIN = Origin("70m", 7e7, 3e11, "pythia")


def write(path, text):
    path.write_text(text)
    return path


def test_options_fill_what_the_table_does_not_say(tmp_path):
    table = write(tmp_path / "t.csv", "run,task,metric,value,params\na,arc_easy,acc,0.5,10\nb,arc_easy,acc,0.25,\n")
    imported = import_table(table, tmp_path / "store", ORIGIN)
    assert (imported.rows, imported.tasks) == (2, ("arc_easy",))
    evals = read_results(tmp_path / "store").evals.set_index("run")
    assert evals["params"].to_dict() == {"a": 10, "b": 70_000_000}
    assert set(evals["tokens"]) == {300_000_000_000}
    assert set(evals["family"]) == {"pythia"}


def test_the_same_rows_are_imported_once(tmp_path):
    table = write(tmp_path / "t.csv", "task,metric,value\narc_easy,acc,0.5\n")
    paths = {import_table(table, tmp_path / "store", ORIGIN).path for _ in range(2)}
    assert len(paths) == 1
    assert len(read_results(tmp_path / "store").evals) == 1


def test_a_published_run_comes_through_unchanged(tmp_path, testbed):
    evals = pd.read_parquet(testbed("pythia") / "evals.parquet")
    some = evals[(evals["run"] == evals["run"].iloc[0]) & (evals["task"].isin(["arc_easy", "piqa"]))]
    some.to_parquet(tmp_path / "some.parquet")
    import_table(tmp_path / "some.parquet", tmp_path / "store")
    found = read_results(tmp_path / "store").evals
    assert sorted(found["value"]) == sorted(some["value"])


def test_old_result_files_of_lm_eval_are_read(tmp_path, testbed):
    (path,) = (testbed("pythia") / "raw_example").glob("*.json")
    import_lm_eval(path, tmp_path / "store", ORIGIN)
    evals = read_results(tmp_path / "store").evals
    row = evals[(evals["task"] == "hendrycksTest-global_facts") & (evals["metric"] == "acc_norm")].iloc[0]
    assert (row["value"], row["stderr"], row["num_fewshot"]) == (0.24, 0.042923469599092816, 0)
    assert not evals["metric"].str.contains("stderr").any()


def test_new_result_files_of_lm_eval_are_read_with_their_filters(tmp_path):
    results = {
        "gsm8k": {
            "alias": "gsm8k",
            "sample_len": 100,
            "exact_match,strict-match": 0.25,
            "exact_match_stderr,strict-match": 0.04,
            "exact_match,flexible-extract": 0.5,
            "exact_match_stderr,flexible-extract": "N/A",
        },
        "wikitext": {"bits_per_byte,none": 0.9, "bits_per_byte_stderr,none": "N/A"},
    }
    content = {"results": results, "n-shot": {"gsm8k": 5}, "n-samples": {"gsm8k": {"original": 1319, "effective": 100}}}
    path = write(tmp_path / "results_2026-01-01.json", json.dumps(content))
    import_lm_eval(path, tmp_path / "store", ORIGIN)
    results = read_results(tmp_path / "store")
    scores = {(row["task"], row["metric"]): row for row in results.evals.to_dict("records")}
    assert scores["gsm8k", "exact_match"]["value"] == 0.25
    assert (scores["gsm8k", "exact_match"]["n_items"], scores["gsm8k", "exact_match"]["num_fewshot"]) == (100, 5)
    assert scores["gsm8k", "exact_match,flexible-extract"]["value"] == 0.5
    assert scores["loss:wikitext", "bpb"]["value"] == 0.9
    assert results.task("gsm8k").metric == "exact_match"


def test_of_a_folder_the_latest_file_counts_for_each_task(tmp_path):
    for day, tasks in (("01", {"piqa": 0.1, "boolq": 0.2}), ("02", {"piqa": 0.3})):
        results = {task: {"acc,none": value} for task, value in tasks.items()}
        write(tmp_path / f"results_2026-01-{day}.json", json.dumps({"results": results}))
    import_lm_eval(tmp_path, tmp_path / "store", ORIGIN)
    evals = read_results(tmp_path / "store").evals
    assert dict(zip(evals["task"], evals["value"], strict=True)) == {"piqa": 0.3, "boolq": 0.2}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("task,score\na,1\n", "lacks the columns metric, value; a table needs task, metric, value; it has task, score"),
        ("task,metric,value\n", "has no rows"),
        ("", "is empty"),
        ("task,metric,value\na,acc,high\n", "column value is not a number in row 0 .'high'."),
        ("task,metric,value\na,acc,25\n", "has a score outside .0, 1. .*divide percents by 100"),
    ],
)
def test_a_wrong_table_is_told_in_one_line(tmp_path, text, told):
    with pytest.raises(InputError, match=told) as caught:
        import_table(write(tmp_path / "t.csv", text), tmp_path / "store", ORIGIN)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "store").exists()


def test_what_neither_table_nor_options_say_is_asked_for(tmp_path):
    table = write(tmp_path / "t.csv", "task,metric,value\na,acc,0.5\n")
    with pytest.raises(InputError, match="does not say its tokens; give --tokens"):
        import_table(table, tmp_path / "store", Origin("a", 1e9))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "cannot be read as JSON"),
        ("[]", "has no `results` by task"),
        ('{"results": {}}', "holds no score"),
        ('{"results": {"a": {"alias": "a"}}}', "holds no score"),
    ],
)
def test_a_file_that_is_no_result_of_lm_eval_is_told_in_one_line(tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        import_lm_eval(write(tmp_path / "results_1.json", text), tmp_path / "store", ORIGIN)
