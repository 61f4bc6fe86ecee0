"""Registered forecasts on the command line: forecast --register, registered, resolve, record."""

import json
import re

import pytest

from predictor.cli.app import main
from predictor.cli.evaluate import _Looks, _resolve
from predictor.cli.posting import Post
from predictor.errors import StoreError
from predictor.evaluation import Outcome
from predictor.forecasting.register import read_entries, register
from predictor.forecasting.target import Forecast, Target, TaskForecast
from predictor.project import load_project
from predictor.results.ledger import PairKey
from predictor.results.store import Store
from tests.results.scored import pair, runs

TARGET = ["--params", "3.2B", "--tokens", "128B"]


@pytest.fixture(scope="module")
def tables(tmp_path_factory, draw_ladder):
    """A table without the target and one with it."""
    folder = tmp_path_factory.mktemp("tables")
    whole = draw_ladder()
    whole.to_csv(folder / "whole.csv", index=False)
    whole[whole["run"] != "run-3e+09"].to_csv(folder / "cut.csv", index=False)
    return folder


@pytest.fixture
def run(tables, tmp_path, monkeypatch, capsys):
    """Call `predictor` in this process, in the folder of the tables; gives (stdout, stderr)."""
    monkeypatch.chdir(tables)

    def call(*arguments, expect=0):
        with pytest.raises(SystemExit) as ended:
            main([*map(str, arguments)])
        out = capsys.readouterr()
        assert ended.value.code == expect, out.err
        return out.out, out.err

    return call


@pytest.fixture(scope="module")
def store(tables, tmp_path_factory):
    """A store with a registered forecast of the target."""
    home = tmp_path_factory.mktemp("home") / "store"
    arguments = ["forecast", "--results", str(tables / "cut.csv"), *TARGET, "--method", "direct"]
    with pytest.raises(SystemExit):
        main([*arguments, "--register", "large", "--note", "mix 3", "--store", str(home), "--json", f"{home}.json"])
    return home


def test_a_forecast_is_registered_and_its_hash_is_printed_for_publication(run, store):
    made = json.loads(store.with_suffix(".json").read_text())["registered"]
    listed = json.loads(run("registered", "list", "--store", store, "--json", "-")[0])["forecasts"]
    assert [(entry["name"], entry["note"], entry["sha256"]) for entry in listed] == [("large", "mix 3", made["sha256"])]
    out, _ = run("registered", "verify", "--store", store, "--published", made["sha256"])
    assert "1 of 1 records are as they were written" in out
    out, _ = run("registered", "verify", "--store", store, "--published", "0" * 64, expect=1)
    assert "no record has the published hash" in out
    shown = json.loads(run("registered", "show", "large", "--store", store, "--json", "-")[0])
    assert shown["forecast"]["target"]["params"] == 3.2e9
    assert shown["resolutions"] == []


def test_json_alone_is_on_standard_output_and_says_what_moved(run, store):
    arguments = ["forecast", "--results", "cut.csv", *TARGET, "--store", store, "--json", "-"]
    value = json.loads(run(*arguments, "--method", "last_value")[0])
    assert "registered" not in value
    assert value["since"]["name"] == "large"
    assert "method last_value instead of direct" in value["since"]["causes"]
    out, _ = run("forecast", "--results", "cut.csv", *TARGET, "--store", store, "--method", "last_value")
    assert re.search(r"since large \(#1\) of \d{4}-\d\d-\d\d:\n", out)
    assert "because of: method last_value instead of direct" in out


def test_scores_resolve_it_and_make_a_record(run, store):
    waits = json.loads(run("resolve", "--store", store, "--results", "cut.csv", "--json", "-")[0])
    assert waits["waiting"] == [{"name": "large", "number": 1, "reason": "no run has 3.2B parameters"}]
    out, _ = run("resolve", "large", "--store", store, "--results", "whole.csv")
    assert "large (#1): resolved by run run-3e+09 (3.2B parameters, 128B tokens)" in out
    assert "nothing to resolve: 1" in run("resolve", "--store", store, "--results", "whole.csv")[0]
    record = json.loads(run("record", "--store", store, "--json", "-")[0])
    assert (record["resolved"], record["forecasts"], record["check"]["verdict"]) == (1, 3, "too few")
    out, _ = run("record", "--store", store)
    assert "forecasts: 1 registered, 1 resolved, 0 waiting; models: 1" in out
    out, _ = run("registered", "show", "1", "--store", store)
    assert "note: mix 3" in out
    assert "resolved by run run-3e+09" in out
    out, _ = run("forecast", "--results", "cut.csv", *TARGET, "--store", store, "--method", "direct")
    assert "track record: 80% intervals held" in out


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (
            ["forecast", "--results", "cut.csv", *TARGET, "--register", "x"],
            "cut.csv is no store .*; name one with --st",
        ),
        (["forecast", "--results", "cut.csv", *TARGET, "--note", "x"], "--note says nothing without --register"),
        (["forecast", "--results", "cut.csv", *TARGET, "--register", "7", "--store", "s"], "'7' cannot be the name"),
        (["registered", "list", "--store", "nowhere"], "the store nowhere does not exist"),
        (["record"], "checkpoints.yaml does not exist"),
        (["resolve", "--run", "a", "--store", "s"], "--run says nothing without the name"),
    ],
)
def test_what_cannot_be_done_is_one_line(run, arguments, line):
    out, err = run(*arguments, expect=2)
    assert out == ""
    (only,) = err.splitlines()
    assert re.match(f"error: {line}", only), only


def test_what_cannot_be_registered_is_printed_all_the_same(run, store):
    other = ["--params", "6.4B", "--tokens", "128B", "--method", "direct", "--register", "large", "--store", store]
    out, err = run("forecast", "--results", "cut.csv", *other, expect=2)
    assert "6.4B parameters" in out
    assert "error: 'large' is registered as a forecast of drawn 3.2B on 128B tokens" in err


def test_a_changed_record_ends_checks_with_1(run, store, tmp_path):
    import shutil

    copy = tmp_path / "copy"
    shutil.copytree(store, copy)
    path = copy / "forecasts" / "000001.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"mix 3", b"mix 4"))
    out, _ = run("registered", "verify", "--store", copy, expect=1)
    assert "000001.json: its content is not what was written: the hash differs" in out
    _, err = run("record", "--store", copy)
    assert "warning: forecasts/000001.json" in err
    out, _ = run("store", "check", "--store", copy, expect=1)
    assert "changed: forecasts/000001.json: its content is not what was written" in out


PROJECT = """
suite: core
store: store
families: {fam: {tokens_per_step: 100, schedule_end: 30, checkpoints: "{run}/step_{step}"}}
runs:
  a: {family: fam, params: 1000}
  t: {family: fam, params: 1000, role: target}
target: {family: fam, params: 1000, tokens: 3000, run: t}
"""


@pytest.fixture
def project(tmp_path):
    """A project whose store has a ladder run and a registered forecast of the target, which is like that run."""
    (tmp_path / "checkpoints.yaml").write_text(PROJECT)
    home = Store(tmp_path / "store")
    home.create()
    described = runs("a", "t")
    home.write_runs(described.assign(role=["ladder", "target"]))
    home.write(*pair(run="a", step=30, value=0.4))
    ends = {"80": (0.4, 0.6), "95": (0.3, 0.7)}
    answer = TaskForecast("facts", "acc", 0, 0.5, ends, "C", "", None, {})
    register(home.path, Forecast(Target(1000.0, 3000.0, "fam"), (answer,), {"compute_ratio": 2.0}), "large")
    return load_project(tmp_path / "checkpoints.yaml")


@pytest.fixture
def post(project):
    return Post(project, project.store_path)


def test_evaluate_resolves_by_itself_once_the_target_was_scored(project, post, capsys):
    _resolve(project, None, post)
    assert "resolved" not in capsys.readouterr().err
    Store(project.store_path).write(*pair(run="t", step=30, value=0.65))
    _resolve(project, None, post)
    # The ladder's run is of the same size and length: checkpoints.yaml says which one is the target.
    assert "resolved: large (#1) by run t: 0 of 1 scores inside the 80% interval" in capsys.readouterr().err
    entries = read_entries(project.store_path)
    (outcome,) = entries.resolutions[0].outcomes
    assert outcome.truth == pytest.approx(0.65)
    assert not outcome.late
    _resolve(project, None, post)
    assert capsys.readouterr().err == ""


def test_a_record_that_was_changed_stops_no_evaluation(project, post, capsys):
    path = project.store_path / "forecasts" / "000001.json"
    path.chmod(0o644)
    path.write_bytes(path.read_bytes() + b" ")
    Store(project.store_path).write(*pair(run="t", step=30, value=0.65))
    _resolve(project, None, post)
    assert "forecasts/000001.json: its content is not what was written" in capsys.readouterr().err
    with pytest.raises(StoreError, match=r"000001.json: its content is not what was written"):
        register(project.store_path, Forecast(Target(1000.0, 3000.0, "fam"), (), {"compute_ratio": 2.0}), "other")


def test_watching_resolves_after_the_first_look_and_after_scores(post):
    called = []
    looks = _Looks(lambda: called.append(None), post)
    for scored in ((), (), (PairKey("0" * 64, "t", 30, "facts"),), ()):
        looks(Outcome(scored=scored))
    assert len(called) == 2


def test_an_import_names_the_forecasts_that_its_scores_may_resolve(project, run, tmp_path):
    (tmp_path / "scores.csv").write_text("task,metric,value\nfacts,acc,0.5\n")
    place = ["--run", "t", "--family", "fam", "--params", "1000", "--tokens", "3000"]
    _, err = run("import", "table", tmp_path / "scores.csv", *place, "--store", project.store_path)
    assert "registered forecasts that wait for scores: large (#1); see 'predictor resolve" in err
