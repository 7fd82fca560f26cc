"""A stream to another node, from its first byte to its end.

A stream has no length: it comes in frames, with signs of life and an end of its own (frames.py), so
one that breaks off cannot pass for whole.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from itertools import chain

import anyio
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Message, Receive, Scope, Send

from flocker.base.errors import TransferFailed
from flocker.streams import frames

# As long is waited for a node to take more of a stream: it gives up sooner if its disk hangs, and
# nobody else can tell that from a slow disk.
DISK_SECONDS = 600


class Outgoing(StreamingResponse):
    """A stream that ends with its answer: read to the end, broken off or never begun.

    When the other node hangs up, Starlette cancels the sending, wherever it is at that moment.
    One that stays and takes nothing is hung up on.
    """

    def __init__(
        self,
        first: bytes,
        chunks: Generator[bytes, None, None],
        count_sent: Callable[[int], None],
        to: str,
    ) -> None:
        content = frames.encode(_counted(first, chunks, count_sent))
        super().__init__(content, media_type=frames.MEDIA_TYPE)
        self._chunks = chunks
        self._to = to

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_in_time(message: Message) -> None:
            try:
                with anyio.fail_after(DISK_SECONDS):
                    await send(message)
            except TimeoutError as error:
                raise TransferFailed(
                    f"{self._to} has taken nothing of a stream for {DISK_SECONDS:g} s; it is ended"
                ) from error

        try:
            await super().__call__(scope, receive, send_in_time)
        finally:
            with anyio.CancelScope(shield=True):  # a cancelled answer could not wait for it
                await run_in_threadpool(self._chunks.close)


def _counted(
    first: bytes, chunks: Iterator[bytes], count_sent: Callable[[int], None]
) -> Iterator[bytes]:
    for chunk in chain([first], chunks):
        yield chunk
        count_sent(len(chunk))
