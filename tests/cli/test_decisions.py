import json
from typing import NamedTuple

import pandas as pd
import pytest

from predictor.cli.app import main

TARGET = ("--params", "13B", "--tokens", "520B")


class Done(NamedTuple):
    """What a command printed."""

    stdout: str
    stderr: str


@pytest.fixture
def predictor(capsys, monkeypatch, tmp_path):
    """Run a command in this process: starting Python and importing pandas would take longer than most of them."""

    def run(*arguments, cwd=None, expect=0):
        monkeypatch.chdir(cwd or tmp_path)
        with pytest.raises(SystemExit) as ended:
            main(list(map(str, arguments)))
        done = Done(*capsys.readouterr())
        assert ended.value.code == expect, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def families_csv(tmp_path_factory, draw_ladder):
    path = tmp_path_factory.mktemp("families") / "families.csv"
    sizes = (1e8, 4e8, 1.6e9, 3.2e9)
    tables = [draw_ladder(sizes, seed=i).assign(family=name) for i, name in enumerate(("web", "mix"))]
    pd.concat(tables).to_csv(path, index=False)
    return path


def test_compare_writes_its_json_alone_and_says_what_it_assumes(predictor, families_csv):
    done = predictor("compare", "--results", families_csv, *TARGET, "--json", "-")
    answer = json.loads(done.stdout)
    assert answer["schema"] == "predictor.compare/1"
    assert answer["target"] == {"params": 13e9, "tokens": 520e9}
    assert {one["family"] for one in answer["overall"]["standings"]} == {"web", "mix"}
    assert [one["task"] for one in answer["tasks"]] == ["easy", "hard", "medium"]
    assert 0.5 <= answer["overall"]["pairs"][0]["probability"] <= 1
    shown = predictor("compare", "--results", families_csv, *TARGET, "--tasks", "easy")
    assert "mean of 1 benchmarks" in shown.stdout
    assert "errors of two families on one benchmark correlate by" in shown.stderr


def test_plan_from_results_and_from_nothing(predictor, ladder_folder, tmp_path):
    out = tmp_path / "plan.json"
    shown = predictor("plan", "--budget", "1e21", *TARGET, "--results", ladder_folder, "--json", out)
    answer = json.loads(out.read_text())
    assert answer["schema"] == "predictor.plan/1"
    assert answer["flops"] <= answer["budget"] == 1e21
    assert "80 % width now" in shown.stdout
    # Piped, progress is plain lines on stderr, one for each method and each hold-out.
    assert "last_value: 3 benchmarks" in shown.stderr
    assert "of 6 runs held out" in shown.stderr
    first = json.loads(predictor("plan", "--budget", "1e20", *TARGET, "--json", "-").stdout)
    assert first["basis"] == "besiroglu"
    assert first["tasks"][0]["task"] is None


def test_rank_and_density_print_every_model(predictor, families_csv):
    ranked = json.loads(predictor("rank", "--results", families_csv, "--json", "-").stdout)
    assert ranked["schema"] == "predictor.rank/1"
    assert len(ranked["models"]) == 8
    assert "Kemeny's order (exact)" in predictor("rank", "--results", families_csv).stdout
    dense = json.loads(predictor("density", "--results", families_csv, "--reference", "web", "--json", "-").stdout)
    assert dense["schema"] == "predictor.density/1"
    assert {one["family"] for one in dense["models"]} == {"mix"}
    told = predictor("density", "--results", families_csv, "--reference", "web", "--tasks", "easy").stderr
    assert "Fitting 1/" in told


def test_wrong_input_is_answered_in_one_line(refused, families_csv, ladder_folder):
    assert "one family to compare" in refused("compare", "--results", ladder_folder, *TARGET)
    assert "unknown task 'esy'" in refused("rank", "--results", families_csv, "--tasks", "esy")
    assert "pays for the target itself" in refused("plan", "--budget", "1e30", *TARGET)
    assert "--tasks needs --results" in refused("plan", "--budget", "1e20", *TARGET, "--tasks", "easy")
    assert "'x' is not a number" in refused("plan", "--budget", "1e20", *TARGET, "--sizes", "1B,x")
    assert "says nothing of a target of 13B" in refused("plan", "--budget", "1e20", *TARGET, "--sizes", "1,1B")
    assert "unknown published fit" in refused("plan", "--budget", "1e20", *TARGET, "--published", "nobody")
    assert "unknown family 'pythia'" in refused("density", "--results", families_csv, "--reference", "pythia")
