"""What many volumes changed, in one stream from their owner to a node with their replicas.

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

from flocker import liveness
from flocker.errors import BadRequest, PoolError, PoolHangs, TransferFailed
from flocker.liveness import Watch, of_thread
from flocker.pool import Pool
from flocker.records import Record, Snapshot
from flocker.replication import Retention

SMALL_BYTES = 256 << 10
AT_ONCE = 8  # increments that are made ready ahead of the one that is sent
_LENGTH = struct.Struct("!I")


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

    def __init__(self, pool: Pool, retention: Retention) -> None:
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
            "error": each.error,
        }
        yield _frame(head) + (each.stream or b"")
    yield _frame({"end": number})


def _frame(head: Mapping[str, Any]) -> bytes:
    text = json.dumps(head).encode()
    return _LENGTH.pack(len(text)) + text


def decode(chunks: Iterable[bytes]) -> Iterator[Increment]:
    """The increments in a stream of frames.

    Raises:
        TransferFailed: it broke off, or is no such stream.
    """
    reader = _Reader(chunks)
    number = 0
    while True:
        head = reader.head()
        if "end" in head:
            if head["end"] != number:
                raise TransferFailed("the stream of increments is not whole; try again")
            return
        number += 1
        try:
            parent = head["parent"] and Snapshot.from_json(head["parent"])
            stream = None if head["bytes"] is None else reader.take(int(head["bytes"]))
            yield Increment(head["volume_id"], parent, stream, head["error"])
        except (KeyError, TypeError, ValueError) as error:
            raise TransferFailed(f"a frame cannot be read: {error!r}") from error


class _Reader:
    def __init__(self, chunks: Iterable[bytes]) -> None:
        self._chunks = iter(chunks)
        self._rest = bytearray()

    def head(self) -> dict[str, Any]:
        (length,) = _LENGTH.unpack(self.take(_LENGTH.size))
        text = self.take(length)
        try:
            return dict(json.loads(text))
        except (TypeError, ValueError) as error:
            raise TransferFailed(f"a frame cannot be read: {error!r}") from error

    def take(self, length: int) -> bytes:
        while len(self._rest) < length:
            chunk = next(self._chunks, None)
            if chunk is None:
                raise TransferFailed("the stream of increments broke off; try again")
            self._rest += chunk
        taken = bytes(self._rest[:length])
        del self._rest[:length]
        return taken
