"""Streams are found by their volume, until they have ended."""

from __future__ import annotations

import threading

from acceptance.base.waiting import eventually
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


def test_a_short_stream_is_waited_for() -> None:
    sends, seen = Sends(), []
    with sends.short("films"):
        ending = threading.Thread(target=lambda: (sends.end("films"), seen.append("ended")))
        ending.start()
        assert seen == []
    eventually(lambda: seen, is_=["ended"], within=10)
    ending.join()
