"""A stream in frames, so that silence that is work can be told from silence that is none.

A frame is its kind, the length of its content, and the content: some of the stream, nothing (a
sign of life), nothing (the end), or why the source gave up.
"""

from __future__ import annotations

import struct
import time
from collections.abc import Generator, Iterable, Iterator

from flocker.base.errors import FlockerError, Stalled, TransferFailed
from flocker.streams import liveness

MEDIA_TYPE = "application/x-flocker-frames"
FRAME_BYTES = 64 << 10  # at most: one that is under way for too long is no progress
_HEAD = struct.Struct("!BI")
_DATA, _SIGN, _END, _FAILURE = range(4)


def encode(chunks: Iterable[bytes]) -> Generator[bytes, None, None]:
    """The frames of a stream, in which an empty chunk is a sign of life."""
    try:
        for chunk in chunks:
            if not chunk:
                yield _frame(_SIGN)
                continue
            rows = range(0, len(chunk), FRAME_BYTES)
            # In one piece: each costs the server more than all that is done with its content.
            yield b"".join(_frame(_DATA, chunk[at : at + FRAME_BYTES]) for at in rows)
    except FlockerError as error:
        yield _frame(_FAILURE, str(error).encode()[:FRAME_BYTES])
    else:
        yield _frame(_END)


def _frame(kind: int, content: bytes = b"") -> bytes:
    return _HEAD.pack(kind, len(content)) + content


def decode(chunks: Iterable[bytes], node: str) -> Iterator[bytes]:
    """The stream in the frames that a node sends; an empty chunk is a sign of life.

    Raises:
        TransferFailed: it broke off, or is no such stream.
        Stalled: a frame takes too long.
    """
    reader = _Reader(chunks, node)
    while True:
        kind, content = reader.frame()
        if kind == _END:
            reader.expect_end()
            return
        if kind == _FAILURE:
            raise TransferFailed(f"{node} cannot send: {content.decode(errors='replace')}")
        yield content


class _Reader:
    def __init__(self, chunks: Iterable[bytes], node: str) -> None:
        self._chunks = iter(chunks)
        self._node = node
        self._rest = bytearray()
        self._waited = 0.0  # seconds for the present frame

    def frame(self) -> tuple[int, bytes]:
        self._waited = 0.0
        kind, length = _HEAD.unpack(self._take(_HEAD.size))
        most = 0 if kind in (_SIGN, _END) else FRAME_BYTES
        if kind > _FAILURE or length > most:
            raise TransferFailed(f"a frame from {self._node} cannot be read; try again")
        return kind, self._take(length)

    def expect_end(self) -> None:
        if self._rest or any(self._chunks):
            raise TransferFailed(f"more than the stream came from {self._node}; try again")

    def _take(self, length: int) -> bytes:
        while len(self._rest) < length:
            asked = time.monotonic()  # not before: till now whoever takes the stream was slow
            chunk = next(self._chunks, None)
            if chunk is None:
                raise TransferFailed(f"the stream from {self._node} broke off; try again")
            waited = time.monotonic() - asked
            # The reader gives up by then. So if that took longer, this node stood still.
            if waited < liveness.SILENCE_SECONDS:
                self._waited += waited
            if self._waited >= liveness.SILENCE_SECONDS:
                raise Stalled(self._node, liveness.SILENCE_SECONDS)
            self._rest += chunk
        taken = bytes(self._rest[:length])
        del self._rest[:length]
        return taken
