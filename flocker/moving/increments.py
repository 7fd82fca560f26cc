"""The changes of many volumes in one stream from their owner to a node with their replicas.

Each increment is a frame: the length of its head, the head (JSON), and a whole btrfs stream. A
volume that cannot be sent is a frame with the reason. One whose increment is large, or that the
other node has nothing of, is a frame without a stream: it is fetched alone, so that it holds up
nobody. The last frame says how many came before it, so a stream that breaks off cannot pass for
whole.
"""

from __future__ import annotations

import json
import struct
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Any, Self

from flocker.base.errors import BadRequest, PoolError, PoolHangs, TransferFailed
from flocker.base.records import Record, Snapshot
from flocker.node.retention import Retention
from flocker.pool.local_pool import LocalPool
from flocker.streams import liveness
from flocker.streams.liveness import Watch, of_thread
from flocker.streams.send_stream import SMALL_BYTES

AT_ONCE = 8  # increments that are made ready ahead of the one that is sent
HEAD_BYTES = 64 << 10  # an error takes most of it: JSON may need twelve bytes for a character
ERROR_CHARS = 4000
NAME_CHARS = 255
_LENGTH = struct.Struct("!I")
_LARGEST = (1 << 63) - 1


@dataclass(frozen=True)
class Wanted(Record):
    """A snapshot that a node lacks, and those that it has of the same volume."""

    volume_id: str
    snapshot: Snapshot
    here: tuple[Snapshot, ...]

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        here = tuple(Snapshot.from_json(each) for each in value["here"])
        snapshot = Snapshot.from_json(value["snapshot"])
        return super().from_json({**value, "snapshot": snapshot, "here": here})


@dataclass(frozen=True)
class Increment:
    """The answer for one volume.

    Attributes:
        parent: what the stream builds on.
        stream: None if it has to be fetched alone.
        error: why it cannot be sent; else empty.
        hangs: the pool did nothing for it for too long; said only where it is made.
    """

    volume_id: str
    parent: Snapshot | None = None
    stream: bytes | None = None
    error: str = ""
    hangs: bool = False


class Increments:
    """Makes increments ready on the node that has the snapshots."""

    def __init__(self, pool: LocalPool, retention: Retention) -> None:
        self._pool = pool
        self._retention = retention

    def send(self, to: str, wanted: Sequence[Wanted]) -> Generator[Increment | None, None, None]:
        """The increments, in the order they were asked for; None is a sign of life meanwhile.

        Raises:
            PoolHangs: while iterating, when the pool hangs; with one volume alone, only that
                fails.
        """
        for each in wanted:  # before the first one is made: the last must not be pruned meanwhile
            self._retention.sending(each.volume_id, to, each.snapshot.number)
        threads: list[str] = []
        workers = ThreadPoolExecutor(
            AT_ONCE, "send", lambda: threads.append(of_thread(threading.get_native_id()))
        )
        watch = Watch("making increments ready", threads)
        hung = 0  # in a row
        try:
            for made in self._begun(wanted, workers):
                yield from _signs(made, watch)
                increment = made.result()
                hung = hung + 1 if increment.hangs else 0
                if hung == AT_ONCE:  # or the others would take as long, by so many at a time
                    raise PoolHangs(increment.error)
                yield increment
        finally:  # without those that hang
            workers.shutdown(wait=False, cancel_futures=True)

    def _begun(
        self, wanted: Sequence[Wanted], workers: ThreadPoolExecutor
    ) -> Iterator[Future[Increment]]:
        """Yield what is made ready, in order; at any time some more than is asked for."""
        ahead: deque[Future[Increment]] = deque()
        for each in wanted:
            ahead.append(workers.submit(self._send, each))
            if len(ahead) >= AT_ONCE:
                yield ahead.popleft()
        yield from ahead

    def _send(self, wanted: Wanted) -> Increment:
        volume_id, snapshot = wanted.volume_id, wanted.snapshot
        try:
            offered = self._pool.snapshots(volume_id)
            common = [each for each in offered if each in wanted.here]
            if not common or snapshot not in offered:
                return Increment(volume_id)
            stream = self._pool.small_stream(
                volume_id, snapshot.number, common[-1].number, SMALL_BYTES
            )
        except (PoolError, BadRequest) as error:  # the latter: no volume has such an id
            return Increment(volume_id, error=str(error), hangs=isinstance(error, PoolHangs))
        return Increment(volume_id, common[-1], stream)


def _signs(increment: Future[Increment], watch: Watch) -> Iterator[None]:
    """Signs of life until an increment is ready."""
    watch.progressed()
    while not wait([increment], liveness.SIGN_SECONDS).done:
        if watch.is_alive():
            yield None


def encode(increments: Iterable[Increment | None]) -> Generator[bytes, None, None]:
    """The frames of some increments; an empty chunk is a sign of life meanwhile."""
    number = 0
    for each in increments:
        if each is None:
            yield b""
            continue
        number += 1
        head = {
            "volume_id": each.volume_id,
            "parent": each.parent and each.parent.to_json(),
            "bytes": None if each.stream is None else len(each.stream),
            "error": each.error[:ERROR_CHARS],
        }
        yield _frame(head) + (each.stream or b"")
    yield _frame({"end": number})


def _frame(head: Mapping[str, Any]) -> bytes:
    text = json.dumps(head).encode()
    return _LENGTH.pack(len(text)) + text


def decode(chunks: Iterable[bytes], node: str, most: int) -> Iterator[Increment]:
    """The increments in the stream of frames that a node sends.

    Each increment is as `encode` was given it, whatever the node sends. No more is held in
    memory than one head and one small stream.

    Args:
        most: how many were asked for.

    Raises:
        TransferFailed: it broke off, or is no such stream; the message names the node.
    """
    reader = _Reader(chunks, node)
    for number in range(most + 1):
        head = reader.head()
        if "end" in head:
            reader.expect_end(head, number)
            return
        if number < most:
            yield reader.increment(head)
    raise reader.unreadable(f"more than the {most} asked for")


class _Reader:
    def __init__(self, chunks: Iterable[bytes], node: str) -> None:
        self._chunks = iter(chunks)
        self._node = node
        self._rest = bytearray()

    def unreadable(self, why: object) -> TransferFailed:
        return TransferFailed(
            f"the stream of increments from {self._node} cannot be read: {str(why)[:200]}; try "
            "again, and if that does not help, compare the versions in `flocker status`"
        )

    def head(self) -> dict[str, Any]:
        (length,) = _LENGTH.unpack(self._take(_LENGTH.size))
        if length > HEAD_BYTES:
            raise self.unreadable(f"a head of {length} bytes")
        try:
            head = json.loads(self._take(length))
        except (ValueError, RecursionError) as error:
            raise self.unreadable(repr(error)) from error
        if not isinstance(head, dict):
            raise self.unreadable(f"a head that is {head!r}")
        return head

    def increment(self, head: Mapping[str, Any]) -> Increment:
        try:
            volume_id = _text(head["volume_id"], NAME_CHARS)
            error = _text(head["error"], ERROR_CHARS, least=0)
            parent = None if head["parent"] is None else _snapshot(head["parent"])
            length = None if head["bytes"] is None else _number(head["bytes"], SMALL_BYTES)
            if length is not None and parent is None:
                raise ValueError(f"an increment of {volume_id} against nothing")
        except (KeyError, TypeError, ValueError) as failure:
            raise self.unreadable(repr(failure)) from failure
        stream = None if length is None else self._take(length)
        return Increment(volume_id, parent, stream, error)

    def expect_end(self, head: Mapping[str, Any], number: int) -> None:
        try:
            said = _number(head["end"], _LARGEST)
        except ValueError as failure:
            raise self.unreadable(repr(failure)) from failure
        if said != number or len(head) > 1:
            raise self.unreadable(f"{number} came of {said}")
        if self._rest or any(self._chunks):
            raise self.unreadable("more comes after the end")

    def _take(self, length: int) -> bytes:
        while len(self._rest) < length:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise TransferFailed(
                    f"the stream of increments from {self._node} broke off; try again"
                )
            self._rest += chunk
        taken = bytes(self._rest[:length])
        del self._rest[:length]
        return taken


def _snapshot(value: Mapping[str, Any]) -> Snapshot:
    snapshot = Snapshot.from_json(value)
    _number(snapshot.number, _LARGEST)
    _text(snapshot.identity, NAME_CHARS)
    _number(snapshot.epoch, _LARGEST)
    if snapshot.held_bytes is not None:
        _number(snapshot.held_bytes, _LARGEST)
    return snapshot


def _number(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:  # true and false are ints too
        raise ValueError(f"{value!r} is no number from 0 to {most}")
    return value


def _text(value: Any, most: int, least: int = 1) -> str:
    if not isinstance(value, str) or not least <= len(value) <= most:
        raise ValueError(f"{value!r} is no text of {least} to {most} characters")
    value.encode()  # half a pair of surrogates could not be shown or sent on
    return value
