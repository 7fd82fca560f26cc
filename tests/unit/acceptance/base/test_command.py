"""A command that has to succeed, and what is said of one that did not."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acceptance.base.command import Typed

TYPED = Typed("vagrant", "node1", "flocker status", "all is well", 0, 0.5)


def test_a_command_that_succeeded_is_returned() -> None:
    assert TYPED.must_succeed() is TYPED


def test_one_that_failed_tells_its_status_and_what_it_printed() -> None:
    with pytest.raises(AssertionError, match="exit status 1: all is well"):
        replace(TYPED, exit_status=1).must_succeed()
