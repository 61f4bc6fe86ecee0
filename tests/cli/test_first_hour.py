"""The first commands of a new user, and what a project supplies to the others."""

import json

import pytest
from click.testing import CliRunner

from predictor.cli.app import app
from predictor.cli.evaluate import failure_lines
from predictor.results.ledger import PairKey
from tests.conftest import ROOT

LADDER = ROOT / "benchmarks" / "ladder"


@pytest.fixture
def project(predictor, tmp_path):
    """A project that `init` wrote, with a target."""
    predictor("init", LADDER, "--suite", "tiny", "--online")
    path = tmp_path / "checkpoints.yaml"
    text = path.read_text().replace(
        "# target: {family: base, params: 7B, tokens: 300B}", "target: {family: drawn, params: 7B, tokens: 280B}"
    )
    path.write_text(text.replace("  base:\n", "  drawn: {}\n  base:\n"))
    return path


def test_init_writes_a_project_that_loads_and_says_what_it_could_not_know(predictor, tmp_path):
    done = predictor("init", LADDER, "--suite", "tiny")
    assert "not known: the target" in done.stdout
    assert "133k" in done.stdout
    assert predictor("config", "check").stdout == "checkpoints.yaml: 7 runs, suite tiny of 12 tasks\n"
    first = (tmp_path / "checkpoints.yaml").read_text().splitlines()[0]
    schema = first.removeprefix("# yaml-language-server: $schema=")
    assert json.loads((tmp_path / schema).read_text()) == json.loads(predictor("config", "schema").stdout)


def test_init_replaces_nothing_unasked(predictor, refused, tmp_path):
    (tmp_path / "checkpoints.yaml").write_text("mine")
    assert "exists; give --force" in refused("init", LADDER)
    assert (tmp_path / "checkpoints.yaml").read_text() == "mine"


def test_a_project_supplies_results_target_and_family(predictor, project, draw_ladder, tmp_path):
    draw_ladder().to_csv(tmp_path / "t.csv", index=False)
    predictor("import", "table", "t.csv", "--store", "store", "--family", "drawn", "--metric", "acc")
    done = predictor("forecast", "--json", "-", "--no-atlas")
    assert "from checkpoints.yaml: --results" in done.stderr
    answer = json.loads(done.stdout)
    assert answer["target"] == {"params": 7e9, "tokens": 280e9, "family": "drawn"}
    # What is given counts, and other results take nothing from this project.
    done = predictor(
        "forecast", "--results", "t.csv", "--params", "6B", "--tokens", "240B", "--json", "-", "--no-atlas"
    )
    assert "checkpoints.yaml" not in done.stderr
    assert json.loads(done.stdout)["target"]["params"] == 6e9


def test_results_elsewhere_need_their_own_target(refused, project, draw_ladder, tmp_path):
    draw_ladder().to_csv(tmp_path / "t.csv", index=False)
    assert "Missing option '--params'" in refused("forecast", "--results", "t.csv")


def test_tasks_are_listed_searched_and_checked(predictor, tmp_path):
    assert predictor("tasks", "list", "--suite", "core").stdout.count("\n") == 11
    run = CliRunner().invoke
    assert "arc_easy\n" in run(app, ["tasks", "search", "ARC_EASY"]).output
    assert run(app, ["tasks", "validate", "core"]).output == "core: 10 of 10 tasks are in lm-eval\n"
    (tmp_path / "ours.yaml").write_text("tasks:\n  - {task: arc_easi, metric: acc, chance: 0.25}\n")
    done = run(app, ["tasks", "validate", str(tmp_path / "ours.yaml")], standalone_mode=False)
    assert (done.return_value, done.exception) == (1, None)
    assert "unknown task 'arc_easi' in lm-eval; did you mean" in done.output


def test_doctor_names_what_is_here(predictor):
    found = json.loads(predictor("doctor", "--json", "-").stdout)
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert found["well"]
    assert {states[name] for name in ("predictor", "torch", "lm-eval", "disk")} == {"ok"}
    assert states["project"] == "note"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_asks_the_command(predictor, shell):
    assert "_PREDICTOR_COMPLETE" in predictor("completion", shell).stdout


def test_data_that_are_not_here_are_one_line_with_the_remedy():
    keys = [PairKey(f"{task}-{step}", "1b", step, task) for task in ("arc_easy", "boolq") for step in (1, 2)]
    remedy = "fetch its data with 'predictor prefetch'"
    unloaded = [(key, f"task {key.task} cannot be loaded (no {key.task} on the Hub); {remedy}") for key in keys]
    other = (keys[0], "out of memory; take fewer sequences")
    (first, second) = failure_lines([*unloaded, other])
    assert first == (
        "failed: 4 pairs of 2 tasks (arc_easy, boolq): task arc_easy cannot be loaded (no arc_easy on the Hub); "
        + remedy
    )
    assert second == "failed: 1 pair: out of memory; take fewer sequences"
