"""A Slurm that is away is waited for; one that refuses is one line."""

import subprocess

import pytest

from predictor.evaluation import status
from predictor.project import load_project
from tests.evaluation import clusters

pytestmark = pytest.mark.slow


@pytest.fixture
def slurm(tmp_path):
    absent = clusters.missing("slurmctld", "slurmd", "munged", "sbatch", "squeue")
    if absent:
        pytest.skip(f"not installed: {', '.join(absent)}")
    pytest.importorskip("submitit")
    # sbatch gives up on a controller that is away only then.
    with clusters.slurm(tmp_path / "cluster", timeout=10) as running:
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
