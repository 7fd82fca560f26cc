"""Rounds of background threads."""

from __future__ import annotations

import logging

import pytest

from flocker.base.background import attempt

log = logging.getLogger(__name__)


class PowerCut(BaseException):
    """Not an error of the round: it ends the process."""


def test_an_error_is_logged_with_its_traceback_and_the_next_round_can_come(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def fail() -> None:
        raise OSError("disk full")

    assert not attempt(log, "nothing was tidied", fail)
    [record] = caplog.records
    assert record.message == "nothing was tidied"
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], OSError)
    assert attempt(log, "nothing was tidied", lambda: None)


def test_what_ends_the_process_is_not_held_back() -> None:
    def end() -> None:
        raise PowerCut

    with pytest.raises(PowerCut):
        attempt(log, "nothing was tidied", end)
