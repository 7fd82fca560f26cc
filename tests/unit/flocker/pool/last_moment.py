"""An answer that comes in the very moment in which its time is over."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from typing import Any


def last_moment(answers: threading.Event) -> type[Future[Any]]:
    """Futures whose answer comes when it is waited for no longer, and not asked after yet."""

    class LastMoment(Future[Any]):
        def result(self, timeout: float | None = None) -> Any:
            try:
                return super().result(timeout)
            except TimeoutError:
                answers.set()
                super().result(30)
                raise

    return LastMoment
