"""A caller of any role and name, who asks a node's port for other machines."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import Any

import httpx2
from starlette.types import ASGIApp, Receive, Scope, Send

from flocker.api.callers import Caller
from flocker.base.config import Certificates
from flocker.certificates.tls import Tls
from tests.contract.flocker.peer_certificates import ADDRESS

Ask = Callable[..., httpx2.Response]


def asking(port: int, certificates: Certificates) -> Ask:
    """A function that asks node1 by method and path, with these certificates."""
    tls = Tls(certificates).client

    def ask(method: str, path: str, **content: Any) -> httpx2.Response:
        url = f"https://{ADDRESS}:{port}{path}"
        return httpx2.request(method, url, verify=tls, timeout=20, **content)

    return ask


def shown(answer: httpx2.Response) -> str:
    """The one line by which it was refused."""
    error: str = answer.json()["error"]
    assert "\n" not in error
    return error


def version_of(context: ssl.SSLContext, version: ssl.TLSVersion) -> ssl.SSLContext:
    """The same, speaking no newer TLS than that."""
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = version
    return context


def as_operator(app: ASGIApp) -> ASGIApp:
    """The app as it is asked by an operator, without a connection to tell so."""

    async def asked(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope["state"] = {**scope.get("state", {}), "caller": Caller("operator", "ann", "")}
        await app(scope, receive, send)

    return asked
