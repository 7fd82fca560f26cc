"""The page of a random run in a real browser: on any screen, and with the keyboard."""

from __future__ import annotations

from pathlib import Path

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from judge.results import keep
from report.allure import install
from report.offline import external_loads
from tests.contract.report.chromium import Chromium
from tests.unit.judge.pages import busy

pytestmark = pytest.mark.contract


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("build")
    install(folder / "npm.log")
    _, kept = keep(busy(), folder)
    return kept / "index.html"


def test_it_opens_from_disk_and_loads_nothing(page: Path, browser: Chromium) -> None:
    browser.show(page)
    assert external_loads(page.read_text()) == []
    assert browser.asked_elsewhere() == []
    assert browser.complaints() == []


def test_it_says_the_verdict_the_seed_and_why(page: Path, browser: Chromium) -> None:
    browser.show(page)
    assert browser.run("return document.querySelector('h1').innerText") == "✗ Violation, seed 1"
    reasons = browser.run("return document.querySelector('.findings').innerText")
    assert "volume 'a', node3, writer r3, line 1: wrote while r2 on node2 did" in reasons


def test_each_volume_has_a_lane_for_each_node(page: Path, browser: Chromium) -> None:
    browser.show(page)
    lanes = browser.run(
        "return [...document.querySelectorAll('.nodes')].map(each => each.innerText.split('\\n'))"
    )
    assert lanes == [["node1", "node2", "node3"]] * 2


def test_what_was_drawn_is_within_the_picture(seen: Chromium) -> None:
    outside = seen.run(
        "return [...document.querySelectorAll('.time > svg')].flatMap(picture => {"
        "  const all = picture.getBoundingClientRect();"
        "  return [...picture.querySelectorAll('rect, circle')].filter(each => {"
        "    const box = each.getBoundingClientRect();"
        "    return box.left < all.left - 5 || box.right > all.right + 5 || box.width === 0;"
        "  }).map(each => each.outerHTML);"
        "})"
    )
    assert outside == []


def test_nothing_sticks_out_of_the_screen(seen: Chromium) -> None:
    width = "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    assert seen.run(f"return {width}") == 0


def test_axe_finds_nothing_serious(seen: Chromium) -> None:
    assert seen.serious_findings() == []


def test_time_is_stretched_around_the_middle_and_back(seen: Chromium) -> None:
    def width() -> float:
        return float(seen.run("return document.querySelector('.time > svg').clientWidth"))

    def middle() -> float:
        return float(
            seen.run(
                "const view = document.querySelectorAll('.time')[1];"
                "return (view.scrollLeft + view.clientWidth / 2) / view.scrollWidth"
            )
        )

    whole = width()
    for _ in range(3):
        seen.run("document.querySelector('[data-zoom=\"2\"]').click()")
    assert width() == pytest.approx(8 * whole, abs=8)
    assert middle() == pytest.approx(0.5, abs=0.01)
    assert seen.run("return document.querySelector('output').innerText") == "8 times"
    seen.run("document.querySelector('[data-zoom=\"0\"]').click()")
    assert width() == whole


def test_the_keyboard_stretches_time(page: Path, browser: Chromium) -> None:
    browser.show(page)
    browser.run("document.querySelector('[data-zoom=\"2\"]').focus()")
    ActionChains(browser.driver, duration=0).send_keys(Keys.ENTER).perform()
    assert browser.run("return document.querySelector('output').innerText") == "2 times"
