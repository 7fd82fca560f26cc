"""The visitor's browser, on a page of known measures."""

from __future__ import annotations

import contextlib
import functools
import io
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.common.exceptions import NoSuchElementException

from acceptance.app import browser as browser_module
from acceptance.app.browser import Browser, ChromiumMissing
from acceptance.base.waiting import eventually
from judge.machine.ports import free_port

pytestmark = pytest.mark.contract

# The sea begins between two pixels, has a border and whales of odd size: whoever is careless with
# any of these is a pixel off. Where a click went is kept in the page's title.
PAGE = """<!doctype html>
<style>
  body { margin: 0 }
  #holder { position: absolute; left: 40px; top: TOPpx; width: 600px; height: 400px;
            background: #cde; border: 3px solid red }
  .whale { position: absolute; width: 31px; height: 21px; margin: -10.5px 0 0 -15.5px;
           background: navy }
</style>
<div id="holder"></div>
<p id="clickmessage">click</p>
<div id="preloader" style="display: none">wait</div>
<script>
  holder.onclick = event => {
    const sea = holder.getBoundingClientRect();
    const x = Math.round(event.clientX - sea.left), y = Math.round(event.clientY - sea.top);
    const whale = document.createElement("div");
    whale.className = "whale";
    whale.style.left = `${x - 3}px`;  // places count from inside the border
    whale.style.top = `${y - 3}px`;
    holder.append(whale);
    document.title = `${x}:${y}`;
    clickmessage.hidden = true;
    preloader.style.display = "block";
  };
</script>
"""
TOPS = (0, 53.25, 53.5, 53.59, 53.99)


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port on which a page per value of `TOPS` is served, at every loopback address."""
    folder = tmp_path_factory.mktemp("pages")
    for top in TOPS:
        (folder / f"{top}.html").write_text(PAGE.replace("TOP", str(top)))
    handler = functools.partial(QuietHandler, directory=str(folder))
    server = ThreadingHTTPServer(("", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with Browser(["127.0.0.1", "127.0.0.2"]) as browser:
        yield browser


@pytest.fixture
def open_page(browser: Browser, pages: int) -> Callable[[float], None]:
    return lambda top: browser.open(f"http://127.0.0.1:{pages}/{top}.html")


@pytest.mark.parametrize("top", TOPS)
def test_clicks_and_positions_are_exact(
    browser: Browser, open_page: Callable[[float], None], top: float
) -> None:
    open_page(top)
    clicks = [(20, 15), (100, 57), (333, 222), (599, 399)]
    for x, y in clicks:
        browser.click_at(x, y)
    centres = browser.whale_centres()
    assert [(round(x, 1), round(y, 1)) for x, y in centres] == clicks


def test_what_the_page_shows_is_read_from_what_is_visible(
    browser: Browser, open_page: Callable[[float], None]
) -> None:
    open_page(0)
    assert browser.shows_click_message()
    assert not browser.shows_preloader()
    browser.click_at(10, 20)
    assert not browser.shows_click_message()
    assert browser.shows_preloader()


def test_a_page_that_is_not_the_app_is_an_error(browser: Browser, pages: int) -> None:
    browser.open(f"http://127.0.0.1:{pages}/")
    with pytest.raises(NoSuchElementException):
        browser.shows_preloader()


def test_a_screenshot_has_the_size_of_the_page(
    browser: Browser, open_page: Callable[[float], None]
) -> None:
    open_page(0)
    picture = Image.open(io.BytesIO(browser.screenshot()))
    assert picture.size == (1280, 800)
    assert picture.convert("RGB").getpixel((40, 0)) == (255, 0, 0)


def test_only_the_hosts_named_can_be_reached_literal_addresses_included(
    browser: Browser, pages: int
) -> None:
    browser.open(f"http://127.0.0.2:{pages}/0.html")
    for host in ("127.0.0.3", "localhost", "somewhere.example"):
        with pytest.raises(ConnectionError, match="ERR_NAME_NOT_RESOLVED"):
            browser.open(f"http://{host}:{pages}/0.html")


def test_a_page_nobody_serves_means_not_yet(browser: Browser) -> None:
    port = free_port()
    with pytest.raises(ConnectionError, match=rf"^http://127.0.0.1:{port}/: .*REFUSED$"):
        browser.open(f"http://127.0.0.1:{port}/")


def test_complaints_of_the_page_are_kept(browser: Browser, pages: int) -> None:
    browser.open(f"http://127.0.0.1:{pages}/0.html")
    browser.console_errors()
    browser.open(f"http://127.0.0.1:{pages}/missing.html")
    assert any("404" in complaint for complaint in browser.console_errors())
    assert browser.console_errors() == []


def test_the_versions_are_those_installed(browser: Browser) -> None:
    installed = subprocess.run(
        ["chromium", "--version"], capture_output=True, text=True, check=True
    )
    assert browser.versions["Chromium"] in installed.stdout
    assert set(browser.versions) == {"Chromium", "ChromeDriver"}


def test_closing_ends_chromium_and_removes_its_profile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with Browser() as browser:
        assert list(tmp_path.glob("visitor-*"))
        assert processes_mentioning(str(tmp_path))
    assert list(tmp_path.glob("visitor-*")) == []
    eventually(lambda: processes_mentioning(str(tmp_path)), is_=[], within=5)
    browser.close()


def processes_mentioning(text: str) -> list[str]:
    """The command lines that hold `text`."""
    found = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # ended meanwhile
            found.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return [line for line in found if text in line]


@pytest.mark.parametrize("name", ["CHROMIUM", "DRIVER"])
def test_what_is_missing_is_named_with_what_to_install(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(browser_module, name, tmp_path / "gone")
    with pytest.raises(ChromiumMissing, match="gone is missing: apt-get install chromium"):
        Browser()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo ChromeDriver 99.0.1 and so on", r"is version \d+ but its driver is 99: apt-get"),
        ("exit 127", "driver does not start: apt-get install"),
        ("true", "driver does not start: apt-get install"),
    ],
)
def test_a_driver_that_does_not_fit_or_start_is_told(
    script: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = tmp_path / "driver"
    driver.write_text(f"#!/bin/sh\n{script}\n")
    driver.chmod(0o755)
    monkeypatch.setattr(browser_module, "DRIVER", driver)
    with pytest.raises(ChromiumMissing, match=message):
        Browser()
