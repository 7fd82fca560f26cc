"""The progress of a stream, counted as its bytes pass."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from flocker.base.errors import FlockerError
from flocker.base.records import percent

log = logging.getLogger(__name__)

ASK_TOTAL_AFTER_SECONDS = 1.0  # a stream that is over sooner needs no progress told


@dataclass(frozen=True)
class Progress:
    """The progress of a stream.

    Attributes:
        bytes_total: not known before the source has counted.
        waits_for: the node that the same volume is being fetched from for something else;
            this stream comes after that one. Else empty.
    """

    bytes_done: int
    bytes_total: int | None
    waits_for: str = ""

    @property
    def percent(self) -> int | None:
        return percent(self.bytes_done, self.bytes_total)


Report = Callable[[Progress], None]


class Counted:
    """A stream whose bytes are counted as they pass."""

    def __init__(
        self, stream: Iterable[bytes], ask_total: Callable[[], int], report: Report
    ) -> None:
        self._stream = stream
        self._ask_total = ask_total
        self._report = report
        self._total: int | None = None
        self.bytes_done = 0

    def __iter__(self) -> Iterator[bytes]:
        started = time.monotonic()
        asked = False
        for chunk in self._stream:
            yield chunk
            self.bytes_done += len(chunk)
            if not asked and time.monotonic() - started > ASK_TOTAL_AFTER_SECONDS:
                asked = True
                threading.Thread(target=self._learn_total, daemon=True).start()
            self._report(Progress(self.bytes_done, self._total))

    def _learn_total(self) -> None:
        try:
            self._total = self._ask_total()
        except FlockerError as error:
            log.info("progress of a copy cannot be told: %s", error)
