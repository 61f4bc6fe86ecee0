"""Tables as people publish them."""

import gzip
import json

import pandas as pd
import pytest

from predictor.errors import InputError
from predictor.results.formats.tables import Tables
from predictor.results.importing import Given, import_results
from predictor.results.readers import read_results


def write(path, text):
    path.write_text(text, encoding="utf-8")
    return path


def scores(found):
    return [
        (model.facts.run or model.name, score.task, score.metric, score.filter, score.num_fewshot, score.value)
        for model in found
        for score in model.scores
    ]


ROWS = [{"run": "a", "params": 10**9, "tokens": 10**11, "task": "piqa", "metric": "acc", "value": 0.7}]


@pytest.mark.parametrize("name", ["t.csv", "t.tsv", "t.jsonl", "t.json", "t.parquet", "t.csv.gz", "t.jsonl.gz"])
def test_a_table_is_the_same_in_every_form(tmp_path, name):
    frame = pd.DataFrame(ROWS)
    path = tmp_path / name
    if ".csv" in name or ".tsv" in name:
        content = frame.to_csv(index=False, sep="\t" if "tsv" in name else ",").encode()
    elif "jsonl" in name:
        content = "\n".join(json.dumps(row) for row in ROWS).encode()
    else:
        content = json.dumps(ROWS).encode()
    if name.endswith("parquet"):
        frame.to_parquet(path)
    else:
        path.write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    (model,) = Tables().read(path)
    assert scores([model]) == [("a", "piqa", "acc", None, None, 0.7)]
    assert (model.facts.params, model.facts.tokens) == (10**9, 10**11)


def test_a_long_table_with_other_names_and_filters(tmp_path):
    text = (
        "model_name,task,n_shot,performance,metric_name\n"
        '/x/iter_0124800,openbookqa,0,0.412,"acc_norm,none"\n'
        '/x/iter_0124800,gsm8k,5,0.03,"exact_match,strict-match"\n'
    )
    assert scores(Tables().read(write(tmp_path / "t.csv", text))) == [
        ("/x/iter_0124800", "openbookqa", "acc_norm", "none", 0, 0.412),
        ("/x/iter_0124800", "gsm8k", "exact_match", "strict-match", 5, 0.03),
    ]


WIDE = (
    "Model,Model Family,Model Size (B),Pretraining Data Size (T),FLOPs (1E21),MMLU,ARC-C,GSM8K 8-shot,Average\n"
    "org/a-7b,a,7.0,2.0,84.0,0.438,0.53,0.1,0.4\norg/a-13b,a,13.0,2.0,156.0,0.543,0.56,,0.5\n"
)


def test_a_wide_table_with_units_in_its_header(tmp_path):
    found = Tables().read(write(tmp_path / "t.csv", WIDE))
    facts = [(model.name, model.facts) for model in found]
    assert [(name, stated.family, stated.params, stated.tokens, stated.flops) for name, stated in facts] == [
        ("org/a-7b", "a", 7 * 10**9, 2 * 10**12, 8.4e22),
        ("org/a-13b", "a", 13 * 10**9, 2 * 10**12, 1.56e23),
    ]
    assert scores(found)[:3] == [
        ("org/a-7b", "mmlu", "acc", None, None, 0.438),
        ("org/a-7b", "arc_challenge", "acc_norm", None, None, 0.53),
        ("org/a-7b", "gsm8k", "exact_match", None, 8, 0.1),
    ]
    # A mean over benchmarks is no benchmark, and the cell that is empty is listed when it is imported.
    assert [entry.what for entry in found[-1].left_out] == ["column Average of t.csv"]
    assert found[-1].notes == (
        "taken for the usual metric of each benchmark: acc of mmlu, acc_norm of arc_challenge, exact_match of gsm8k; "
        "--metric states another",
    )
    imported = import_results("table", tmp_path / "t.csv", tmp_path / "store")
    assert imported.rows == 5
    assert sorted(entry.what for entry in imported.left_out) == [
        "column Average of t.csv",
        "gsm8k 8-shot exact_match of org/a-13b",
    ]


def test_two_models_of_a_table_are_two_runs(tmp_path):
    """Flags only fill in: the table's own names and sizes count, and that is said."""
    imported = import_results("table", write(tmp_path / "t.csv", WIDE), tmp_path / "store", Given("a", None, 7e9, 2e12))
    rows = read_results(tmp_path / "store").evals[["run", "params"]].drop_duplicates()
    assert sorted(rows.itertuples(index=False, name=None)) == [("a-13b", 13 * 10**9), ("a-7b", 7 * 10**9)]
    assert "the table names its own runs, so --run a is not used for them" in imported.notes


@pytest.mark.parametrize(
    ("header", "params"), [("params_b", "7"), ("#Params (B)", "7"), ("Params (M)", "7000"), ("n_params", "7B")]
)
def test_sizes_in_other_units(tmp_path, header, params):
    text = f"run,{header},tokens,task,metric,value\na,{params},2T,piqa,acc,0.5\n"
    (model,) = Tables().read(write(tmp_path / "t.csv", text))
    assert (model.facts.params, model.facts.tokens) == (7 * 10**9, 2 * 10**12)


def test_columns_of_metrics_beside_a_column_of_tasks(tmp_path):
    text = "run,task,acc,acc_norm,runtime\na,piqa,0.5,0.6,12\n"
    (model,) = Tables().read(write(tmp_path / "t.csv", text))
    assert [(score.metric, score.value) for score in model.scores] == [("acc", 0.5), ("acc_norm", 0.6)]
    assert [entry.what for entry in model.left_out] == ["column runtime of t.csv"]


def test_columns_may_be_mapped_or_left_out(tmp_path):
    text = "who,bench,measure,points,tokens\na,piqa,acc,0.5,3\n"
    reader = Tables({"who": "run", "bench": "task", "measure": "metric", "points": "value", "tokens": "-"})
    (model,) = reader.read(write(tmp_path / "t.csv", text))
    assert (scores([model]), model.facts.tokens) == ([("a", "piqa", "acc", None, None, 0.5)], None)
    (model,) = Tables({"points": "task:mine", "tokens": "-"}, metric="acc").read(tmp_path / "t.csv")
    assert scores([model]) == [(None, "mine", "acc", None, None, 0.5)]


def test_percents_are_asked_for_and_divided(tmp_path):
    path = write(tmp_path / "t.csv", "task,metric,value,stderr\npiqa,acc,70.5,1.5\nwikitext,word_perplexity,12.5,\n")
    (model,) = Tables(percent=True).read(path)
    assert (model.scores[0].value, model.scores[0].stderr) == (0.705, 0.015)
    # A perplexity is no percentage.
    assert model.scores[1].value == 12.5
    with pytest.raises(InputError, match=r"has a score outside \[0, 1\], 70.5 \(piqa, acc\); give --percent"):
        Tables().read(path)
    with pytest.raises(InputError, match="no score exceeds"):
        Tables(percent=True).read(write(tmp_path / "s.csv", "task,metric,value\npiqa,acc,0.005\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a,a\n1,2\n", "has two columns named 'a'"),
        ("task,metric,value\na,acc\n", "row 1 has 2 cells, the header 3"),
        ("task,metric,value,params,n_params\na,acc,0.5,1,2\n", "has two columns of params, params and n_params"),
        ("task,metric,value,params\na,acc,0.5,big\n", "column params is not a number in row 1 .'big'."),
        ("task,metric,value,params\na,acc,0.5,-3\n", "column params is -3 in row 1"),
        ("task,metric,value\n,acc,0.5\n", "column task is empty in row 1"),
        ("task,metric,value,step\na,acc,0.5,1.5\n", "column step is 1.5 in row 1; write a whole number"),
        ("task,metric,value,num_fewshot\na,acc,0.5,inf\n", "column num_fewshot is inf in row 1"),
        ("task,metric,value,higher_is_better\na,acc,0.5,maybe\n", "column higher_is_better is 'maybe' in row 1"),
        ("model,score_a\nm,0.5\n", "lacks the columns task, metric, value"),
    ],
)
def test_a_table_that_cannot_be_read_is_one_line(tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        Tables().read(write(tmp_path / "t.csv", text))


@pytest.mark.parametrize(
    ("name", "content"), [("t.csv.gz", b"no gzip"), ("t.parquet", b"x"), ("t.jsonl", b"{"), ("t.xlsx", b"")]
)
def test_a_damaged_table_is_one_line(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError):
        Tables().read(tmp_path / name)


@pytest.mark.parametrize("columns", [{"nothing": "run"}, {"task": "nonsense"}])
def test_a_wrong_mapping_is_one_line(tmp_path, columns):
    with pytest.raises(InputError):
        Tables(columns).read(write(tmp_path / "t.csv", "task,metric,value\na,acc,0.5\n"))


SPREADSHEET = """Name;Size (B);Train tokens (B);ARC-e;HellaSwag 10-shot
ours-0.1b;0,1;2,0;26,0%;25,7%
ours-0.2b;0,2;4;33,2%;31,1%
"""


def test_a_spreadsheet_with_semicolons_decimal_commas_and_percent_signs(tmp_path):
    found = Tables().read(write(tmp_path / "scores.csv", SPREADSHEET))
    assert [(model.name, model.facts.params, model.facts.tokens) for model in found] == [
        ("ours-0.1b", 10**8, 2 * 10**9),
        ("ours-0.2b", 2 * 10**8, 4 * 10**9),
    ]
    assert [score.value for model in found for score in model.scores] == pytest.approx([0.26, 0.257, 0.332, 0.311])
    assert "cells with a % sign are read as percents, as 31% = 0.31: ARC-e, HellaSwag 10-shot" in found[-1].notes
    # The flag says of all cells what the sign says of these.
    again = Tables(percent=True).read(tmp_path / "scores.csv")
    assert [model.scores for model in again] == [model.scores for model in found]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("run;params;tokens;piqa\na;1,234;5B;0,5\n", "column params: 1,234 may be 1234 or 1.234"),
        ("run,params,tokens,piqa\na,1B,5B,50%\nb,2B,5B,0.6\n", "column piqa has 50% and 0.6"),
        ("run,params,tokens,task,metric,value\na,1B,5B,wikitext,word_perplexity,12%\n", "which is no share"),
    ],
)
def test_what_may_mean_two_things_is_refused(tmp_path, text, told):
    with pytest.raises(InputError, match=told):
        Tables().read(write(tmp_path / "t.csv", text))


def test_a_results_table_may_have_semicolons_and_percent_signs(tmp_path):
    text = "run;params;tokens;task;metric;value\na;100000000;2000000000;piqa;acc;61,5%\n"
    results = read_results(write(tmp_path / "evals.csv", text))
    assert results.evals["value"].tolist() == [0.615]
    assert any("read as percents" in note for note in results.notes)
    with pytest.raises(InputError, match=r"column value has 61\.5% and 0\.7"):
        read_results(write(tmp_path / "mixed.csv", text + "b;200000000;2000000000;piqa;acc;0,7\n"))


def test_a_column_of_text_is_offered_as_the_names_of_runs(tmp_path):
    (model,) = Tables().read(write(tmp_path / "t.csv", "who,params,tokens,piqa,mine\nbob,1B,2B,0.5,0.4\n"))
    reasons = {entry.what: entry.reason for entry in model.left_out}
    assert "--map 'who=run'" in reasons["column who of t.csv"]
    assert "--map 'mine=task:NAME'" in reasons["column mine of t.csv"]
