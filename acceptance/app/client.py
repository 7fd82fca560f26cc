"""moby-counter over HTTP, as a script sees it."""

from __future__ import annotations

import requests

from acceptance.app.whale import Whale
from acceptance.base.speed import Limit

CONNECT_SECONDS = 2.0
READ_SECONDS = 5.0
SAVE_SECONDS = 30.0  # the app answers after the whale is on disk


class MobyCounter:
    """The app at one address.

    Every call is bounded in time (see acceptance.base.speed) and raises requests' exceptions:
    ConnectionError, Timeout, and HTTPError with what the app said.
    """

    def __init__(self, address: str) -> None:
        """`address` is a node's, e.g. 172.16.78.250; with a port only where it is not 80."""
        self._url = f"http://{address}"
        self._session = requests.Session()
        self._session.trust_env = False  # a proxy of the host's is no way to a node

    def whales(self, *, within: float = READ_SECONDS) -> list[Whale]:
        """All whales, oldest first.

        Raises:
            ValueError: the answer is not a list of "x:y".
        """
        answer = self._request("GET", "/v1/whales", within).json()
        if not isinstance(answer, list):
            raise ValueError(f"expected a list of whales from {self._url}, got {answer!r}")
        return [Whale.parse(whale) for whale in answer]

    def place(self, whale: Whale) -> None:
        """Place a whale; when this returns, it is on disk.

        Raises:
            ValueError: the app answered something else than `ok`.
        """
        answer = self._request("POST", "/v1/whales", SAVE_SECONDS, body=str(whale)).text
        if answer != "ok":
            raise ValueError(f"expected ok from {self._url}, got {answer!r}")

    def ping(self) -> bool:
        """True if the app reaches its database, Redis or Postgres."""
        return bool(self._request("GET", "/v1/ping", READ_SECONDS).json()["connected"])

    def _request(
        self, method: str, path: str, within: float, body: str | None = None
    ) -> requests.Response:
        connect, read = Limit(min(CONNECT_SECONDS, within)), Limit(within)
        response = self._session.request(
            method,
            self._url + path,
            data=body,
            timeout=(connect.seconds, read.seconds),
            # A connection kept open would outlive the app's move and hide it.
            headers={"Connection": "close", "Content-Type": "text/plain"},
        )
        if not response.ok:
            message = response.text.strip()[:200]
            raise requests.HTTPError(
                f"{method} {self._url}{path}: {response.status_code} {message}", response=response
            )
        return response
