"""What pages show as the output of a command is what the command prints."""

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "docs" / "site"))
examples = importlib.import_module("examples")
SHOWN = list(examples.examples())


@pytest.mark.parametrize("example", SHOWN, ids=[f"{shown.page.name}: {shown.command[:60]}" for shown in SHOWN])
def test_the_output_on_a_page_is_what_its_command_prints(example):
    printed = examples.output_of(example.command)
    assert examples.agrees(example.shown, printed), f"run `make examples` and read what has changed:\n{printed}"


def test_a_page_may_lag_behind_by_a_point_but_not_by_a_word_or_by_ten_points():
    assert examples.agrees("score 85.6 %, grade E", "score   84.9 %, grade E")
    assert not examples.agrees("score 85.6 %, grade E", "score 85.6 %, grade D")
    assert not examples.agrees("score 85.6 %", "score 75.2 %")


def test_outputs_are_found_and_replaced(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("before\n```console\n$ predictor --version | wc -l\nwrong\n```\nafter\n")
    assert examples.rewrite(page)
    assert page.read_text() == "before\n```console\n$ predictor --version | wc -l\n1\n```\nafter\n"
    assert not examples.rewrite(page)
