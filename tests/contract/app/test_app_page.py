"""What a visitor sees: the page in Debian's Chromium, with a storage that goes and comes back."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from acceptance.app.browser import CHROMIUM, DRIVER, FLAGS
from acceptance.base.waiting import eventually
from tests.contract.app.app_processes import RedisServer, StorageServer
from tests.contract.app.web_app import WebApp

pytestmark = pytest.mark.contract

SEEN_SECONDS = 5.0  # the page asks each second


@pytest.fixture
def storage(redis: RedisServer) -> StorageServer:
    """One for all: the page sees only the web app, which is the same over HTTP with each."""
    return redis


class Page:
    """The page of the app in one browser window."""

    def __init__(self, browser: webdriver.Chrome, url: str) -> None:
        self.browser = browser
        self.url = url

    def open(self) -> None:
        self.browser.get(self.url)
        self.wait_connected()

    def wait_connected(self) -> None:
        eventually(lambda: self.shows("preloader"), is_=False, within=SEEN_SECONDS)

    def resize(self, width: int, height: int) -> None:
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def shows(self, element_id: str) -> bool:
        return self.browser.find_element(By.ID, element_id).is_displayed()

    def text(self, element_id: str) -> str:
        return self.browser.find_element(By.ID, element_id).text

    def log(self, kind: str) -> list[dict[str, Any]]:
        return list(self.browser.get_log(kind))  # type: ignore[no-untyped-call]

    def click(self, x: int, y: int) -> None:
        """Click in the sea, counted from its top left corner (it may be scrolled)."""
        sea = self.browser.find_element(By.ID, "holder")
        left, top = sea.rect["x"], sea.rect["y"]
        click = ActionBuilder(self.browser, duration=0)
        at = click.pointer_action.move_to_location(int(left) + x, int(top) + y)  # type: ignore[no-untyped-call]
        at.click()
        click.perform()

    def whales(self) -> list[tuple[int, int]]:
        """The centres of all whales as drawn, in the order of the document."""
        centres = self.browser.execute_script(
            """
            const sea = document.getElementById("holder").getBoundingClientRect();
            return [...document.querySelectorAll(".whale")].map((whale) => {
              const box = whale.getBoundingClientRect();
              return [box.left + box.width / 2 - sea.left, box.top + box.height / 2 - sea.top];
            });
            """
        )
        return [(round(x), round(y)) for x, y in centres]

    def wait_whales(self, expected: list[tuple[int, int]]) -> None:
        eventually(self.whales, is_=expected, within=SEEN_SECONDS)


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """One for all tests: it takes longer to start than a test. Each has an app at another port."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    for flag in FLAGS:
        options.add_argument(flag)
    options.add_argument(f"--user-data-dir={tmp_path_factory.mktemp('profile')}")
    options.add_argument("--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield browser
    finally:
        browser.quit()


@pytest.fixture
def page(browser: webdriver.Chrome, app: WebApp) -> Page:
    page = Page(browser, app.url)
    browser.get("about:blank")
    for kind in ("performance", "browser"):
        page.log(kind)  # of the test before
    page.resize(1280, 800)
    page.open()
    return page


def test_a_click_places_a_whale_just_there(page: Page, app: WebApp) -> None:
    assert page.shows("clickmessage")
    assert (page.text("count"), page.text("node")) == ("0 whales", "served by node7")

    page.click(200, 150)
    page.wait_whales([(200, 150)])
    assert not page.shows("clickmessage")
    assert page.text("count") == "1 whale"

    page.click(640, 370)  # where the message was
    page.click(205, 155)  # on the first whale
    page.click(0, 0)
    placed = [(200, 150), (640, 370), (205, 155), (0, 0)]
    eventually(lambda: len(page.whales()), is_=4, within=SEEN_SECONDS)
    assert sorted(page.whales()) == sorted(placed), "answers may cross, places may not"
    assert sorted(app.whales()) == sorted(f"{x}:{y}" for x, y in placed)

    page.browser.refresh()
    page.wait_whales([(int(x), int(y)) for x, y in (whale.split(":") for whale in app.whales())])


def test_the_page_asks_nobody_else_and_reports_no_error(page: Page) -> None:
    page.click(200, 150)
    page.wait_whales([(200, 150)])
    events = [json.loads(entry["message"])["message"] for entry in page.log("performance")]
    asked = {
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
    assert f"{page.url}/v1/whales" in asked
    # chrome: is the empty tab Chromium starts with.
    strangers = {url for url in asked if not url.startswith((page.url, "data:", "chrome:"))}
    assert strangers == set()
    assert page.log("browser") == []


def test_whales_of_others_appear_without_reload(page: Page, app: WebApp) -> None:
    page.click(200, 150)
    page.wait_whales([(200, 150)])
    app.post("300:300")
    page.wait_whales([(200, 150), (300, 300)])
    assert page.text("count") == "2 whales"


def test_the_page_waits_for_redis_and_goes_on_without_reload(
    page: Page, app: WebApp, redis: RedisServer
) -> None:
    page.click(200, 150)
    page.wait_whales([(200, 150)])
    page.browser.execute_script("window.loadedOnce = true")

    redis.stop()
    eventually(lambda: page.shows("preloader"), is_=True, within=SEEN_SECONDS)
    page.click(400, 400)
    redis.start()
    app.post("500:300")

    page.wait_connected()
    page.wait_whales([(200, 150), (500, 300)])
    assert app.whales() == ["200:150", "500:300"], "a click while Redis is away is ignored"
    assert page.browser.execute_script("return window.loadedOnce"), "the page was reloaded"


def test_the_page_waits_for_the_app_too(page: Page, app: WebApp) -> None:
    page.click(200, 150)
    page.wait_whales([(200, 150)])
    app.stop()
    eventually(lambda: page.shows("preloader"), is_=True, within=SEEN_SECONDS)
    app.start()
    page.wait_connected()
    page.wait_whales([(200, 150)])


def test_other_data_replaces_what_was_shown(page: Page, redis: RedisServer) -> None:
    page.click(200, 150)
    page.wait_whales([(200, 150)])
    redis.forget()
    page.wait_whales([])
    assert page.shows("clickmessage")
    redis.put("10:10", "20:20")
    page.wait_whales([(10, 10), (20, 20)])


def test_a_whale_counts_only_once_it_is_saved(page: Page, redis: RedisServer) -> None:
    redis.send(signal.SIGSTOP)
    try:
        page.click(200, 150)
        ghosts = page.browser.find_elements(By.CLASS_NAME, "ghost")
        assert (len(ghosts), page.whales()) == (1, [])
        assert not page.shows("clickmessage")
    finally:
        redis.send(signal.SIGCONT)
    page.wait_whales([(200, 150)])
    assert page.browser.find_elements(By.CLASS_NAME, "ghost") == []


def test_a_whale_that_is_refused_leaves_with_a_message(page: Page, redis: RedisServer) -> None:
    redis.refuse()
    page.click(200, 150)
    eventually(lambda: page.shows("notice"), is_=True, within=SEEN_SECONDS)
    assert page.text("notice").startswith(
        "This whale swam away: Redis did not save the whale: its log"
    )
    assert page.whales() == []
    assert page.browser.find_elements(By.CLASS_NAME, "ghost") == []
    eventually(lambda: page.shows("notice"), is_=False, within=2 * SEEN_SECONDS)
    assert page.shows("clickmessage")


def test_whales_can_be_placed_with_the_keyboard(page: Page, app: WebApp) -> None:
    page.browser.find_element(By.ID, "add").send_keys(Keys.ENTER)
    eventually(lambda: len(page.whales()), is_=1, within=SEEN_SECONDS)
    assert [f"{x}:{y}" for x, y in page.whales()] == app.whales()


def test_a_small_window_scrolls_to_whales_of_a_large_one(page: Page, app: WebApp) -> None:
    app.post("1200:700")
    page.resize(390, 844)
    page.wait_whales([(1200, 700)])
    page.browser.execute_script("document.getElementById('scroller').scrollTo(1000, 0)")
    corner = page.browser.find_element(By.ID, "scroller").rect
    page.click(1010, 300)
    page.wait_whales([(1200, 700), (1010, 300)])
    assert corner["x"] + corner["width"] == 390, "the page itself is not wider than the window"
