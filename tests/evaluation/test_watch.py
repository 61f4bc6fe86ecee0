"""`evaluate --watch` takes up what appears, is one of its kind, and leaves in order."""

import shutil
import signal
import subprocess
import threading
import time

import pytest

from predictor.errors import ConfigError
from predictor.evaluation import status
from predictor.evaluation.watch import Stopped, make_trigger, stopping_on_sigterm
from predictor.project import load_project
from predictor.results.ledger import Ledger
from tests.evaluation.tiny import save_checkpoint

pytestmark = pytest.mark.slow


def read_until(process, text):
    """Read what a process says until a line holds the text; gives that line."""
    for line in process.stderr:
        if text in line:
            return line
    raise AssertionError(f"it ended without saying {text!r}")


def wait_for_activity(project, text):
    """Wait until the heartbeat says so; the status then."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = status(project, tasks=("tiny_facts",))
        if any(text in one.activity for one in found.coordinators):
            return found
        time.sleep(0.2)
    raise AssertionError(f"no coordinator says {text!r}")


def test_a_watch_scores_what_appears_and_leaves_in_order_on_sigterm(
    project_file, checkpoints, tmp_path, command, predictor
):
    folder = tmp_path / "growing"
    shutil.copytree(checkpoints / "step_10", folder / "step_10")
    config = project_file(checkpoints=folder, lease="20s")
    project = load_project(config)
    arguments = [command, "evaluate", "--watch", "--every", "1s", "--config", config, "--task", "tiny_facts"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    try:
        read_until(process, "1 pairs scored, 0 failed")

        refused = predictor("evaluate", "--config", config, "--task", "tiny_facts", expect=2)
        assert f"is in use by process {process.pid} on " in refused.stderr

        # A checkpoint that is written in the place where it is looked for: taken only when it is whole.
        whole = save_checkpoint(tmp_path / "elsewhere", seed=3)
        (folder / "step_20").mkdir()
        # Its weights last: of them alone a look that falls between two files can tell that something is missing.
        for path in sorted(whole.iterdir(), key=lambda path: path.suffix == ".safetensors"):
            shutil.copy(path, folder / "step_20" / path.name)
        read_until(process, "small step 20, tiny_facts")
        found = wait_for_activity(project, "waiting; looks again at ")
        assert found.counts() == {"done": 2, "running": 0, "waiting": 0, "failed": 0}
        assert found.coordinators[0].pid == process.pid

        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert "stopped; what was in hand waits for the next start" in process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    with Ledger(tmp_path / "store" / "ledger.sqlite", read_only=True) as ledger:
        assert ledger.coordinators.listed() == []
        assert [event["event"] for event in ledger.events()] == ["started", "finished"] * 2


def test_a_sigterm_that_arrives_where_python_swallows_errors_stops_it_all_the_same():
    class Dying:
        def __del__(self):
            signal.raise_signal(signal.SIGTERM)

    def work():
        with stopping_on_sigterm():
            Dying()
            # As `watch` does between two looks.
            threading.Event().wait(10)

    # Ray, once it was started in this process, has a handler of its own.
    before, began = signal.getsignal(signal.SIGTERM), time.monotonic()
    with pytest.raises(Stopped):
        work()
    assert time.monotonic() - began < 10
    assert signal.getsignal(signal.SIGTERM) is before


def test_what_is_no_cron_expression_is_one_line(project_file):
    with pytest.raises(ConfigError, match=r"'every hour' is no cron expression .*write five fields"):
        make_trigger(load_project(project_file()), cron="every hour")
    assert make_trigger(load_project(project_file(watch={"every": "2m"}))).interval.total_seconds() == 120


def test_two_checkpoints_of_one_content_are_scored_once(project_file, checkpoints, tmp_path):
    from predictor.evaluation import evaluate
    from predictor.results.store import Store

    folder = tmp_path / "mine"
    shutil.copytree(checkpoints / "step_10", folder / "step_10")
    shutil.copytree(checkpoints / "step_10", folder / "step_30")
    project = load_project(project_file(checkpoints=folder))
    assert len(evaluate(project, tasks=("tiny_facts",)).scored) == 2
    frame = Store(project.store_path).read_scores()[0].pivot(index="metric", columns="step", values="value")
    assert frame[10].tolist() == frame[30].tolist()
    with Ledger(tmp_path / "store" / "ledger.sqlite", read_only=True) as ledger:
        assert [event["event"] for event in ledger.events()] == ["started", "finished"]
    assert evaluate(project, tasks=("tiny_facts",)).planned == ()
    assert status(project, tasks=("tiny_facts",)).counts()["done"] == 2
