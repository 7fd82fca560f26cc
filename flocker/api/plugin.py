"""The engine's side of the daemon: Docker's volume plugin protocol.

Translates only: JSON in, one call of the driver, JSON out. The engine names a
content type of its own, and dockerd's Host header is a dummy, so neither is looked at.

dockerd repeats a call that got no answer without its body, and takes every answer to a Get that
holds no volume for "no such volume" (docs/decisions/0001). So a call that cannot be answered for
any other reason is refused, and a Get then gets no answer at all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol, TypeVar

import anyio.to_thread
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError

from flocker.api.operator_route import OperatorRoute
from flocker.base import audit
from flocker.base.audit import Asker
from flocker.base.errors import BadRequest, ControlPlaneAway, FlockerError, VolumeNotFound
from flocker.volumes.descriptions import Description
from flocker.volumes.driver import Driver

log = logging.getLogger(__name__)

MEDIA_TYPE = "application/vnd.docker.plugins.v1.2+json"
LARGEST_BODY_BYTES = 1 << 20

GET = "VolumeDriver.Get"
LOST = (
    "the call reached flocker without its content, because flocker was ended in the middle of it; "
    "type the command again"
)
ENDING = "flocker is being restarted and could not finish this before; type the command again"

Answer = dict[str, Any]


class Nothing(BaseModel):
    """A call without arguments; what is sent along is not looked at."""


class CreateRequest(BaseModel):
    """Opts is null when no option was given."""

    Name: str
    Opts: dict[str, str] | None = None


class NameRequest(BaseModel):
    """A call about one volume."""

    Name: str


class MountRequest(BaseModel):
    """ID is the engine's for one use of the volume; older engines send none."""

    Name: str
    ID: str = Field(default="")


Asked = TypeVar("Asked", bound=BaseModel)


class Waiter(Protocol):
    """The engine, as it waits for an answer: `request.state.waiter`, set by serving.py.

    The port for other machines has a `callers.Caller`, which says who asks.
    """

    def has_gone(self) -> bool:
        """Tell whether nobody waits for the answer any more."""

    def hang_up(self) -> None:
        """Close the connection without an answer."""


def serve_engine(driver: Driver, observe: Callable[[str, float], None], node: str = "") -> FastAPI:
    """The application behind the plugin socket.

    Args:
        node: this one.
        observe: told of every call: its name, and the seconds it took.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    def on(
        call: str,
        asked: type[Asked],
        answer: Callable[[Asked], Answer],
        undo: Callable[[Asked], Answer] | None = None,
        is_for_nobody: bool = False,
        is_change: bool = False,
    ) -> None:
        """Answer one call of the protocol.

        Args:
            undo: takes back what was done, if nobody waits for the answer by then.
            is_for_nobody: do it although nobody waits for the answer.
            is_change: write it to the journal, with who asked.
        """

        def answer_known(body: Asked) -> Answer:
            verb = call.rpartition(".")[2].lower()
            about = getattr(body, "Name", "")
            with audit.asked(Asker("engine", node), verb, about, is_change=is_change):
                return answer(body)

        async def endpoint(request: Request) -> JSONResponse:
            waiter: Waiter = request.state.waiter
            started = time.monotonic()
            content = await _read(request)
            if not content and asked is not Nothing:
                return _unknown(request, LOST)
            body = _parse(asked, content)
            if waiter.has_gone() and not is_for_nobody:
                return _unknown(request, "nobody waits for the answer any more")
            try:
                # Abandoned when the server ends before it is done.
                said = await anyio.to_thread.run_sync(
                    partial(answer_known, body), abandon_on_cancel=True
                )
            except asyncio.CancelledError:
                return _unknown(request, ENDING)
            finally:
                observe(call, time.monotonic() - started)
            if undo is not None and waiter.has_gone():
                await anyio.to_thread.run_sync(partial(undo, body))
            return _json(said)

        app.add_api_route(f"/{call}", endpoint, methods=["POST"])

    def activate(_: Nothing) -> Answer:
        driver.engine_started()
        return {"Implements": ["VolumeDriver"]}

    def create(asked: CreateRequest) -> Answer:
        driver.create(asked.Name, asked.Opts or {})
        return {"Err": ""}

    def remove(asked: NameRequest) -> Answer:
        driver.remove(asked.Name)
        return {"Err": ""}

    def mount(asked: MountRequest) -> Answer:
        return {"Mountpoint": str(driver.mount(asked.Name, asked.ID)), "Err": ""}

    def unmount(asked: MountRequest) -> Answer:
        driver.unmount(asked.Name, asked.ID)
        return {"Err": ""}

    def path(asked: NameRequest) -> Answer:
        return {"Mountpoint": _volume(driver.describe(asked.Name))["Mountpoint"], "Err": ""}

    def get(asked: NameRequest) -> Answer:
        described = driver.describe(asked.Name)
        return {
            "Volume": {**_volume(described), "Status": driver.status(described.volume)},
            "Err": "",
        }

    def list_all(_: Nothing) -> Answer:
        return {"Volumes": [_volume(volume) for volume in driver.describe_all()], "Err": ""}

    on("Plugin.Activate", Nothing, activate)
    on("VolumeDriver.Create", CreateRequest, create, is_change=True)
    on("VolumeDriver.Remove", NameRequest, remove, is_change=True)
    # An engine that gave up waiting never asks for the unmount (docs/decisions/0001).
    on("VolumeDriver.Mount", MountRequest, mount, undo=unmount, is_change=True)
    # A use that has ended has ended, also when the engine did not wait for us to hear of it.
    on("VolumeDriver.Unmount", MountRequest, unmount, is_for_nobody=True, is_change=True)
    on("VolumeDriver.Path", NameRequest, path)
    on(GET, NameRequest, get)
    on("VolumeDriver.List", Nothing, list_all)
    on("VolumeDriver.Capabilities", Nothing, lambda _: {"Capabilities": {"Scope": "global"}})

    # Operators' routes are added to the same socket.
    app.state.node = node
    app.router.route_class = OperatorRoute

    @app.exception_handler(FlockerError)
    def refuse(request: Request, error: Exception) -> JSONResponse:
        # A Get gets these as answers, too. While etcd is away that happens only to a name that this
        # node has never heard of (Mirror.volume). Its engine has nothing to forget then, and must
        # not wait long for a volume that is another driver's.
        if not isinstance(error, BadRequest | VolumeNotFound | ControlPlaneAway):
            return _unknown(request, str(error), 500)
        log.warning("%s refused: %s", request.scope["path"], error)
        return _json({"Err": str(error)}, 400 if isinstance(error, BadRequest) else 500)

    @app.exception_handler(Exception)
    def fail(request: Request, error: Exception) -> JSONResponse:
        log.error("%s failed", request.scope["path"], exc_info=error)
        return _unknown(request, f"flocker failed: {error!r}; its journal tells more", 500)

    return app


def refuse_engine(why: str) -> FastAPI:
    """The application behind the plugin socket of a daemon that cannot start."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    async def endpoint(request: Request) -> JSONResponse:
        return _unknown(request, f"flocker cannot start on this node: {why}")

    app.add_api_route("/{call:path}", endpoint, methods=["POST"])
    return app


def _unknown(request: Request, why: str, status_code: int = 503) -> JSONResponse:
    """The answer to a call of which nothing can be told but why."""
    # Not of the URL: that is made of dockerd's Host header, which is none.
    log.warning("%s refused: %s", request.scope["path"], why)
    if request.scope["path"] == f"/{GET}":
        waiter: Waiter = request.state.waiter
        waiter.hang_up()
    return _json({"Err": why}, status_code)


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


def _volume(described: Description) -> Answer:
    return {
        "Name": described.volume.name,
        "Mountpoint": str(described.mountpoint or ""),
        "CreatedAt": described.volume.created_at,
    }


def _json(content: Answer, status_code: int = 200) -> JSONResponse:
    return JSONResponse(content, status_code=status_code, media_type=MEDIA_TYPE)
