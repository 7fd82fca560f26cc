"""Waiting: what ends it, what it says, what it lets through."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
import requests

from acceptance.base.waiting import NeverCame, eventually, eventually_true


def readings(*values: object) -> Callable[[], object]:
    """A `read` that returns, or raises, one value after the other and then keeps to the last."""
    left = list(values)

    def read() -> object:
        value = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(value, Exception):
            raise value
        return value

    return read


def test_what_is_so_at_once_is_not_waited_for() -> None:
    started = time.monotonic()
    assert eventually(readings("node2"), is_="node2", within=5) == "node2"
    assert time.monotonic() - started < 0.1


def test_asks_until_it_is_so() -> None:
    assert eventually(readings("node1", "node1", "node2"), is_="node2", within=5) == "node2"


def test_says_what_was_last_seen() -> None:
    with pytest.raises(NeverCame, match=r"waited 0.3 s for 'node2', .*; last seen: 'node1'"):
        eventually(readings(None, "node1"), is_="node2", within=0.3)


def test_the_default_exceptions_mean_not_yet() -> None:
    read = readings(ConnectionRefusedError("no"), requests.ConnectionError("no"), 3)
    assert eventually(read, is_=3, within=5) == 3


def test_a_last_exception_is_told_and_kept_as_cause() -> None:
    with pytest.raises(NeverCame, match="last seen: ConnectTimeout: too slow") as caught:
        eventually(readings(requests.ConnectTimeout("too slow")), is_=3, within=0.3)
    assert isinstance(caught.value.__cause__, requests.ConnectTimeout)


def test_any_other_exception_is_raised_at_once() -> None:
    started = time.monotonic()
    with pytest.raises(KeyError, match="whales"):
        eventually(readings(KeyError("whales"), 3), is_=3, within=5)
    assert time.monotonic() - started < 0.1


def test_the_caller_may_say_what_means_not_yet() -> None:
    read = readings(KeyError("whales"), 3)
    assert eventually(read, is_=3, within=5, not_yet=(KeyError,)) == 3
    with pytest.raises(ConnectionError):
        eventually(readings(ConnectionError(), 3), is_=3, within=5, not_yet=(KeyError,))


def test_a_predicate_names_what_it_waits_for() -> None:
    assert eventually_true(readings(1, 3), lambda n: n == 3, what="three whales", within=5) == 3
    with pytest.raises(NeverCame, match=r"for three whales, .*; last seen: 1"):
        eventually_true(readings(1), lambda n: n == 3, what="three whales", within=0.3)


def test_the_deadline_is_kept() -> None:
    started = time.monotonic()
    with pytest.raises(NeverCame):
        eventually(readings(1), is_=2, within=0.5)
    assert 0.5 <= time.monotonic() - started < 1
