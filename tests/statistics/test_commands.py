"""The commands: what they print, write and end with."""

import json

import numpy as np
from click.testing import CliRunner

from predictor.cli.app import app
from tests.statistics.conftest import items_of


def run(*arguments):
    return CliRunner().invoke(app, list(map(str, arguments)))


def test_diff_prints_json_alone_writes_a_page_and_ends_with_3_for_a_worse_candidate(store, tmp_path):
    path = store({"a": {"easy": items_of(np.ones(200))}, "b": {"easy": items_of(np.arange(200) % 2)}})
    page = tmp_path / "diff.html"
    found = run("diff", "a", "b", "--results", path, "--json", "-", "--html", page, "--fail-if", "worse")
    assert found.exit_code == 3
    answer = json.loads(found.stdout)
    score = next(row for row in answer["differences"] if row["measure"] == "score")
    assert (score["verdict"], score["mcnemar"]["only_a"]) == ("worse", 100)
    assert "-50.0" in page.read_text()
    assert run("diff", "b", "a", "--results", path, "--fail-if", "worse").exit_code == 0


def test_diff_prints_the_items_without_a_grade(store):
    answers = np.r_[np.ones(90), np.zeros(10)]
    path = store({"a": {"easy": items_of(answers)}, "b": {"easy": items_of(np.r_[[np.nan] * 4, answers[4:]])}})
    assert "0 and 4 items without a grade" in run("diff", "a", "b", "--results", path).stdout


def test_signal_prints_the_advice_with_its_reason(draw_ladder, tmp_path):
    draw_ladder().to_parquet(tmp_path / "evals.parquet")
    found = run("signal", "--results", tmp_path)
    assert found.exit_code == 0
    assert "easy" in found.stdout
    assert "no three families have runs of one size" in found.stderr
    answer = json.loads(run("signal", "--results", tmp_path, "--json", "-").stdout)
    assert set(answer["best"]["easy (0-shot)"]) == {"metric", "verdict", "reason"}
