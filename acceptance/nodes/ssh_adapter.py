"""HTTP to the engine of a node through the ssh connection to that node, for requests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from paramiko import SSHException
from requests import PreparedRequest
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPResponse
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError

from acceptance.nodes.shell import Shell

KEPT = 10  # connections; more are made when more threads ask at once, and closed after that


class SshAdapter(HTTPAdapter):
    """Takes every request to the engine behind `shell`, whatever host its URL names."""

    def __init__(self, shell: Shell) -> None:
        super().__init__()
        self._shell = shell
        self._pool = _Pool(shell)

    def get_connection_with_tls_context(self, *_: Any, **__: Any) -> HTTPConnectionPool:
        """See HTTPAdapter; the connections there are."""
        return self._pool

    def request_url(self, request: PreparedRequest, proxies: Any) -> str:  # noqa: ARG002
        """See HTTPAdapter; no proxy has a part in it."""
        return request.path_url

    def close(self) -> None:
        """Close the connections; the next request makes new ones."""
        super().close()
        old, self._pool = self._pool, _Pool(self._shell)
        old.close()


class _Pool(HTTPConnectionPool):
    def __init__(self, shell: Shell) -> None:
        super().__init__("engine", maxsize=KEPT)
        self._shell = shell

    def _new_conn(self) -> HTTPConnection:
        return _Connection(self._shell)


class _Connection(HTTPConnection):
    """A channel of the ssh connection, where http.client expects a socket."""

    sock: Any  # a Channel, which has a socket's methods as far as they are used here

    def __init__(self, shell: Shell) -> None:
        super().__init__("engine")
        self._shell = shell

    def connect(self) -> None:
        assert isinstance(self.timeout, int | float), "whoever connects must not wait without end"
        try:
            self.sock = self._shell.engine(self.timeout)
        except (OSError, EOFError, SSHException) as error:
            raise NewConnectionError(self, str(error)) from error
        self.sock.settimeout(self.timeout)

    @property
    def is_connected(self) -> bool:
        """Tell whether another question may go this way; a file number would need a pipe."""
        sock = self.sock
        return sock is not None and not (sock.closed or sock.eof_received or sock.recv_ready())

    def send(self, data: Any) -> None:
        with _as_broken_connection():
            super().send(data)

    def getresponse(self) -> HTTPResponse:  # type: ignore[override]  # as in urllib3
        with _as_broken_connection():
            return super().getresponse()


@contextmanager
def _as_broken_connection() -> Iterator[None]:
    """Paramiko's errors as the one that requests knows."""
    try:
        yield
    except (EOFError, SSHException) as error:
        raise ConnectionResetError(f"the ssh connection broke: {error!r}") from error
