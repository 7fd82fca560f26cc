"""Headers of every answer, and the refusal of requests that come from another site."""

from __future__ import annotations

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

# The page and its script, style and pictures are all this app's; nothing else may run in it or
# frame it. The icon is inline. Cross-Origin-Opener-Policy is for https only: elsewhere it makes
# browsers complain.
SECURITY = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# Parts of a file of some kilobytes help nobody, and a long list of them costs a second of work.
IGNORED = (b"range", b"if-range")
READING = {"GET", "HEAD"}


class CommonHeaders:
    """Say on every answer which node gave it, and what a browser may do with it.

    None may be shown again unasked: without `no-cache` a browser may mix a new page with an old
    script. The page reads the node from its ping, so that its badge stays right when the address
    it asks moves to another node.
    """

    def __init__(self, app: ASGIApp, node: str) -> None:
        self.app = app
        self.node = node

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        caching = "no-store" if scope["path"].startswith("/v1/") else "no-cache"

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(SECURITY)
                headers["Served-By"] = self.node
                headers["Cache-Control"] = caching
            await send(message)

        await self.app(scope, receive, send_with_headers)


class OwnPageOnly:
    """Refuse changes that another site's page has a visitor's browser ask for.

    A browser names the page's site in Origin, on every request that may change something. What is
    no browser does not, and is served.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            if scope["method"] not in READING and is_foreign(headers):
                refusal = PlainTextResponse("only this app's own page may do that", status_code=403)
                await refusal(scope, receive, send)
                return
            scope["headers"] = [each for each in scope["headers"] if each[0] not in IGNORED]
        await self.app(scope, receive, send)


def is_foreign(headers: Headers) -> bool:
    """Tell whether a browser asks for a page from elsewhere; "null" is one without a site."""
    origin = headers.get("origin")
    return origin is not None and origin.partition("://")[2] != headers.get("host")
