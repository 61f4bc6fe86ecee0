"""The served pages in a real browser."""

from pathlib import Path

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
