"""The units, the CronJob and the crontab line of docs/cluster.md are what systemd, Kubernetes and we can read."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import click
import pytest
import yaml

from predictor.cli.app import app

PAGE = (Path(__file__).parents[2] / "docs" / "cluster.md").read_text(encoding="utf-8")
UNITS = ("predictor.service", "predictor-once.timer", "predictor-once.service")


def of_docs(language):
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


def parse(words):
    """Parse a command line of ours as far as its options go; gives the option values."""
    name, *arguments = words
    assert name == "evaluate"
    command = app.get_command(click.Context(app), name)
    return command.make_context(name, arguments).params


def test_systemd_finds_nothing_wrong_with_the_units(tmp_path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("not installed: systemd-analyze")
    # The program and the user have to be there for systemd to be content.
    here = {"/project/tools/predictor/bin/predictor": sys.executable, "User=ladder": "User=root"}
    texts = of_docs("ini")
    assert len(texts) == len(UNITS)
    for name, text in zip(UNITS, texts, strict=True):
        for there, replacement in here.items():
            text = text.replace(there, replacement)
        (tmp_path / name).write_text(text)
    command = ["systemd-analyze", "verify", "--recursive-errors=no", *(str(tmp_path / name) for name in UNITS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_commands_in_units_cronjob_and_crontab_are_commands_of_ours():
    starts = re.findall(r"^ExecStart=\S+/predictor (.*)$", PAGE, re.MULTILINE)
    assert [parse(shlex.split(line))["watching"] for line in starts] == [True, False]
    (cron,) = (yaml.safe_load(text) for text in of_docs("yaml") if "kind: CronJob" in text)
    pod = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    program, *words = pod["containers"][0]["args"]
    assert program == "predictor"
    assert parse(words)["once"]
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"
    assert {mount["name"] for mount in pod["containers"][0]["volumeMounts"]} == {one["name"] for one in pod["volumes"]}
    (line,) = re.findall(r"^\S+ \* \* \* \*  cd \S+ && \S+/predictor (.*?) >>", PAGE, re.MULTILINE)
    assert parse(shlex.split(line))["once"]
