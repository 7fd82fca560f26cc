"""One browser for all tests of the report."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.report.chromium import Chromium, open_chromium

SCREENS = [(width, scheme) for width in (360, 768, 1400) for scheme in ("light", "dark")]


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with open_chromium(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium


@pytest.fixture(params=SCREENS, ids=str)
def seen(request: pytest.FixtureRequest, page: Path, browser: Chromium) -> Chromium:
    """The module's page on a screen of each kind."""
    width, scheme = request.param
    browser.show(page, width=width, scheme=scheme)
    return browser
