"""One browser for all tests of the report."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.report.chromium import Chromium, open_chromium


@pytest.fixture(scope="package")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with open_chromium(tmp_path_factory.mktemp("profile")) as chromium:
        yield chromium
