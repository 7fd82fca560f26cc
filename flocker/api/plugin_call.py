"""One call of Docker's volume plugin protocol, from the request of the engine to the answer.

The engine names a content type of its own, and dockerd's Host header is a dummy, so neither is
looked at.

dockerd repeats a call that got no answer without its body, and takes every answer to a Get that
holds no volume for "no such volume" (docs/decisions/0001). So a call that cannot be answered for
any other reason is refused, and a Get then gets no answer at all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

import anyio.to_thread
from fastapi import Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ValidationError

from flocker.base import audit
from flocker.base.audit import Asker
from flocker.base.errors import BadRequest, ControlPlaneAway, VolumeNotFound

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json"
LARGEST_BODY_BYTES = 1 << 20

GET = "VolumeDriver.Get"
NO_CONTENT = (
    "the call reached flocker without its content, because flocker was ended in the middle of it; "
    "type the command again"
)
ENDING = "flocker is being restarted and could not finish this before; type the command again"

Answer = dict[str, Any]
Observe = Callable[[str, float], None]
"""Told of every call: its name, and the seconds it took."""


class NoArguments(BaseModel):
    """A call without arguments; what is sent along is not looked at."""


Asked = TypeVar("Asked", bound=BaseModel)


class Waiter(Protocol):
    """The engine, as it waits for an answer: `request.state.waiter`, set by serving.py.

    The port for other machines has a `callers.Caller`, which says who asks.
    """

    def has_gone(self) -> bool:
        """Tell whether nobody waits for the answer any more."""

    def hang_up(self) -> None:
        """Close the connection without an answer."""


@dataclass(frozen=True)
class Call(Generic[Asked]):
    """One call of the protocol, and the work that answers it.

    Attributes:
        name: as in the protocol.
        asked: the shape of its body.
        answer: the work, in a thread.
        undo: takes back what was done, if nobody waits for the answer by then.
        is_for_nobody: do it although nobody waits for the answer.
        is_change: write it to the journal, with who asked.
    """

    name: str
    asked: type[Asked]
    answer: Callable[[Asked], Answer]
    undo: Callable[[Asked], Answer] | None = None
    is_for_nobody: bool = False
    is_change: bool = False

    def endpoint(
        self, node: str, observe: Observe
    ) -> Callable[[Request], Coroutine[Any, Any, JSONResponse]]:
        """The route that reads this call from a request and answers it.

        Args:
            node: this one.
        """

        async def read_and_answer(request: Request) -> JSONResponse:
            waiter: Waiter = request.state.waiter
            started = time.monotonic()
            content = await _read(request)
            if not content and self.asked is not NoArguments:
                return refusal(request, NO_CONTENT)
            body = _parse(self.asked, content)
            if waiter.has_gone() and not self.is_for_nobody:
                return refusal(request, "nobody waits for the answer any more")
            try:
                # Abandoned when the server ends before it is done.
                answer = await anyio.to_thread.run_sync(
                    partial(self._work, node, body), abandon_on_cancel=True
                )
            except asyncio.CancelledError:
                return refusal(request, ENDING)
            finally:
                observe(self.name, time.monotonic() - started)
            if self.undo is not None and waiter.has_gone():
                await anyio.to_thread.run_sync(partial(self.undo, body))
            return _json(answer)

        return read_and_answer

    def _work(self, node: str, body: Asked) -> Answer:
        verb = self.name.rpartition(".")[2].lower()
        about = getattr(body, "Name", "")
        with audit.asked(Asker("engine", node), verb, about, is_change=self.is_change):
            return self.answer(body)


def refusal(request: Request, why: str, status_code: int = 503) -> JSONResponse:
    """Refuse a call of which nothing can be told but why; hang up on a Get."""
    # Not of the URL: that is made of dockerd's Host header, which is none.
    log.warning("%s refused: %s", request.scope["path"], why)
    if request.scope["path"] == f"/{GET}":
        waiter: Waiter = request.state.waiter
        waiter.hang_up()
    return _json({"Err": why}, status_code)


def refuse(request: Request, error: Exception) -> JSONResponse:
    """Answer a call that ended with a FlockerError."""
    # A Get gets these as answers, too. While etcd is away that happens only to a name that this
    # node has never heard of (Mirror.volume). Its engine has nothing to forget then, and must
    # not wait long for a volume that is another driver's.
    if not isinstance(error, BadRequest | VolumeNotFound | ControlPlaneAway):
        return refusal(request, str(error), 500)
    log.warning("%s refused: %s", request.scope["path"], error)
    return _json({"Err": str(error)}, 400 if isinstance(error, BadRequest) else 500)


def fail(request: Request, error: Exception) -> JSONResponse:
    """Answer a call that met a defect."""
    log.error("%s failed", request.scope["path"], exc_info=error)
    return refusal(request, f"flocker failed: {error!r}; its journal tells more", 500)


async def _read(request: Request) -> bytes:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_BODY_BYTES:
            raise BadRequest(f"a request may have {LARGEST_BODY_BYTES} bytes at most")
    return body


def _parse(asked: type[Asked], body: bytes) -> Asked:
    try:
        return asked.model_validate_json(body or b"{}")
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(map(str, problem['loc'])) or 'body'}: {problem['msg']}"
            for problem in error.errors()
        )
        raise BadRequest(f"the request is not as the plugin protocol says: {problems}") from error


def _json(content: Answer, status_code: int = 200) -> JSONResponse:
    return JSONResponse(content, status_code=status_code, media_type=MEDIA_TYPE)
