"""The one way to wait: ask until it is so, or say what was last seen."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from tenacity import (
    RetryCallState,
    Retrying,
    retry_if_exception_type,
    retry_if_result,
    stop_after_delay,
    wait_exponential,
)

from acceptance.base.speed import Limit

Reading = TypeVar("Reading")

FIRST_POLL_SECONDS = 0.0125
POLL_SECONDS = 0.2
NOT_YET: tuple[type[Exception], ...] = (
    ConnectionError,
    TimeoutError,
    requests.ConnectionError,
    requests.Timeout,
    requests.HTTPError,
)
"""What a node or an app that is still starting answers with."""


class NeverCame(AssertionError):
    """The awaited value did not come; the message holds the last reading."""


def eventually(
    read: Callable[[], Reading],
    *,
    is_: object,
    within: float,
    not_yet: tuple[type[Exception], ...] = NOT_YET,
) -> Reading:
    """Call `read` until it returns a value equal to `is_`, and return that value.

    Args:
        read: asked at once, soon again, and then every 0.2 s; its own calls must be bounded in
            time.
        within: seconds on nodes as quick as this machine (see acceptance.base.speed).
        not_yet: exceptions that mean "ask again"; every other one is raised at once.

    Raises:
        NeverCame: it was not equal in time.
    """
    return eventually_true(
        read, lambda seen: bool(seen == is_), what=repr(is_), within=within, not_yet=not_yet
    )


def eventually_true(
    read: Callable[[], Reading],
    holds: Callable[[Reading], bool],
    *,
    what: str,
    within: float,
    since: float | None = None,
    not_yet: tuple[type[Exception], ...] = NOT_YET,
) -> Reading:
    """Call `read` until `holds` is true of what it returns; otherwise like `eventually`.

    Args:
        what: completes "waited 5 s for ..." in the error, e.g. "three whales".
        since: the moment at which the time begins, as of time.monotonic(); now if left out.
    """
    seconds = Limit(within).seconds
    if since is not None:
        seconds -= time.monotonic() - since

    def give_up(state: RetryCallState) -> Any:
        assert state.outcome is not None
        error = state.outcome.exception()
        seen = repr(state.outcome.result()) if error is None else _describe(error)
        asked = f"asked {state.attempt_number} times"
        raise NeverCame(f"waited {seconds:.3g} s for {what}, {asked}; last seen: {seen}") from error

    return Retrying(
        stop=stop_after_delay(seconds),
        wait=wait_exponential(FIRST_POLL_SECONDS, max=POLL_SECONDS),
        retry=retry_if_exception_type(not_yet) | retry_if_result(lambda seen: not holds(seen)),
        retry_error_callback=give_up,
    )(read)


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
