"""The suite talks to this machine and its nodes only, so it asks neither proxies nor their CAs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

PROXY_VARIABLES = tuple(
    spelled
    for name in ("http_proxy", "https_proxy", "all_proxy")
    for spelled in (name, name.upper())
)
# requests prefers these to the CA it is given (psf/requests#3829).
CA_VARIABLES = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


@contextmanager
def direct_connections() -> Iterator[None]:
    """Hide the host's proxies and CA bundle from this process, and from what it starts.

    requests, Selenium, Chromium and the Docker SDK each look for them in their own way, the last
    one before it can be told not to.
    """
    names = [name for name in (*PROXY_VARIABLES, *CA_VARIABLES) if name in os.environ]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)
