"""A visitor's eyes and hands: Debian's Chromium, driven by Selenium."""

from __future__ import annotations

import math
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from selenium import webdriver
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By

from acceptance.base.speed import Limit
from host.problem import Problem

CHROMIUM = Path("/usr/bin/chromium")
DRIVER = Path("/usr/bin/chromedriver")
INSTALL = "apt-get install chromium chromium-driver"

WIDTH, HEIGHT = 1280, 800  # CSS pixels; a screenshot has as many
PAGE_SECONDS = 10

FLAGS = (
    "--headless=new",
    "--no-sandbox",  # the suite runs as root, where Chromium refuses to start with one
    "--disable-dev-shm-usage",
    "--no-proxy-server",  # the resolver rule below would be the proxy's to follow
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--no-first-run",
    "--no-default-browser-check",
    "--metrics-recording-only",
    "--force-device-scale-factor=1",
    "--force-prefers-reduced-motion",  # whales that rock would make every screenshot another
    "--hide-scrollbars",
    "--lang=en-US",
    f"--window-size={WIDTH},{HEIGHT}",
)

WHALE_CENTRES = """
const sea = document.getElementById("holder").getBoundingClientRect();
const isDrawn = picture => picture.complete && picture.naturalWidth > 0;
const whales = [...document.querySelectorAll(".whale")];
return whales.filter(whale => [...whale.querySelectorAll("img")].every(isDrawn)).map(whale => {
  const box = whale.getBoundingClientRect();
  return [(box.left + box.right) / 2 - sea.left, (box.top + box.bottom) / 2 - sea.top];
});
"""

# Chromium decodes pictures and paints them after the page has them; a screenshot would be first.
PAINTED = """
const [done] = arguments;
const decoded = [...document.images].map(picture => picture.decode().catch(() => {}));
Promise.all(decoded).then(() => requestAnimationFrame(() => requestAnimationFrame(done)));
"""


class ChromiumMissing(Problem):
    """Chromium or its driver is not there, or the two do not fit; says what to install."""


class Browser:
    """One visitor with a fresh profile, who can reach the given hosts and nobody else."""

    def __init__(self, hosts: Sequence[str] = ("127.0.0.1",)) -> None:
        """Start Chromium (about a second).

        Args:
            hosts: names or literal addresses that may be asked. Every other one does not exist
                for this browser, so that it cannot call home.

        Raises:
            ChromiumMissing: it or its driver is not installed, or they do not fit.
        """
        check_installed()
        with ExitStack() as cleanup:
            profile = cleanup.enter_context(tempfile.TemporaryDirectory(prefix="visitor-"))
            options = webdriver.ChromeOptions()
            options.binary_location = str(CHROMIUM)
            rules = ["MAP * ~NOTFOUND", *(f"EXCLUDE {host}" for host in hosts)]
            for flag in (
                *FLAGS,
                f"--user-data-dir={profile}",
                f"--host-resolver-rules={' , '.join(rules)}",
            ):
                options.add_argument(flag)
            self._driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
            cleanup.callback(self._driver.quit)
            self._page_seconds = Limit(PAGE_SECONDS).seconds
            self._driver.set_page_load_timeout(self._page_seconds)
            self._driver.set_script_timeout(self._page_seconds)
            # The window's own size includes what headless Chromium thinks is a title bar.
            self._driver.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False},
            )
            self._cleanup = cleanup.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End Chromium and remove its profile; may be called again."""
        self._cleanup.close()

    @property
    def versions(self) -> dict[str, str]:
        """`{"Chromium": "156.0...", "ChromeDriver": "156.0..."}`, for the report."""
        capabilities = self._driver.capabilities
        return {
            "Chromium": capabilities["browserVersion"],
            "ChromeDriver": capabilities["chrome"]["chromedriverVersion"].split()[0],
        }

    def open(self, url: str) -> None:
        """Load a page.

        Raises:
            ConnectionError: nobody serves it (or it is not one of the hosts allowed).
            TimeoutError: it was not loaded within 10 s.
        """
        try:
            self._driver.get(url)
        except TimeoutException as error:
            raise TimeoutError(f"{url} was not loaded within {self._page_seconds:.3g} s") from error
        except WebDriverException as error:
            if "net::ERR_" not in str(error.msg):
                raise
            raise ConnectionError(f"{url}: {str(error.msg).splitlines()[0]}") from error

    def click_at(self, x: int, y: int) -> None:
        """Click on the sea, at CSS pixels from its top left corner.

        The mouse knows whole pixels of the window, the sea may begin between two: of the pixels
        around, the one is taken that is (x, y) of the sea when rounded.
        """
        sea = self._driver.execute_script(
            "return document.getElementById('holder').getBoundingClientRect().toJSON()"
        )
        mouse = ActionBuilder(self._driver)
        left, top = math.ceil(sea["left"] + x - 0.5), math.ceil(sea["top"] + y - 0.5)
        mouse.pointer_action.move_to_location(left, top)  # type: ignore[no-untyped-call]
        mouse.pointer_action.click()
        mouse.perform()

    def whale_centres(self) -> list[tuple[float, float]]:
        """The centres of the whales whose picture is drawn, in page order, as the page has them.

        In CSS pixels from the top left corner of the sea, like `click_at`.
        """
        return [(x, y) for x, y in self._driver.execute_script(WHALE_CENTRES)]

    def shows_click_message(self) -> bool:
        """True if the page asks the visitor to click."""
        return self._is_shown("clickmessage")

    def shows_preloader(self) -> bool:
        """True if the page says that it waits for its data."""
        return self._is_shown("preloader")

    def serving_node(self) -> str:
        """The node that the page's badge names; empty while there is no badge."""
        return self._driver.find_element(By.CSS_SELECTOR, "#node strong").text

    def screenshot(self) -> bytes:
        """The page as a PNG of 1280 x 800 pixels, once all of its pictures are painted."""
        self._driver.execute_async_script(PAINTED)
        return self._driver.get_screenshot_as_png()

    def console_errors(self) -> list[str]:
        """Complaints of the page since last asked, e.g. requests that failed."""
        entries = self._driver.get_log("browser")  # type: ignore[no-untyped-call]
        return [str(entry["message"]) for entry in entries if entry["level"] == "SEVERE"]

    def _is_shown(self, element_id: str) -> bool:
        return self._driver.find_element(By.ID, element_id).is_displayed()


def check_installed() -> None:
    """Make sure that Chromium and its driver are there and of one version.

    Raises:
        ChromiumMissing: they are not.
    """
    for program in (CHROMIUM, DRIVER):
        if not program.exists():
            raise ChromiumMissing(f"{program} is missing: {INSTALL}")
    chromium, driver = _major_version(CHROMIUM), _major_version(DRIVER)
    if chromium != driver:
        raise ChromiumMissing(
            f"Chromium is version {chromium} but its driver is {driver}: {INSTALL}"
        )


def _major_version(program: Path) -> str:
    """`156` of `Chromium 156.0.8078.79 built on Debian ...`; the driver prints it likewise."""
    answer = subprocess.run(
        [str(program), "--version"], capture_output=True, text=True, timeout=30, check=False
    )
    words = answer.stdout.split()
    if answer.returncode or len(words) < 2:
        raise ChromiumMissing(f"{program} does not start: {INSTALL}")
    return words[1].split(".")[0]
