"""The generated reference has every command, option and key, and the site every page."""

import importlib
import re
import sys
from pathlib import Path

import click
import pytest
import yaml

from predictor.cli.app import app
from predictor.project import Project

ROOT = Path(__file__).parents[2]
pytest.importorskip("mkdocs", reason="mkdocs is not installed: pip install -e '.[dev]'")
sys.path.insert(0, str(ROOT / "docs" / "site"))
commands, settings, hooks = (importlib.import_module(name) for name in ("commands", "settings", "hooks"))


class Plain(yaml.SafeLoader):
    """Reads mkdocs.yml, whose tags name Python objects, as plain values."""


Plain.add_multi_constructor("tag:yaml.org,2002:python/", lambda loader, suffix, node: None)
SITE = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader=Plain)


def sections(page):
    """Split a page at its headings: heading -> text."""
    parts = re.split(r"^#+ (.*)$", page, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def leaves(group, words=("predictor",)):
    for name, command in group.commands.items() if hasattr(group, "commands") and group.commands else []:
        yield (*words, name), command
        yield from leaves(command, (*words, name))


def all_commands():
    for name in app.list_commands(click.Context(app)):
        command = app.get_command(click.Context(app), name)
        yield ("predictor", name), command
        yield from leaves(command, ("predictor", name))


def test_every_command_has_a_section_with_every_flag_it_takes():
    page = sections(commands.command_reference())
    for words, command in all_commands():
        if command.hidden:
            continue
        text = page[" ".join(words)]
        for parameter in command.params:
            for flag in parameter.opts if isinstance(parameter, click.Option) and not parameter.hidden else ():
                assert f"`{flag}`" in text, f"{' '.join(words)} {flag}"


@pytest.mark.parametrize(
    ("command", "row"),
    [
        ("predictor demo", "| `--out` | DIR | `demo` | Folder for the store and the report. |"),
        ("predictor laws fit", "`covariance`, `profile`, `wild`, `runs`, `pairs` | `covariance` |"),
        ("predictor backup", "| `--to` | PATH | required | The folder of the backup. |"),
    ],
)
def test_options_are_shown_with_value_default_and_meaning(command, row):
    assert row in sections(commands.command_reference())[command]


def test_every_key_of_checkpoints_yaml_is_in_both_references():
    generated = settings.settings_reference()
    by_hand = (ROOT / "docs" / "config.md").read_text(encoding="utf-8")
    for _, model in settings.sections(Project, ""):
        for key in settings.keys(model):
            assert f"| `{key}` |" in generated
            if model.__name__ in ("Project", "Family", "Run", "Target", "Scoring"):
                assert re.search(rf"`[^`]*\b{key}\b[^`]*`", by_hand), f"docs/config.md does not name {key}"


def test_keys_are_shown_with_type_default_and_meaning():
    generated = settings.settings_reference()
    assert (
        "| `settle_seconds` | number | `60.0` | a checkpoint with a younger file is still being written. |" in generated
    )
    assert "| `backend` | `tree`, `hf`, `vllm` | `tree` |" in generated
    assert "| `lease` | seconds, or a time such as `10m` | `120.0` |" in generated


def navigation(entries):
    for entry in entries:
        for value in entry.values():
            if isinstance(value, list):
                yield from navigation(value)
            else:
                yield value


def test_every_page_is_in_the_navigation_once():
    listed = list(navigation(SITE["nav"]))
    assert len(listed) == len(set(listed))
    written = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    generated = {"index.md", "reference/commands.md", "reference/settings.md", *map(hooks.api_page, hooks.PACKAGES)}
    assert {page for page in listed if not page.startswith("repository/")} == written | generated


def test_links_out_of_the_docs_lead_to_the_copies_on_the_site():
    link = "forecast.md"
    assert hooks.in_repository(link, "../predictor/benchmarks/metrics.csv") == "predictor/benchmarks/metrics.csv"
    assert hooks.place_of("predictor/benchmarks/metrics.csv") == "repository/predictor/benchmarks/metrics.csv"
    assert hooks.in_repository("index.md", "docs/forecast.md") == "docs/forecast.md"
    assert hooks.place_of("docs/forecast.md") == "forecast.md"
    assert hooks.in_repository("repository/CONTRIBUTING.md", "docs/forecast.md") == "docs/forecast.md"
    assert hooks.in_repository(link, "https://arxiv.org/abs/2404.10102") is None
