"""What is installed is this package: on the package index, `predictor` is somebody else's."""

import re
import subprocess
import tomllib
from pathlib import Path
from typing import get_args

import pytest

from predictor.distribution import DISTRIBUTION, Extra, install_command

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# The peer that benchmarks/speed/fitting.py compares with, in an environment of its own; what installs and builds.
OTHERS = {"chinchilla", "pip", "uv", "build"}
INSTALLS = re.compile(
    r"(?:pip|pipx|uv tool|uv) (?:install|add|run --with)((?:[ \t]+[^\s`;&|]+)+)|uvx((?:[ \t]+[^\s`;&|]+)+)"
)
WITH_VALUE = {
    "-c",
    "--constraint",
    "-r",
    "--requirement",
    "--index-url",
    "--extra-index-url",
    "--python",
    "--target",
    "--resolution",
}


def tracked_text():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a checkout")
    kinds = {".py", ".md", ".toml", ".yml", ".yaml", ".ipynb", ".sh", ".txt", ".cfg", ".j2", ""}
    for name in listed.stdout.split("\0"):
        if name and Path(name).suffix in kinds and not name.startswith("tests/"):
            yield name, (ROOT / name).read_text(encoding="utf-8", errors="replace")


def requirements(command):
    """Return what a command installs: names, and extras where it names any."""
    words = iter(word.strip("'\"`.,:)(") for word in command.partition(" #")[0].split())
    for word in words:
        if word in WITH_VALUE:
            next(words, None)
        elif word and not word.startswith("-"):
            yield word


def named(requirement):
    match = NAME.match(requirement)
    return match[0].lower().replace("_", "-") if match else None


def test_no_install_command_names_a_foreign_package():
    everything = [
        *PROJECT["dependencies"],
        *(each for extra in PROJECT["optional-dependencies"].values() for each in extra),
    ]
    allowed = {named(requirement) for requirement in everything} | {DISTRIBUTION} | OTHERS
    seen = []
    for name, text in tracked_text():
        for match in INSTALLS.finditer(text.replace("\\\n", " ")):
            for requirement in requirements(match[1] or match[2]):
                seen.append(requirement)
                if not requirement.startswith(("[", "/", "$", "{", "dist/")):
                    assert named(requirement) in allowed, f"{name}: {match[0]}"
    assert f"{DISTRIBUTION}[serve]" in seen


def test_no_text_names_the_package_of_somebody_else_with_an_extra():
    known = set(PROJECT["optional-dependencies"])
    for name, text in tracked_text():
        for prefix, extras in re.findall(r"([\w-]*)\bpredictor\[([a-z,]+)\]", text):
            assert prefix == "downstream-", f"{name}: {prefix}predictor[{extras}]"
            assert set(extras.split(",")) <= known, f"{name}: predictor[{extras}]"


def test_hints_of_the_code_come_from_one_place():
    for name, text in tracked_text():
        if name.startswith("predictor/") and name != "predictor/distribution.py":
            assert "pip install" not in text, name


def test_every_extra_has_a_hint():
    assert PROJECT["name"] == DISTRIBUTION
    assert set(get_args(Extra)) == set(PROJECT["optional-dependencies"]) - {"dev", "docs"}
    assert install_command("serve") == "pip install 'downstream-predictor[serve]'"
