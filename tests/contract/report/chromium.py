"""A Chromium for the report's pages: it reaches this machine only, and tells what it asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from acceptance.app.browser import CHROMIUM, DRIVER, FLAGS
from report.allure import MODULES

SERIOUS = ("serious", "critical")
LOCAL = ("file:", "data:", "blob:", "chrome:")


class Chromium:
    """A browser with the few things that these tests do with it."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def show(self, page: Path | str, *, width: int = 1400, scheme: str = "light") -> None:
        """Open a page from disk or at an address, in a window of that width in CSS pixels."""
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        colours = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", colours)
        self.driver.get(page.as_uri() if isinstance(page, Path) else page)

    def run(self, script: str) -> Any:
        """Run a script in the page and return its value."""
        return self.driver.execute_script(script)  # type: ignore[no-untyped-call]

    def asked_elsewhere(self) -> list[str]:
        """The addresses that were asked for since last called, other than on this disk."""
        messages = [
            json.loads(entry["message"])["message"]
            for entry in self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        ]
        asked = [
            message["params"]["request"]["url"]
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]
        assert asked, "no page was opened"
        return [url for url in asked if not url.startswith(LOCAL)]

    def serious_findings(self) -> list[tuple[str, str, str]]:
        """The faults that axe-core calls serious: rule, HTML, and the way to mend it."""
        self.run((MODULES / "axe-core" / "axe.min.js").read_text())
        found: list[dict[str, Any]] = self.driver.execute_async_script(  # type: ignore[no-untyped-call]
            "axe.run().then(found => arguments[0](found.violations))"
        )
        return [
            (each["id"], each["nodes"][0]["html"], each["nodes"][0]["failureSummary"])
            for each in found
            if each["impact"] in SERIOUS
        ]

    def complaints(self) -> list[Any]:
        """The messages of the console since last called."""
        return list(self.driver.get_log("browser"))  # type: ignore[no-untyped-call]


@contextmanager
def open_chromium(profile: Path) -> Iterator[Chromium]:
    """Start Chromium with a fresh profile in that folder."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(CHROMIUM)
    hosts = "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"
    for flag in (*FLAGS, f"--user-data-dir={profile}", hosts):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(str(DRIVER)))
    try:
        yield Chromium(driver)
    finally:
        driver.quit()
