"""Routes for operators on a node's own socket, each of which knows its caller."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from itertools import chain
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute

from flocker.base import audit
from flocker.base.audit import Asker

LONGEST_ABOUT = 500  # characters of it in the journal
_NAMES = ("volume", "volumes", "reference", "references", "volume_ids", "name", "to")

Handler = Callable[[Request], Coroutine[Any, Any, Response]]


class OperatorRoute(APIRoute):
    """A route of an app whose `state.node` is this node; only root may open its socket."""

    def get_route_handler(self) -> Handler:
        """The route's own handler, whose work knows for whom it is done."""
        handle = super().get_route_handler()
        is_change = "POST" in (self.methods or ())

        async def handle_known(request: Request) -> Response:
            about = await named_in(request) if is_change else ""
            by = Asker("operator", request.app.state.node)
            with audit.asked(by, verb_of(request), about, is_change=is_change):
                return await handle(request)

        return handle_known


def verb_of(request: Request) -> str:
    """The last word of the path: `release`, `snapshot`, `purge`."""
    return request.url.path.rpartition("/")[2]


async def named_in(request: Request) -> str:
    """The volumes, snapshots and nodes that the body names."""
    try:
        body = await request.json()
    except ValueError:
        return ""
    if not isinstance(body, dict):
        return ""
    named = [body[key] for key in _NAMES if body.get(key)]
    each = chain.from_iterable(part if isinstance(part, list) else [part] for part in named)
    return ", ".join(map(str, each))[:LONGEST_ABOUT]
