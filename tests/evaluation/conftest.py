"""Real checkpoints and projects over them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.evaluation.tiny import save_checkpoint, write_project

# Models this small are slower on two threads than on one. Read when torch is imported, here and in what tests start.
os.environ["OMP_NUM_THREADS"] = "1"


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Two checkpoints of a small Llama with random weights, as `step_10` and `step_20` of one folder."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for seed, step in enumerate((10, 20)):
        save_checkpoint(folder / f"step_{step}", seed)
    return folder


@pytest.fixture(scope="session")
def ladder_checkpoints(checkpoints):
    """The checkpoints of the tiny ladder's smallest run; random ones in a checkout without the ladder's weights."""
    ladder = Path(__file__).parents[2] / "benchmarks" / "ladder" / "4k"
    return ladder if list(ladder.glob("step_*/model.safetensors")) else checkpoints


@pytest.fixture
def project_file(tmp_path, checkpoints):
    """Write a checkpoints.yaml over the two checkpoints; keywords change its keys."""

    def write(**more):
        return write_project(tmp_path, more.pop("checkpoints", checkpoints), **more)

    return write


@pytest.fixture
def command():
    """The installed `predictor`."""
    return Path(sys.executable).with_name("predictor")


@pytest.fixture
def predictor(command):
    """Run `predictor` to its end; gives the finished process."""

    def run(*arguments, expect=0, cwd=None):
        done = subprocess.run([command, *map(str, arguments)], capture_output=True, text=True, cwd=cwd, check=False)
        assert done.returncode == expect, f"exit {done.returncode}: {done.stdout}{done.stderr}"
        return done

    return run
