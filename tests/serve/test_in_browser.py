"""The served pages in a real browser."""

from pathlib import Path

import pandas as pd
import pytest

CHROMIUM = Path("/usr/bin/chromium")


@pytest.fixture
def page(address):
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is not installed")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        opened = browser.new_page(viewport={"width": 1200, "height": 800})
        troubles = []
        opened.on(
            "console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None
        )
        opened.on("pageerror", lambda error: troubles.append(str(error)))
        opened.on(
            "request", lambda one: None if one.url.startswith((address, "data:", "blob:")) else troubles.append(one.url)
        )
        yield opened
        browser.close()
        assert troubles == []


def test_from_the_runs_to_a_curve_and_a_forecast(page, address):
    page.goto(address)
    page.get_by_role("link", name="run-3e+09").click()
    assert page.locator("h1").inner_text() == "run-3e+09"
    page.get_by_role("link", name="medium").click()
    page.locator(".plot.drawn .main-svg").first.wait_for(timeout=20_000)
    page.get_by_role("link", name="Forecast", exact=True).click()
    page.get_by_label("Parameters").fill("13B")
    page.get_by_label("Training tokens").fill("520B")
    page.get_by_label("Benchmark").fill("medium")
    page.keyboard.press("Enter")
    page.locator(".plot.drawn .main-svg").first.wait_for(timeout=30_000)
    assert page.locator("tbody tr").count() == 1
    page.goto(f"{address}/progress")
    assert page.locator("[data-count=done]").inner_text() == "24"
    page.set_viewport_size({"width": 360, "height": 800})
    for path in ("/", "/runs/run-3e%2B09", "/benchmarks/medium", "/forecast", "/progress"):
        page.goto(address + path)
        assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0, path


def lines_shown(page):
    return page.locator(".plot .scatterlayer .js-line").count()


def test_sizes_are_toggled_and_a_page_follows_the_results(page, address, ladder_folder):
    page.goto(f"{address}/benchmarks/medium")
    page.locator(".plot.drawn .main-svg").first.wait_for(timeout=20_000)
    runs = lines_shown(page)
    colours = page.locator(".plot .scatterlayer .js-line").evaluate_all("all => all.map(one => one.style.stroke)")
    assert len(set(colours)) == runs > 2
    page.locator(".sizes .chip").first.click()
    page.wait_for_function(f"document.querySelectorAll('.plot .scatterlayer .js-line').length === {runs - 1}")
    page.evaluate("window.untouched = true")
    cell = page.locator("tbody td").last
    before = cell.inner_text()
    table = pd.read_parquet(ladder_folder / "evals.parquet")
    table.assign(value=0.9 * table["value"]).to_parquet(ladder_folder / "evals.parquet")
    page.wait_for_function(
        "was => [...document.querySelectorAll('tbody td')].at(-1).innerText !== was", arg=before, timeout=30_000
    )
    # The page was not loaded again, and what was hidden stays hidden.
    assert page.evaluate("window.untouched")
    assert page.locator(".sizes .chip").first.get_attribute("aria-pressed") == "false"
    assert lines_shown(page) == runs - 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(page, address, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page.emulate_media(color_scheme=scheme)
    for path in ("/", "/benchmarks/medium", "/runs/run-3e%2B09", "/progress", "/forecast", "/benchmarks"):
        page.goto(address + path)
        found = axe.Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        serious = [rule for rule in found if rule["impact"] in ("serious", "critical")]
        assert [(path, rule["id"], rule["nodes"][0]["html"][:100]) for rule in serious] == []
