import http.server
import json
import queue
import threading

import numpy as np
import pandas as pd
import pytest


@pytest.fixture
def runs(tmp_path):
    """Write four runs with checkpoints; the last is as far as asked, and broken if asked."""

    def write(steps=12, broken=False):
        random = np.random.default_rng(0)
        rows = []
        for number, params in enumerate([1e7, 3e7, 9e7, 2.7e8]):
            for step in range(1, (steps if number == 3 else 12) + 1):
                tokens = 20 * params * step / 12
                for task in range(6):
                    share = 0.25 + 0.6 / (1 + 10 ** (0.5 * (17.6 + 0.2 * task - np.log10(6 * params * tokens))))
                    if broken and number == 3 and step > 7:
                        share = 0.25 + 0.4 * (share - 0.25)
                    value = float(np.clip(share + 0.008 * random.standard_normal(), 0, 1))
                    at = {"run": f"run-{number}", "params": int(params), "tokens": int(tokens), "step": step}
                    rows.append({**at, "task": f"task_{task}", "metric": "acc", "value": value})
        frame = pd.DataFrame(rows).assign(family="drawn", n_items=2000)
        frame.assign(tokens_planned=frame["params"] * 20).to_parquet(tmp_path / "evals.parquet")
        return tmp_path / "evals.parquet"

    return write


def test_a_good_run_is_shown_and_exits_with_zero(predictor, runs):
    done = predictor("track", "--results", runs(8), "--run", "run-3")
    assert "on track: no significant shortfall" in done.stdout
    assert done.stdout.count("task_") == 6
    assert "(67%)" in done.stdout


def test_an_alarm_exits_with_three_and_says_from_when(predictor, runs, tmp_path):
    arguments = ("track", "--results", runs(broken=True), "--run", "run-3")
    done = predictor(*arguments, "--json", "t.json", "--html", "t.html", expect=3)
    assert "ALARM: the benchmarks" in done.stdout
    told = json.loads((tmp_path / "t.json").read_text())
    assert told["alarm"] is True
    assert told["alarms"][0]["raised"] == pytest.approx(2.7e8 * 20 * 8 / 12, rel=1e-6)
    page = (tmp_path / "t.html").read_text()
    assert "off its path" in page
    assert page.count('<details class="on-demand wide-open"') == 6


class Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        self.server.taken.put(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()


def test_an_alarm_is_sent_to_those_whom_the_configuration_names(predictor, runs, tmp_path):
    pytest.importorskip("apprise", reason="downstream-predictor[notify] is not installed")
    with http.server.HTTPServer(("127.0.0.1", 0), Hook) as server:
        server.taken = queue.Queue()
        threading.Thread(target=server.handle_request, daemon=True).start()
        (tmp_path / "checkpoints.yaml").write_text(
            "suite: tiny\nfamilies: {f: {checkpoints: 'x/step_{step}', tokens_per_step: 1k}}\nruns: {a: {family: f}}\n"
            f"notify: {{urls: ['json://127.0.0.1:{server.server_address[1]}/']}}\n"
        )
        predictor("track", "--results", runs(broken=True), "--run", "run-3", "--notify", "checkpoints.yaml", expect=3)
        post = server.taken.get(timeout=20)
    assert "run-3 left its forecast" in post["title"]
    assert "the benchmarks" in post["message"]


def test_json_gives_a_forecast_of_the_end_at_every_checkpoint(predictor, runs):
    told = json.loads(predictor("track", "--results", runs(8), "--run", "run-3", "--json", "-").stdout)
    assert told["target"] == {"params": 2.7e8, "tokens": 5.4e9, "family": "drawn"}
    for task in told["tasks"]:
        assert len(task["checkpoints"]) == 8
        for one in task["checkpoints"]:
            low, high = one["final"]["intervals"]["80"]
            assert low <= one["final"]["median"] <= high
            assert abs(one["deviation"]) < 6
    assert told["required"] == []


def test_watch_ends_when_the_run_does(predictor, runs):
    done = predictor("track", "--results", runs(12), "--run", "run-3", "--watch", "--every", "0.2")
    assert "(100%)" in done.stdout


def test_wrong_input_is_answered_in_one_line(refused, runs, tmp_path):
    table = runs(8)
    assert "did you mean run-3" in refused("track", "--results", table, "--run", "run3")
    assert "unknown task" in refused("track", "--results", table, "--run", "run-3", "--tasks", "none")
    assert "does not exist" in refused("track", "--results", table, "--run", "run-3", "--html", "gone/t.html")
    one = ("--html", "t.html", "--json", "t.html")
    assert "--html" in refused("track", "--results", table, "--run", "run-3", *one)
    assert "would replace" in refused("track", "--results", table, "--run", "run-3", "--html", table)
    assert "no model has" in refused("track", "--results", table, "--run", "run-3", "--tokens", "1e300")
    assert "name a file" in refused("track", "--results", table, "--run", "run-3", "--watch", "--json", "-")


def test_a_required_score_that_is_out_of_reach_exits_with_three(predictor, runs):
    arguments = ("track", "--results", runs(8), "--run", "run-3")
    done = predictor(*arguments, "--require", "task_0=0.95", "--json", "t.json", expect=3)
    assert "ends at 0.95 or better with a probability of 0%" in done.stdout
    assert "probability of 0%" not in predictor(*arguments, "--require", "task_0=0.4").stdout
    predictor(*arguments, "--require", "task_0=0.95", "--alarm-below", "0")


def test_candidates_are_set_side_by_side(predictor, runs, tmp_path):
    done = predictor("track", "--results", runs(8), "--runs", "run-2,run-3", "--json", "t.json")
    assert "stopping all but run-3 now would save" in done.stdout
    found = json.loads((tmp_path / "t.json").read_text())
    assert [one["run"] for one in found["runs"]] == ["run-2", "run-3"]
    candidates = found["comparison"]["candidates"]
    assert sum(one["probability_best"] for one in candidates) == pytest.approx(1, abs=1e-3)
    assert candidates[1]["flops_left"] == pytest.approx(6 * 2.7e8 * 20 * 2.7e8 * 4 / 12, rel=1e-3)


def test_events_are_shown(predictor, runs, tmp_path):
    arguments = ("track", "--results", runs(8), "--run", "run-3", "--event", "2.5B=new data", "--html", "t.html")
    assert "at 2.5B tokens: new data" in predictor(*arguments).stdout
    assert "At 2.5B tokens: new data." in (tmp_path / "t.html").read_text()


def test_wrong_requirements_and_events_are_refused(refused, runs):
    table = runs(8)
    for wrong, why in (("task_0", "lacks a score"), ("task_0=much", "is no number"), ("none=0.5", "unknown task")):
        assert why in refused("track", "--results", table, "--run", "run-3", "--require", wrong)
    assert "does not say what happened" in refused("track", "--results", table, "--run", "run-3", "--event", "2B")
    assert "no run was named" in refused("track", "--results", table)
    assert "shows one run" in refused("track", "--results", table, "--runs", "run-2,run-3", "--html", "t.html")
