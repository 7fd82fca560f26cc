"""A framed stream cannot pass for whole before its end, and is told apart from one that hangs."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import pytest

from flocker.base.errors import PoolError, Stalled, TransferFailed
from flocker.streams import liveness
from flocker.streams.frames import FRAME_BYTES, decode, encode

CHUNKS = [b"first", b"", b"x" * (2 * FRAME_BYTES + 1), b"", b"last"]


def cut(whole: bytes, size: int) -> list[bytes]:
    return [whole[at : at + size] for at in range(0, len(whole), size)]


@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_stream_arrives_however_it_is_cut(size: int) -> None:
    arrived = list(decode(cut(b"".join(encode(CHUNKS)), size), "node1"))
    assert b"".join(arrived) == b"".join(CHUNKS)
    assert arrived.count(b"") == 2


def test_what_came_at_once_goes_on_at_once() -> None:
    """Though no frame of it is long."""
    long = b"x" * (2 * FRAME_BYTES + 1)
    pieces = list(encode([long, b"", b"last"]))
    assert len(pieces) == 4  # the end is one, too
    assert next(decode(pieces, "node1")) == long[:FRAME_BYTES]


def test_a_stream_that_breaks_off_is_never_whole() -> None:
    whole = b"".join(encode([b"some", b"", b"more"]))
    for length in range(len(whole)):
        with pytest.raises(TransferFailed, match="the stream from node1 broke off"):
            list(decode([whole[:length]], "node1"))


def test_why_the_source_gave_up_is_told() -> None:
    def failing() -> Iterator[bytes]:
        yield b"some"
        raise PoolError("btrfs send failed: no reason given")

    arriving = decode(encode(failing()), "node1")
    assert next(arriving) == b"some"
    with pytest.raises(TransferFailed, match="node1 cannot send: btrfs send failed"):
        next(arriving)


@pytest.mark.parametrize(
    "damaged",
    [
        b"\x09" * 99,  # a kind that there is not
        b"btrfs-stream\0",  # a stream without frames
        b"\x00\xff" + bytes(99),
        b"\x00" + (FRAME_BYTES + 1).to_bytes(4, "big"),
        b"\x00\xff\xff\xff\xff",
        b"\x03\xff\xff\xff\xff",
        b"\x01\x00\x00\x00\x01x",  # a sign of life, and the end, with content
        b"\x02\x00\x00\x00\x01x",
    ],
)
def test_what_is_no_frame_is_a_failed_transfer(damaged: bytes) -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield damaged
        while True:
            taken += 1
            yield bytes(FRAME_BYTES)

    with pytest.raises(TransferFailed, match="a frame from node1 cannot be read"):
        list(decode(endless(), "node1"))
    assert taken == 0, "more was waited for"


def test_a_reason_of_any_length_and_any_bytes_is_told() -> None:
    def failing() -> Iterator[bytes]:
        raise PoolError("\N{WHALE}" * FRAME_BYTES)
        yield b""

    with pytest.raises(TransferFailed, match="node1 cannot send: " + "\N{WHALE}" * 1000):
        list(decode(encode(failing()), "node1"))
    with pytest.raises(TransferFailed, match="cannot send: \N{REPLACEMENT CHARACTER}"):
        list(decode([b"\x03\x00\x00\x00\x01\xff"], "node1"))


def test_nothing_comes_after_the_end() -> None:
    whole = b"".join(encode([b"some"]))
    for chunks in ([whole + b"x"], [whole, b"x"]):
        with pytest.raises(TransferFailed, match="more than the stream came from node1"):
            list(decode(chunks, "node1"))


class Clock:
    def __init__(self) -> None:
        self.at = 0.0

    def __call__(self) -> float:
        return self.at

    def slowly(self, chunks: list[bytes], seconds: float) -> Iterator[bytes]:
        """Each chunk comes so long after it was asked for."""
        for chunk in chunks:
            self.at += seconds
            yield chunk


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("time.monotonic", clock)
    return clock


def test_a_frame_that_trickles_is_no_progress(clock: Clock) -> None:
    whole = b"".join(encode([bytes(100)]))
    with pytest.raises(Stalled, match="node1 has sent nothing for 70 s"):
        list(decode(clock.slowly(cut(whole, 1), 5), "node1"))
    assert clock.at == 70


def test_the_time_that_the_receiver_takes_is_not_the_sources(clock: Clock) -> None:
    arriving = decode(encode([b"some", b"more"]), "node1")
    assert next(arriving) == b"some"
    clock.at += 10 * liveness.STALL_SECONDS
    assert list(arriving) == [b"more"]


def test_a_receiver_that_stood_still_in_a_frame_does_not_blame_the_source(clock: Clock) -> None:
    """As a paused machine does: what came meanwhile lies there, a part of the frame at a time."""
    parts = cut(b"".join(encode([b"some", b"more"])), 7)
    first, rest = clock.slowly(parts[:1], 1), clock.slowly(parts[1:], 1)
    paused = clock.slowly(parts[1:2], 10 * liveness.SILENCE_SECONDS)
    next(rest)
    assert list(decode(chain(first, paused, rest), "node1")) == [b"some", b"more"]


def test_another_node_is_waited_for_longer_than_it_waits_itself() -> None:
    """So that its reason arrives: it looks whether it hangs as often as it gives signs of life."""
    assert liveness.SILENCE_SECONDS >= liveness.STALL_SECONDS + 2 * liveness.SIGN_SECONDS
