"""Metadata and CI definitions agree with each other and with what is there."""

import re
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
WORKFLOWS = {path.stem: yaml.safe_load(path.read_text()) for path in (ROOT / ".github" / "workflows").glob("*.yml")}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def steps():
    for workflow in WORKFLOWS.values():
        for job in workflow["jobs"].values():
            yield from (step["run"] for step in job["steps"] if "run" in step)


def test_ci_tests_every_python_that_the_metadata_names():
    named = {line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)}
    assert set(WORKFLOWS["tests"]["jobs"]["tests"]["strategy"]["matrix"]["python"]) == named
    assert PROJECT["requires-python"] == f">={min(named, key=lambda version: int(version.split('.')[1]))}"


def test_what_workflows_run_is_there():
    targets = set(re.findall(r"^([\w-]+):", MAKEFILE, re.MULTILINE))
    for command in steps():
        assert set(re.findall(r"\bmake (\w[\w-]*)", command)) <= targets
        for script in re.findall(r"\bcontainers/\S+\.sh\b", command):
            assert (ROOT / script).stat().st_mode & 0o111, script
        for extra in re.findall(r"'\.\[([\w,]+)\]'", command):
            assert set(extra.split(",")) <= set(PROJECT["optional-dependencies"])


def test_citation_names_the_released_version_and_licence():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert (citation["version"], citation["license"]) == (PROJECT["version"], PROJECT["license"])
    # The fields that the Citation File Format 1.2.0 requires.
    assert citation.keys() >= {"authors", "cff-version", "message", "title"}


def test_the_changelog_has_a_section_for_the_version():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## \[?{re.escape(PROJECT['version'])}\b", text, re.MULTILINE)


def test_pinned_versions_are_allowed_by_the_metadata():
    from packaging.requirements import Requirement

    allowed = {requirement.name: requirement for requirement in map(Requirement, PROJECT["dependencies"])}
    for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines():
        name, _, version = line.partition("==")
        if name in allowed:
            assert allowed[name].specifier.contains(version), line
