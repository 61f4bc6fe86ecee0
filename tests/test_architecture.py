"""The way of the data: a folder imports only from those before it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "predictor"

# Folder -> folders of ours that it may import from, beside the shared modules at the top. Evaluation writes its scores
# through `results`; everything else imports from the folders before it.
ALLOWED = {
    "laws": set(),
    "fitting": {"laws"},
    "checkpoints": {"project", "scheduling"},
    "benchmarks": set(),
    "results": {"benchmarks"},
    "evaluation": {"checkpoints", "project", "scheduling", "results"},
    "notify": {"project", "scheduling", "results", "evaluation"},
    "statistics": {"benchmarks", "results", "fitting", "laws"},
    "difficulty": {"results", "fitting", "laws", "statistics"},
    "forecasting": {"benchmarks", "results", "fitting", "laws", "statistics", "difficulty"},
    "decisions": {"results", "fitting", "laws", "statistics", "forecasting"},
    "serve": {"project", "evaluation", "results", "statistics", "forecasting", "report"},
    "report": {"results", "laws", "fitting", "statistics", "forecasting", "difficulty"},
    "ladder": set(),
    "api": {"checkpoints", "project", "evaluation", "results", "statistics", "laws", "forecasting", "decisions"},
}
SHARED = {
    "errors",
    "quantity",
    "config_file",
    "checkpoint_pattern",
    "places",
    "redaction",
    "progress",
    "presentation",
    "distribution",
    "__version__",
}


def imported(path: Path) -> set[str]:
    """Name the modules below `predictor` that a file imports."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "predictor":
            parts = node.module.split(".")[1:]
            found |= {".".join(parts)} if parts else {alias.name for alias in node.names}
    return found


@pytest.mark.parametrize("room", ALLOWED)
def test_arrows_point_one_way(room):
    for path in (PACKAGE / room).rglob("*.py"):
        rooms = {name.split(".")[0] for name in imported(path)}
        assert rooms <= ALLOWED[room] | SHARED | {room}, path


def test_only_the_command_line_imports_the_command_line():
    for path in PACKAGE.rglob("*.py"):
        if "cli" not in path.parts and path.name != "__main__.py":
            assert not any(name.split(".")[0] == "cli" for name in imported(path)), path


@pytest.mark.parametrize(
    "module",
    [
        "predictor.cli.app",
        "predictor.cli.query",
        "predictor.statistics",
        "predictor.difficulty",
        "predictor.forecasting",
        "predictor.forecasting.cache",
        "predictor.results.store",
    ],
)
def test_light_paths_stay_free_of_heavy_packages(module):
    heavy = "{'torch', 'transformers', 'lm_eval', 'datasets', 'plotly', 'sklearn', 'statsmodels', 'scipy.stats'}"
    code = f"import sys, {module}; print(sorted({heavy} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"
