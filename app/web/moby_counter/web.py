"""The web app: three addresses of JSON and text, and the page that uses them."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from moby_counter.headers import CommonHeaders, OwnPageOnly
from moby_counter.storage import SeaFull, Storage, StorageAway
from moby_counter.whales import MAX_WHALE_BYTES, BadWhale, parse_whale

log = logging.getLogger(__name__)

PAGE = Path(__file__).parent / "page"
BODY_SECONDS = 5.0


def create_app(storage: Storage, node: str) -> Starlette:
    """The app, keeping whales in `storage` and naming `node` in the header Served-By."""
    app = Starlette(
        routes=[
            Route("/v1/ping", Ping),
            Route("/v1/whales", Whales),
            Mount("/", StaticFiles(directory=PAGE, html=True)),
        ],
        middleware=[Middleware(CommonHeaders, node=node), Middleware(OwnPageOnly)],
        exception_handlers={BadWhale: refuse, SeaFull: say_full, StorageAway: say_away},
    )
    app.state.storage = storage
    app.state.connected = None
    return app


class Ping(HTTPEndpoint):
    """The answer to a ping: can whales be read and placed now?"""

    async def get(self, request: Request) -> Response:
        connected = await request.app.state.storage.is_connected()
        if connected != request.app.state.connected:
            # The page asks every second; the log gets the changes only.
            log.info("storage is connected" if connected else "storage is away")
            request.app.state.connected = connected
        return JSONResponse({"connected": connected})


class Whales(HTTPEndpoint):
    """All whales, and placing one more."""

    async def get(self, request: Request) -> Response:
        return JSONResponse(await request.app.state.storage.all())

    async def post(self, request: Request) -> Response:
        whale = parse_whale(await read_small_body(request))
        await request.app.state.storage.add(whale)
        log.info("whale %s is on disk", whale)
        return PlainTextResponse("ok")


async def read_small_body(request: Request) -> bytes:
    """The body, read no further than a whale can be long.

    Raises:
        HTTPException: 413 when it is longer, 408 when it does not arrive, 400 when it ends early.
    """
    body = b""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                body += chunk
                if len(body) > MAX_WHALE_BYTES:
                    raise HTTPException(413, f"a whale has at most {MAX_WHALE_BYTES} bytes")
    except TimeoutError:
        raise HTTPException(408, f"no whale arrived within {BODY_SECONDS:.0f} s") from None
    except ClientDisconnect:
        raise HTTPException(400, "the visitor left before the whale was complete") from None
    return body


async def refuse(_: Request, error: Exception) -> Response:
    """Answer a request that is not well formed."""
    return PlainTextResponse(str(error), status_code=400)


async def say_full(_: Request, error: Exception) -> Response:
    """Answer a click on a sea that has as many whales as it can have."""
    return PlainTextResponse(str(error), status_code=409)


async def say_away(_: Request, error: Exception) -> Response:
    """Answer while the storage does not."""
    log.warning("%s", error)
    return PlainTextResponse(str(error), status_code=503)
