"""A Slurm that is away is waited for; one that refuses is one line."""

import collections
import contextlib
import os
import signal
import subprocess
from pathlib import Path

import pytest

from predictor.evaluation import status
from predictor.project import load_project
from predictor.results.ledger import Ledger
from tests.evaluation import clusters

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def slurm(tmp_path_factory):
    absent = clusters.missing("slurmctld", "slurmd", "munged", "sbatch", "squeue")
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
    pytest.importorskip("submitit")
    # sbatch gives up on a controller that is away only then.
    with clusters.slurm(tmp_path_factory.mktemp("slurm") / "cluster", timeout=10) as running:
        yield running


def test_a_controller_that_is_away_is_waited_for_and_a_partition_that_is_not_there_is_refused(
    slurm, project_file, command
):
    config = project_file(executor={"kind": "slurm", "workers": 2, "partition": "absent"})
    arguments = [command, "evaluate", "--once", "--config", config, "--task", "tiny_facts"]
    refused = subprocess.run(arguments, env=slurm.environment, capture_output=True, text=True, check=False)
    assert refused.returncode == 2
    assert "error: Slurm refuses the jobs (" in refused.stderr.splitlines()[-1]
    assert "Invalid partition" in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr

    slurm.stop_controller()
    project = load_project(project_file(executor={"kind": "slurm", "workers": 2}))
    process = subprocess.Popen(
        arguments, env=slurm.environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        said = next(line for line in process.stderr if "Slurm does not take the jobs now (" in line)
        assert "tried again in 5 s" in said
        slurm.start_controller()
        assert process.wait(timeout=180) == 0, process.stderr.read()
    finally:
        process.kill()
        process.wait()
        process.stderr.close()
    assert status(project, tasks=("tiny_facts",)).counts() == {"done": 2, "running": 0, "waiting": 0, "failed": 0}


@contextlib.contextmanager
def evaluating(slurm, command, config, *tasks):
    """Run `evaluate --once` on Slurm in the background."""
    chosen = [word for task in tasks for word in ("--task", task)]
    process = subprocess.Popen(
        [command, "evaluate", "--once", "--config", config, *chosen],
        env=slurm.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def test_jobs_that_slurm_holds_are_said_and_submitted_anew_and_a_pass_is_one_array(slurm, project_file, command):
    # More pieces than workers: all of them go in one array, whose limit keeps them from running together.
    config = project_file(executor={"kind": "slurm", "workers": 1, "piece": "1s"})
    tasks = ("tiny_facts", "tiny_sort")
    with evaluating(slurm, command, config, *tasks) as process:
        clusters.wait_for("jobs", lambda: len(jobs(slurm)) > 2)
        (array,) = {number.split("_")[0] for number in jobs(slurm)}
        pending = [number for number, state in jobs(slurm).items() if state == "PENDING"]
        # As after a node failed, or by an operator.
        subprocess.run(["scontrol", "hold", pending[-1]], env=slurm.environment, check=True)
        said = process.stderr.read()
        assert process.wait(timeout=300) == 0, said
        assert f"job {array}_" in said
        assert "Slurm holds the worker's job (JobHeld" in said
    assert status(load_project(config), tasks=tasks).counts() == {"done": 4, "running": 0, "waiting": 0, "failed": 0}


def test_a_job_packs_small_pieces_and_keeps_what_it_finished_when_it_is_taken_away(
    slurm, project_file, command, tmp_path
):
    executor = {"kind": "slurm", "workers": 1, "piece": "1h"}
    config = project_file(executor=executor, scoring={"device": "cpu", "batch_size": 1})
    scores = tmp_path / "store" / "scores"
    with evaluating(slurm, command, config) as process:
        clusters.wait_for("a score", lambda: list(scores.glob("*/*/[!.]*.parquet")), pause=0.05)
        # In the middle of its work until Slurm kills it.
        stop_workers(tmp_path)
        # Two checkpoints with twelve tasks each, in one job.
        (number,) = jobs(slurm)
        # What a partition with preemption does to a job in the way of a more urgent one.
        subprocess.run(["scancel", number], env=slurm.environment, check=True)
        # scancel wakes a stopped process, and submitit ignores its SIGTERM: only SIGKILL, two seconds later, ends it.
        clusters.wait_for("the end of the worker", lambda: not stop_workers(tmp_path), pause=0.02)
        kept = {path.stem.rpartition("-")[2] for path in scores.glob("*/*/[!.]*.parquet")}
        said = process.stderr.read()
        assert process.wait(timeout=300) == 0, said
        assert f"job {number}: Slurm took the worker away (CANCELLED" in said
    with Ledger(tmp_path / "store" / "ledger.sqlite", read_only=True) as ledger:
        events = ledger.events()
    count: dict[str, collections.Counter] = collections.defaultdict(collections.Counter)
    for event in events:
        count[event["event"]][event["identity"]] += 1
    assert len(count["finished"]) == 24
    assert set(count["finished"].values()) == {1}
    assert 0 < len(kept) < 24
    assert not [identity for identity in count["lost"] if identity[:16] in kept]
    assert {number for identity, number in count["started"].items() if identity[:16] in kept} == {1}
    assert count["failed"] == {}


def stop_workers(folder):
    """Stop the processes that work for jobs of this folder, and return their number."""
    stopped = 0
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (process / "cmdline").read_bytes()
            if b"submitit.core._submit" in words and str(folder).encode() in words and b"srun" not in words:
                os.kill(int(process.name), signal.SIGSTOP)
                stopped += 1
    return stopped


def jobs(slurm):
    """The tasks of arrays that Slurm knows and that have not ended: number -> state."""
    command = ["squeue", "--array", "--noheader", "--format=%i|%T"]
    done = subprocess.run(command, env=slurm.environment, capture_output=True, text=True, check=False)
    return dict(line.split("|") for line in done.stdout.splitlines())
