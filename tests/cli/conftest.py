"""Run the installed command as its user does."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.fixture
def predictor(tmp_path):
    """Run `predictor` in an empty folder with its own cache; gives the finished process."""
    command = Path(sys.executable).with_name("predictor")

    def run(*arguments, cwd=None, expect=0):
        done = subprocess.run(
            [command, *map(str, arguments)],
            capture_output=True,
            text=True,
            cwd=cwd or tmp_path,
            env={**os.environ, "XDG_CACHE_HOME": str(tmp_path / "cache"), "COLUMNS": "200"},
        )
        assert done.returncode == expect, f"exit {done.returncode}: {done.stderr}"
        return done

    return run


@pytest.fixture
def refused(predictor):
    """Run `predictor` with something wrong: exit 2, one line on stderr, nothing on stdout, no traceback."""

    def run(*arguments, cwd=None):
        done = predictor(*arguments, cwd=cwd, expect=2)
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("error: ")
        assert done.stdout == ""
        return lines[0]

    return run
