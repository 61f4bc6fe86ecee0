"""Hooks of mkdocs: pages that are generated, and files of the repository that pages link to."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from commands import command_reference
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page
from settings import settings_reference

ROOT = Path(__file__).parents[2]
# Files outside docs/ that are pages or downloads of the site, by their place on it.
README, HOME = "README.md", "index.md"
# Page of the API reference -> package whose `__all__` it documents, in the order of the data.
PACKAGES = {
    "predictor": "the names of everyday use",
    "predictor.project": "checkpoints.yaml",
    "predictor.results": "scores, items and where they are kept",
    "predictor.benchmarks": "what is known of a benchmark",
    "predictor.evaluation": "scoring checkpoints",
    "predictor.evaluation.scoring": "the scorer",
    "predictor.laws": "formulas",
    "predictor.fitting": "fits and intervals",
    "predictor.statistics": "what scores mean",
    "predictor.difficulty": "items",
    "predictor.forecasting": "forecasts",
    "predictor.forecasting.trajectory": "runs in training",
    "predictor.forecasting.register": "registered forecasts",
    "predictor.decisions": "choosing, planning, ranking",
    "predictor.report": "reports",
    "predictor.errors": "every error a user can cause",
}
_LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the generated pages, and every file of the repository that a page links to."""
    generated = {"reference/commands.md": command_reference(), "reference/settings.md": settings_reference()}
    generated |= {api_page(package): _api(package, about) for package, about in PACKAGES.items()}
    generated[HOME] = (ROOT / README).read_text(encoding="utf-8")
    for place, text in generated.items():
        files.append(File.generated(config, place, content=text))
    pages = [(file.src_uri, file.content_string) for file in files.documentation_pages()]
    for path in sorted({path for place, text in pages for path in outside(place, text)}):
        files.append(File.generated(config, place_of(path), abs_src_path=str(ROOT / path)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files of the repository to where they are on the site."""
    here = posixpath.dirname(page.file.src_uri)

    def lead(match: re.Match[str]) -> str:
        path = in_repository(page.file.src_uri, match[1])
        return match[1] if path is None else posixpath.relpath(place_of(path), here or ".")

    return _LINK.sub(lead, markdown)


def api_page(package: str) -> str:
    """Return the place of a package's page in the API reference."""
    return f"reference/api/{package}.md"


def outside(place: str, text: str) -> Iterator[str]:
    """Yield the files outside docs/ that a page links to, relative to the repository."""
    for link in _LINK.findall(text):
        path = in_repository(place, link)
        if path is not None and not path.startswith("docs/") and path != README and (ROOT / path).is_file():
            yield path


def in_repository(place: str, link: str) -> str | None:
    """Return the file that a link of a page names, relative to the repository; None where it is on the web."""
    if "://" in link or link.startswith("mailto:"):
        return None
    # The README is the home page, and a page that is taken over stays where the repository has it.
    origin = README if place == HOME else place.removeprefix("repository/") if _taken_over(place) else f"docs/{place}"
    return posixpath.normpath(posixpath.join(posixpath.dirname(origin), link))


def place_of(path: str) -> str:
    """Return where a file of the repository is on the site."""
    if path == README:
        return HOME
    return path.removeprefix("docs/") if path.startswith("docs/") else f"repository/{path}"


def _taken_over(place: str) -> bool:
    return place.startswith("repository/")


def _api(package: str, about: str) -> str:
    return f"# {package}\n\n{about[0].upper()}{about[1:]}.\n\n::: {package}\n"
