"""The first page in a real browser: what a reader finds, on any screen and with the keyboard."""

from __future__ import annotations

import json
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from acceptance.base.waiting import eventually, eventually_true
from judge.drivers import matrix
from judge.drivers.behaviours import BEHAVIOURS
from judge.drivers.verdicts import BehaviourVerdict, Verdict
from judge.results import keep
from report.build import write_report
from report.offline import external_loads
from report.trend import Run, remember
from tests.contract.report.chromium import Chromium
from tests.contract.report.played import play
from tests.unit.judge.pages import busy

pytestmark = pytest.mark.contract

PLAYED_SECONDS = 60  # for a recording of ten
AT = "2026-11-28T12:00:00+00:00"
FINDINGS = {  # every verdict, in turn
    each.number: BehaviourVerdict([*Verdict][each.number % len(Verdict)], "the reason for that")
    for each in BEHAVIOURS
}
ANSWERS = {
    "What is promised?": "An app moves to another server with all its data.",
    "Is it true today?": "No",
    "How long is the app away during a move?": "3.1 s",
    "What is lost when a server dies?": "Up to the last 1.1 s of writes in this run",
    "What was not tried?": "1 promise of 5",
}


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of the second of two runs: one promise is broken, another was not tried."""
    project = play(tmp_path_factory.mktemp("project"))
    build = project / "build"
    remember(Run(1, 4, 0, 1, {}), build / "runs.jsonl")
    (build / "environment.json").write_text(json.dumps({"Provider": "docker"}))
    (build / "junit" / "unit.xml").write_text(
        '<testsuite><testcase classname="a" name="b"/></testsuite>'
    )
    for name in ("flocker", "local", "rclone", "rclone-shared"):
        matrix.add(build / "drivers.json", name, matrix.column(name, AT, FINDINGS))
    keep(busy(), build)
    return write_report(project)


def test_the_five_questions_are_answered_at_the_top(page: Path, browser: Chromium) -> None:
    browser.show(page)
    found = browser.run(
        "return [...document.querySelectorAll('.answers > div')].map("
        "  card => [card.querySelector('dt').innerText, card.querySelector('.short').innerText])"
    )
    assert [question for question, _ in found] == list(ANSWERS)  # in this order
    assert dict(found) == ANSWERS
    assert "1 of 4 promises" in browser.run("return document.querySelector('h1').innerText")


def test_it_loads_nothing_and_has_nothing_to_complain_about(page: Path, browser: Chromium) -> None:
    browser.show(page)
    assert external_loads(page.read_text()) == []
    assert browser.asked_elsewhere() == []
    assert browser.complaints() == []


def test_it_opens_from_a_web_server_as_from_disk(page: Path, browser: Chromium) -> None:
    serve = partial(QuietHandler, directory=str(page.parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/"
        browser.show(address)
        link = browser.run("return document.querySelector('#story a').href")
        assert link.startswith(f"{address}allure/index.html#")
        browser.driver.get(link)
        eventually_true(
            lambda: str(browser.run("return document.body.innerText")),
            lambda text: "A visitor finds the same whales" in text,
            what="the scenario in Allure",
            within=30,
        )
        server.shutdown()
    asked = browser.asked_elsewhere()
    assert [url for url in asked if not url.startswith(address)] == []


class QuietHandler(SimpleHTTPRequestHandler):
    """Serves files, and prints nothing."""

    def log_message(self, *_: Any) -> None:
        """Say nothing of a request."""


def test_every_part_with_data_is_there(page: Path, browser: Chromium) -> None:
    browser.show(page)
    shown = browser.run("return [...document.querySelectorAll('section[id]')].map(each => each.id)")
    assert shown == ["story", "promises", "not-tried", "runs", "drivers", "random-runs"]


def test_the_story_is_played_with_the_keyboard(page: Path, browser: Chromium) -> None:
    browser.show(page)
    caption = "return document.getElementById('seen-caption').textContent"
    before, after = browser.run(
        "return [...document.querySelectorAll('.strip img')].map(p => p.src)"
    )
    assert before != after
    assert browser.run(caption) == "The visitor has not opened the app yet"
    browser.run("document.querySelector('#terminal .ap-playback-button').focus()")
    press(browser, Keys.ENTER)
    for seen, source in (("The page on node1", before), ("The page on node2", after)):
        eventually(lambda: browser.run(caption), is_=seen, within=PLAYED_SECONDS)
        assert browser.run("return document.getElementById('seen').src") == source
    assert browser.run("return document.getElementById('seen').naturalWidth") > 0
    eventually_true(
        lambda: str(browser.run("return document.getElementById('terminal').innerText")),
        lambda text: "The app was away for 3.1 s." in text,
        what="the end of the recording",
        within=PLAYED_SECONDS,
    )


def test_the_player_looks_like_a_terminal(page: Path, browser: Chromium) -> None:
    browser.show(page)
    style = "getComputedStyle(document.querySelector('#terminal .ap-term'))"
    assert "monospace" in browser.run(f"return {style}.fontFamily")
    assert browser.run(f"return {style}.position") == "relative"


def test_every_scenario_that_ran_links_to_itself_in_allure(page: Path, browser: Chromium) -> None:
    browser.show(page)
    links = browser.run(
        "return [...document.querySelectorAll('.trials a')].map("
        "  link => [link.textContent, link.getAttribute('href')])"
    )
    shown = json.loads((page.parent / "allure" / "test-results.json").read_text())["byId"]
    assert links
    for name, address in links:
        where, _, identity = address.partition("#")
        assert (page.parent / where).exists()
        assert shown[identity]["name"] == name


def test_every_driver_has_a_verdict_on_every_behaviour(page: Path, browser: Chromium) -> None:
    browser.show(page)
    shown = browser.run(
        "return [...document.querySelectorAll('#drivers tbody tr')].map("
        "  row => [...row.querySelectorAll('td .spoken')].map(each => each.textContent))"
    )
    assert shown == [[str(FINDINGS[each.number].verdict)] * 4 for each in BEHAVIOURS]


def test_the_matrix_of_four_drivers_fits_on_a_phone(page: Path, browser: Chromium) -> None:
    browser.show(page, width=360)
    hidden = browser.run(
        "const box = document.querySelector('#drivers .scroll');"
        "return box.scrollWidth - box.clientWidth"
    )
    assert hidden == 0


def test_a_random_run_links_to_its_page(page: Path, browser: Chromium) -> None:
    browser.show(page)
    browser.driver.get(browser.run("return document.querySelector('#random-runs a').href"))
    assert browser.run("return document.querySelector('h1').innerText") == "✗ Violation, seed 1"


def test_what_is_broken_is_open_with_its_reason(page: Path, browser: Chromium) -> None:
    browser.show(page)
    opened = browser.run(
        "return [...document.querySelectorAll('#promises details[open]')].map("
        "  promise => promise.innerText)"
    )
    assert len(opened) == 1
    assert "expected 'ledger' to be owned by node2, but it is not" in opened[0]


def test_nothing_sticks_out_of_the_screen(seen: Chromium) -> None:
    assert (
        seen.run(
            "return document.documentElement.scrollWidth - document.documentElement.clientWidth"
        )
        == 0
    )


def test_axe_finds_nothing_serious(seen: Chromium) -> None:
    seen.run("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert seen.serious_findings() == []


def test_the_keyboard_reaches_everything_and_shows_where_it_is(
    page: Path, browser: Chromium
) -> None:
    browser.show(page)
    press(browser, Keys.TAB)
    assert focused(browser, "textContent") == "Skip to the promises"
    assert focused(browser, "getBoundingClientRect().left") >= 0
    assert focused_outline(browser) >= 2
    press(browser, Keys.ENTER)
    assert browser.run("return location.hash") == "#promises"
    press(browser, Keys.TAB)
    assert focused(browser, "tagName") == "SUMMARY"
    assert focused_outline(browser) >= 2
    was_open = focused(browser, "parentElement.open")
    press(browser, Keys.SPACE)
    assert focused(browser, "parentElement.open") is not was_open


def press(browser: Chromium, key: str) -> None:
    ActionChains(browser.driver, duration=0).send_keys(key).perform()


def focused(browser: Chromium, what: str) -> Any:
    return browser.run(f"return document.activeElement.{what}")


def focused_outline(browser: Chromium) -> float:
    """The width of the line around the focused element, in CSS pixels."""
    width = browser.run("return getComputedStyle(document.activeElement).outlineWidth")
    return float(str(width).removesuffix("px"))
