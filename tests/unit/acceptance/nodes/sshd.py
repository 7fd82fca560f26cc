"""An sshd of a test's own on this machine, before an engine of the test's own."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from paramiko import (
    OPEN_FAILED_CONNECT_FAILED,
    OPEN_SUCCEEDED,
    Channel,
    ECDSAKey,
    Message,
    PKey,
    ServerInterface,
    SSHException,
    Transport,
)
from paramiko.common import AUTH_SUCCESSFUL

from acceptance.nodes.shell import Shell

ADDRESS = "127.0.0.1"
USER = "somebody"
BYTES = 1 << 16


class Sshd(ServerInterface):
    """Lets everybody in, and connects them to the engine's socket at `engine`.

    Attributes:
        host_key: what it shows to whoever connects from now on.
        asked_for: what follows the kind in each request for a channel.
        before_opening: is called before a channel is granted.
        logins: how many users it has let in.
    """

    def __init__(self, engine: Path) -> None:
        self.host_key: PKey = ECDSAKey.generate()
        self.asked_for: list[tuple[str, str, int, bytes]] = []
        self.before_opening: Callable[[], object] = lambda: None
        self.logins = 0
        self._engine = engine
        self._transports: list[Transport] = []
        self._listening = socket.create_server((ADDRESS, 0))
        self.port = int(self._listening.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def check_auth_publickey(self, username: str, key: PKey) -> int:  # noqa: ARG002
        self.logins += 1
        return AUTH_SUCCESSFUL

    def get_allowed_auths(self, username: str) -> str:  # noqa: ARG002
        return "publickey"

    def check_channel_request(self, kind: str, chanid: int) -> int:  # noqa: ARG002
        assert kind == "direct-streamlocal@openssh.com", kind
        self.before_opening()
        return OPEN_SUCCEEDED if self._engine.exists() else OPEN_FAILED_CONNECT_FAILED

    def hang_up(self) -> None:
        """End all connections, as a node does that goes down."""
        for transport in self._transports:
            transport.close()

    def close(self) -> None:
        self._listening.close()
        self.hang_up()

    def _serve(self) -> None:
        with suppress(OSError):  # closed
            while True:
                connected, _ = self._listening.accept()
                threading.Thread(target=self._talk, args=(connected,), daemon=True).start()

    def _talk(self, connected: socket.socket) -> None:
        transport = _ServerTransport(connected, self.asked_for)
        self._transports.append(transport)
        transport.add_server_key(self.host_key)
        with suppress(EOFError, OSError, SSHException):  # the client went away
            transport.start_server(server=self)
            while transport.is_active():
                channel = transport.accept(0.2)
                if channel is not None:
                    self._connect(channel)

    def _connect(self, channel: Channel) -> None:
        engine = socket.socket(socket.AF_UNIX)
        engine.connect(str(self._engine))
        for source, target in ((channel, engine), (engine, channel)):
            threading.Thread(target=_pump, args=(source, target), daemon=True).start()


class _ServerTransport(Transport):
    """Keeps what Paramiko does not read of a request for a channel."""

    def __init__(
        self, connected: socket.socket, asked_for: list[tuple[str, str, int, bytes]]
    ) -> None:
        super().__init__(connected)
        self._asked_for = asked_for

    def _parse_channel_open(self, message: Message) -> None:
        copy = Message(message.asbytes())
        copy.get_text()
        for _ in range(3):
            copy.get_int()
        self._asked_for.append(
            (copy.get_text(), copy.get_text(), copy.get_int(), copy.get_remainder())
        )
        super()._parse_channel_open(message)


def _pump(source: socket.socket | Channel, target: socket.socket | Channel) -> None:
    with suppress(OSError, EOFError):  # either end may be closed at any time
        while data := source.recv(BYTES):
            target.sendall(data)
    target.close()


@contextmanager
def sshd(engine: Path) -> Iterator[Sshd]:
    running = Sshd(engine)
    try:
        yield running
    finally:
        running.close()


def log_in(running: Sshd, folder: Path, known: PKey | None) -> Shell:
    """Somebody's connection to it, who knows it by that key."""
    key, known_hosts = folder / "id_ecdsa", folder / "known_hosts"
    if not key.exists():
        ECDSAKey.generate().write_private_key_file(str(key))
    known_hosts.write_text(
        "" if known is None else f"node1 {known.get_name()} {known.get_base64()}\n"
    )
    return Shell(
        ADDRESS, USER, running.port, [key],
        has_agent=False, known_hosts=known_hosts, known_as="node1",
    )  # fmt: skip
