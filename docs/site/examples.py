"""Run the commands that pages show with their output, and compare or rewrite that output.

python docs/site/examples.py            # names the examples whose output has changed
python docs/site/examples.py --write    # writes the new output into the pages

An example is a block of the language `console` that begins with `$ predictor ...`. It runs 80 columns wide in an empty
folder with the repository's `examples` beside it; what it prints on standard output is what the page shows.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"```console\n\$ (predictor (?:.*\\\n)*.*)\n((?:(?!```).*\n)*)```")


_NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[+-]?\d+)?")


@dataclass(frozen=True)
class Example:
    """A command on a page, with the output that the page shows.

    Attributes:
        page: the file.
        command: the command line, continued lines joined.
        shown: its output on the page.
    """

    page: Path
    command: str
    shown: str


def pages() -> list[Path]:
    """Return every page of the documentation, the README among them."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def examples() -> Iterator[Example]:
    """Yield the examples of all pages."""
    for page in pages():
        for command, shown in _BLOCK.findall(page.read_text(encoding="utf-8")):
            yield Example(page, command.replace("\\\n", " "), shown)


def output_of(command: str) -> str:
    """Run a command line of predictor and return its standard output without trailing spaces.

    Raises:
        subprocess.CalledProcessError: it ended with another code than 0.
    """
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "examples").symlink_to(ROOT / "examples")
        program = {"PYTHONPATH": str(ROOT), "PREDICTOR": f"{sys.executable} -m predictor"}
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", re.sub(r"^predictor\b", "$PREDICTOR", command)],
            cwd=folder,
            env=os.environ | program | {"COLUMNS": "80"},
            capture_output=True,
            text=True,
            check=True,
        )
    return "\n".join(line.rstrip() for line in done.stdout.strip("\n").splitlines()) + "\n"


def agrees(shown: str, printed: str) -> bool:
    """Return whether two outputs say the same: equal words, and numbers within 3 or a tenth of each other.

    Processors round differently, and a forecast moves a little whenever a method does; a page need not follow at once.
    """
    words, numbers = _parts(shown)
    other_words, other_numbers = _parts(printed)
    return words == other_words and all(
        abs(number - other) <= max(3.0, 0.1 * abs(other)) for number, other in zip(numbers, other_numbers, strict=True)
    )


def _parts(text: str) -> tuple[str, list[float]]:
    numbers = [float(number) for number in _NUMBER.findall(text)]
    return " ".join(_NUMBER.sub("#", text).split()), numbers


def rewrite(page: Path) -> bool:
    """Run the examples of a page and write their output into it; return whether it changed."""
    before = page.read_text(encoding="utf-8")

    def renew(match: re.Match[str]) -> str:
        return f"```console\n$ {match[1]}\n{output_of(match[1])}```"

    after = _BLOCK.sub(renew, before)
    page.write_text(after, encoding="utf-8")
    return after != before


def main() -> None:
    """Compare, or rewrite with --write; exit with 1 where an output differs."""
    if "--write" in sys.argv[1:]:
        for page in pages():
            if rewrite(page):
                print(f"rewrote {page.relative_to(ROOT)}")
        return
    stale = [example for example in examples() if not agrees(example.shown, output_of(example.command))]
    for example in stale:
        print(f"{example.page.relative_to(ROOT)}: the output of '{example.command}' has changed")
    sys.exit(bool(stale))


if __name__ == "__main__":
    main()
