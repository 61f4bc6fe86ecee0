"""The report in a real browser, from a file, with nothing to reach."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from known_ladder import PARAMS, TOKENS

from predictor.forecasting import Forecaster, fit_forecaster
from predictor.report import write_report
from predictor.results import read_results

TESTBED = Path(__file__).parents[2].parent / "shared" / "testbeds" / "pythia"


@pytest.fixture(scope="module")
def report(forecaster: Forecaster, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_report(forecaster, PARAMS, TOKENS, tmp_path_factory.mktemp("browser") / "report.html")


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Open a file; at the end, complain of any console error and of any request but for the file itself."""
    opened = []

    def open_file(path: Path, width: int = 1280, **context: Any) -> Any:
        page = browser.new_page(viewport={"width": width, "height": 800}, **context)
        troubles: list[str] = []
        page.on(
            "console", lambda message: troubles.append(message.text) if message.type in ("error", "warning") else None
        )
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("dialog", lambda dialog: troubles.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: None if request.url == path.as_uri() else troubles.append(request.url))
        page.goto(path.as_uri())
        opened.append((page, troubles))
        return page

    yield open_file
    for page, troubles in opened:
        page.close()
        assert troubles == []


def names(page: Any) -> list[str]:
    return page.locator("#firm-table tbody tr:visible .name a").all_inner_texts()


def see_first_figure(page: Any) -> None:
    page.locator("#figures").evaluate("one => one.scrollIntoView()")
    page.locator("#benchmark-1 .plot.drawn .main-svg").first.wait_for(timeout=20_000)


def serious(found: Any) -> list[str]:
    return [
        f"{rule['id']}: {rule['nodes'][0]['html'][:120]}"
        for rule in found.response["violations"]
        if rule["impact"] in ("serious", "critical")
    ]


def overflow(page: Any) -> int:
    return page.evaluate("document.documentElement.scrollWidth - window.innerWidth")


def test_figures_are_drawn_once_they_come_into_view(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report)
    last = page.locator(".plot").last
    see_first_figure(page)
    assert "drawn" not in last.get_attribute("class")
    last.scroll_into_view_if_needed()
    last.locator(".main-svg").first.wait_for(timeout=20_000)
    assert "drawn" in last.get_attribute("class")


def test_a_point_tells_its_run(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report)
    page.locator("#benchmark-1").scroll_into_view_if_needed()
    page.locator("#benchmark-1 .points path.point").first.wait_for(state="attached", timeout=20_000)
    page.evaluate("Plotly.Fx.hover(document.querySelector('#benchmark-1 .plot'), [{curveNumber: 3, pointNumber: 0}])")
    told = page.locator("#benchmark-1 .hoverlayer").text_content()
    assert "run-0" in told
    assert "10M parameters, 200M tokens" in told


def test_no_button_of_a_figure_uploads_it(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report)
    see_first_figure(page)
    titles = page.locator(".modebar-btn").evaluate_all("all => all.map(one => one.dataset.title)")
    assert titles
    assert not [title for title in titles if "share" in title.lower() or "cloud" in title.lower()]


def test_filtering_by_text_hides_the_other_rows_and_figures(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report)
    assert len(names(page)) == 9
    page.get_by_label("Filter").fill("rising_3")
    assert names(page) == ["rising_3"]
    assert page.locator(".figures article:visible").count() == 1
    assert page.get_by_role("status").inner_text() == "1 of 10 shown"


def test_filtering_by_grade_opens_what_was_folded(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report)
    page.locator('.chip[data-grade="F"]').click()
    assert names(page) == []
    assert page.locator("#unsure-table tbody tr:visible .name a").all_inner_texts() == ["flat"]
    assert page.locator('.chip[data-grade="F"]').get_attribute("aria-pressed") == "true"


def test_sorting_by_column_with_the_keyboard(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report)
    button = page.locator("#firm-table").get_by_role("button", name="Forecast")
    button.focus()
    page.keyboard.press("Enter")
    values = [float(text.rstrip("%")) for text in page.locator("#firm-table td.median").all_inner_texts()]
    assert values == sorted(values, reverse=True)
    assert page.locator("#firm-table th[aria-sort]").get_attribute("aria-sort") == "descending"
    page.keyboard.press("Enter")
    assert page.locator("#firm-table th[aria-sort]").get_attribute("aria-sort") == "ascending"


def test_a_phone_never_scrolls_sideways(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report, width=360, has_touch=True, is_mobile=True)
    assert overflow(page) <= 0
    page.locator("#firm-table .name a").first.click()
    page.locator("#figures .plot.drawn .main-svg").first.wait_for(timeout=20_000)
    page.locator("#made summary").first.click()
    assert overflow(page) <= 0
    page.get_by_label("Sort by").select_option("name")
    assert names(page) == sorted(names(page))


def test_a_phone_shows_the_verdict_first_and_stays_short(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report, width=390, has_touch=True, is_mobile=True)
    assert page.evaluate("document.documentElement.scrollHeight") < 6000
    assert page.locator("#verdict").bounding_box()["y"] < 200
    assert page.locator("#firm-table tbody tr:visible").count() == 6
    page.get_by_role("button", name="Show all 9").click()
    assert page.locator("#firm-table tbody tr:visible").count() == 9


def test_every_part_opens_from_the_list_of_parts(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report, width=390, has_touch=True, is_mobile=True)
    for link in page.locator("header nav a").all():
        part = page.locator(link.get_attribute("href"))
        link.click()
        shut = part.locator(":scope > details").first
        assert shut.count() == 0 or shut.get_attribute("open") is not None, link.inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious(open_page: Callable[..., Any], report: Path, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe-playwright-python is not installed")
    page = open_page(report, color_scheme=scheme)
    see_first_figure(page)
    assert serious(axe.Axe().run(page, options={"resultTypes": ["violations"]})) == []


def test_figures_follow_the_colour_scheme(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report, color_scheme="dark")
    see_first_figure(page)
    curve = "#benchmark-1 .scatterlayer .js-line[style*='{}']"
    page.locator(curve.format("86, 180, 233")).wait_for(state="attached")
    page.emulate_media(color_scheme="light")
    page.locator(curve.format("0, 114, 178")).wait_for(state="attached")


def test_what_if_shows_the_forecast_of_the_other_target(
    open_page: Callable[..., Any], report: Path, forecaster: Forecaster
) -> None:
    page = open_page(report)
    assert not page.get_by_label("Tokens").is_visible()
    page.locator("#what-if > summary").click()
    page.get_by_label("Tokens").select_option("3")
    first = page.locator("#what-if-table tbody tr").first
    task = first.locator("a").inner_text()
    known = next(one for one in forecaster.predict(PARAMS, 2 * TOKENS).forecasts if one.task == task)
    assert first.locator("[data-part=then]").inner_text() == f"{100 * known.median:.1f}%"
    assert "(2×)" in page.locator("#what-if-told").inner_text()


def test_every_figure_has_its_numbers_as_text(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report)
    described = page.locator(".figures figure").evaluate_all(
        "all => all.map(one => document.getElementById(one.getAttribute('aria-describedby')).textContent)"
    )
    assert len(described) == 10
    assert all("95%" in text for text in described)


def test_printing_draws_figures_that_were_never_seen(open_page: Callable[..., Any], report: Path) -> None:
    page = open_page(report, color_scheme="dark")
    see_first_figure(page)
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert page.locator(".plot.drawn").count() == 12
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    see_first_figure(page)
    assert page.locator(".plot.drawn").count() < 12


@pytest.mark.skipif(not TESTBED.exists(), reason="the published Pythia scores are not beside this checkout")
def test_a_hundred_and_fifty_published_benchmarks_open_at_once(open_page: Callable[..., Any], tmp_path: Path) -> None:
    forecaster = fit_forecaster(read_results(TESTBED), family="pythia", resamples=10)
    path = write_report(forecaster, 6.9e9, 3e11, tmp_path / "report.html")
    assert path.stat().st_size < 5e6
    page = open_page(path)
    ready = page.evaluate("performance.getEntriesByType('navigation')[0].loadEventEnd")
    assert ready < 2000
    assert page.locator("table.forecasts tbody tr").count() > 150
    assert overflow(page) <= 0
