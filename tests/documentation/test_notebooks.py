"""The notebooks in examples/ run from their first cell to the last."""

import os
import shutil
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed: pip install -e '.[dev]'")
nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed: pip install -e '.[dev]'")

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run a notebook in a copy of its folder; gives the text that its cells show."""
    # `!predictor` is the one of this environment, whatever is first on the path.
    command = tmp_path / "bin" / "predictor"
    command.parent.mkdir()
    command.write_text('#!/bin/sh\nexec "$PREDICTOR_PYTHON" -m predictor "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PREDICTOR_PYTHON", sys.executable)
    monkeypatch.setenv("PATH", f"{command.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(EXAMPLES.parent))
    folder = Path(shutil.copytree(EXAMPLES, tmp_path / "examples"))

    def execute(name):
        notebook = nbformat.read(folder / f"{name}.ipynb", as_version=4)
        client = nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3")
        client.execute(cwd=str(folder))
        outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
        return "\n".join(output.get("text") or output.get("data", {}).get("text/plain", "") for output in outputs)

    return execute


def test_the_quickstart_ends_with_the_share_of_scores_inside_their_intervals(run):
    assert "of 8 inside the 80% interval" in run("quickstart")


def test_own_results_become_a_forecast_and_a_store(run):
    shown = run("own_results")
    assert shown.count("<Results: 4 runs of 1 family, 11 benchmarks, 44 scores>") == 2


def test_laws_are_fitted_and_asked_and_two_halves_of_one_family_do_not_differ(run):
    shown = run("laws_and_recipes")
    assert "converged" in shown
    assert "parameters" in shown
