"""The attachments of the report, read back from Allure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import allure_commons
import pytest


@dataclass
class Attached:
    name: str
    body: Any
    extension: str


class Recorder:
    """Stands where a formatter would."""

    def __init__(self) -> None:
        self.attached: list[Attached] = []

    @allure_commons.hookimpl
    def attach_data(self, body: Any, name: str, attachment_type: Any, extension: str) -> None:
        self.attached.append(Attached(name, body, extension or attachment_type.extension))


@pytest.fixture
def attached() -> Iterator[list[Attached]]:
    recorder = Recorder()
    allure_commons.plugin_manager.register(recorder)
    yield recorder.attached
    allure_commons.plugin_manager.unregister(recorder)
