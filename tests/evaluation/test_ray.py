"""A process of Ray that has used a GPU serves one task alone."""

import os
import tempfile
from pathlib import Path

import pytest

from predictor.checkpoints import Checkpoint
from predictor.evaluation.executors import on_ray
from predictor.evaluation.plan import Unit
from predictor.evaluation.worker import Workshop
from predictor.project import Scoring
from predictor.scheduling import RayExecutor

pytestmark = pytest.mark.slow


@pytest.fixture
def ray(monkeypatch):
    """Ray on this machine, with a GPU that is only counted."""
    ray = pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # A folder of its own, with a short name for its sockets: other clusters may run on this machine.
    with tempfile.TemporaryDirectory(prefix="ray-", ignore_cleanup_errors=True) as folder:
        counted = {"num_cpus": 1, "num_gpus": 1}
        ray.init("local", **counted, include_dashboard=False, log_to_driver=False, logging_level=40, _temp_dir=folder)
        yield ray
        ray.shutdown()


def test_a_process_that_used_a_gpu_ends_with_its_task(ray, tmp_path, monkeypatch):
    # Which process a task is given is Ray's affair, whatever the task does.
    monkeypatch.setattr(on_ray, "run_job", lambda workshop, job: os.getpid())
    workshop = Workshop(tmp_path, Scoring(), offline=True, log=tmp_path / "log")
    unit = Unit(Checkpoint("f", "a", "ladder", 1, None, 1, 1, None, Path(), None), "", (), job="job")
    for gpus, processes in ((1, 2), (0, 1)):
        cluster = on_ray.RayCluster(RayExecutor(kind="ray", gpus=gpus), workshop, on_cpu=False)
        found = {ray.get(cluster.submit([[unit]])[0], timeout=60) for _ in range(2)}
        assert len(found) == processes
