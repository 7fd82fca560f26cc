"""The clock by which the parts of this room count."""

from __future__ import annotations

import time

import pytest

from tests.unit.flocker.clocks import Clock


@pytest.fixture
def clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Python's monotonic clock, moved by hand."""
    monkeypatch.setattr(time, "monotonic", clock)
    return clock
