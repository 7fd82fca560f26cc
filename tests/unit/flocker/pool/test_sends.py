"""Streams are found by their volume, until they have ended."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from flocker.pool import sends as module
from flocker.pool.sends import Sends


class Stream:
    def __init__(self) -> None:
        self.ended = 0

    def end(self) -> None:
        self.ended += 1


def test_only_the_streams_of_the_volume_end_and_only_those_that_run() -> None:
    sends, meant, other, over = Sends(), Stream(), Stream(), Stream()
    with sends.noted("films", over):
        pass
    with sends.noted("films", meant), sends.noted("books", other):
        sends.end("films")
    sends.end("films")
    assert (meant.ended, other.ended, over.ended) == (1, 0, 0)


def test_a_short_stream_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SHORT_SECONDS", 60)
    sends = Sends()
    with ThreadPoolExecutor(1) as other:
        with sends.short("films"):
            ending = other.submit(sends.end, "films")
            with pytest.raises(TimeoutError):
                ending.result(0.2)
        ending.result(10)
