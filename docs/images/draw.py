"""Draw the README's picture: one figure of the demo's report, as a browser shows it.

predictor demo
python docs/images/draw.py demo/report.html tiny_facts docs/images/forecast.png
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright


def draw(report: Path, task: str, picture: Path) -> None:
    """Photograph the figure of one task in a report."""
    with sync_playwright() as play:
        browser = play.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"])
        page = browser.new_page(viewport={"width": 1500, "height": 900}, device_scale_factor=1.5, color_scheme="light")
        page.goto(report.resolve().as_uri())
        figure = page.locator("article", has=page.locator(".task").get_by_text(task, exact=True))
        figure.scroll_into_view_if_needed()
        figure.locator(".main-svg").first.wait_for()
        figure.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    draw(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
