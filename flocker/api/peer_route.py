"""The work that every route on the port for other machines does before and after its own.

The connection's certificate says who asks. A caller who may not ask is refused before the
body is read (permissions.py). A body has a largest size and a time to come in. A change is written
to the journal with its caller and outcome.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from flocker.api import permissions
from flocker.api.callers import Caller
from flocker.api.operator_route import Handler, named_in, verb_of
from flocker.api.rights import Rights
from flocker.base import audit
from flocker.base.audit import Asker
from flocker.base.errors import FlockerError, NotAllowed

LARGEST_BODY_BYTES = 16 << 20  # what a node lacks and has of 2,000 volumes takes 6 MB
BODY_SECONDS = 20.0


class PeerRoute(APIRoute):
    """A route that only its callers may ask, by `app.state.rights` and the table of permissions."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **more: Any) -> None:
        super().__init__(path, endpoint, **{**more, "max_body_size": LARGEST_BODY_BYTES})

    def get_route_handler(self) -> Handler:
        """The route's own handler, behind what is true of all."""
        handle = super().get_route_handler()
        [method] = self.methods or {""}
        permission = permissions.permission(method, self.path)

        async def handle_permitted(request: Request) -> Response:
            about = "".join(request.path_params.get(key, "") for key in ("name", "volume_id"))
            verb = f"{method} {self.path}" if not permission.is_change else verb_of(request)
            try:
                caller = caller_of(request)
                rights: Rights = request.app.state.rights
                check = partial(permissions.check, permission, caller, about, rights)
                await run_in_threadpool(check)
            except FlockerError as error:
                audit.refused(str(request.state.caller), verb, about, str(error))
                raise
            try:
                async with asyncio.timeout(BODY_SECONDS):
                    await request.body()
            except TimeoutError as error:
                raise HTTPException(408, f"no whole request within {BODY_SECONDS:g} s") from error
            if permission.is_change:
                about = about or await named_in(request)
            with audit.asked(_asker(request, caller), verb, about, is_change=permission.is_change):
                return await handle(request)

        return handle_permitted


def caller_of(request: Request) -> Caller:
    """The caller of a request.

    Raises:
        NotAllowed: the certificate does not tell.
    """
    caller: Caller | NotAllowed = request.state.caller
    if isinstance(caller, NotAllowed):
        raise caller
    return caller


def _asker(request: Request, caller: Caller) -> Asker:
    if caller.role == "operator":
        return Asker("person", caller.name, caller.address)
    match request.headers.get(audit.FORWARDED_HEADER):
        case "operator":
            return Asker("operator", caller.name, caller.address)
        case "engine":
            return Asker("engine", caller.name, caller.address)
        case _:
            return Asker("node", caller.name, caller.address)
