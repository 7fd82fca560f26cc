"""A way onto a node over ssh: commands as a person types them, and the engine's socket."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from threading import Lock

from fabric import Config, Connection
from paramiko import (
    Channel,
    ChannelException,
    HostKeys,
    Message,
    RejectPolicy,
    SSHException,
    Transport,
)
from paramiko.common import cMSG_CHANNEL_OPEN

from acceptance.nodes.watchful import CONNECT_SECONDS, watch

ENGINE_SOCKET = "/run/docker.sock"
SSH_PORT = 22
GREETING_SECONDS = 15  # sshd begins a process for each connection before it says a word
logging.getLogger("paramiko").addHandler(logging.NullHandler())  # what it logs it also raises
_KIND = "direct-streamlocal@openssh.com"  # source: OpenSSH, PROTOCOL, section 2.4


class Shell(Connection):  # type: ignore[misc]  # Fabric has no annotations
    """One ssh connection to a node, which several threads may use; it opens when it is needed.

    A node is talked to only if it shows the host key that `known_hosts` has for it.

    Args:
        keys: private keys to try.
        has_agent: whether those of the user's agent are tried too.
        known_as: the name by which `known_hosts` has it, if that is not its address.

    `open` raises:
        BadHostKeyException: it shows another key.
        SSHException: no key of it is known, or something else than ssh answers.
        OSError, EOFError: it does not answer, or went away.
    """

    # Fabric takes what its class does not have for a setting.
    _opening = Lock()
    known_hosts = Path()

    def __init__(
        self,
        host: str,
        user: str,
        port: int,
        keys: Sequence[Path],
        *,
        has_agent: bool,
        known_hosts: Path,
        known_as: str | None = None,
    ) -> None:
        super().__init__(
            host,
            user=user,
            port=port,
            config=Config(overrides={"load_ssh_configs": False}),  # the user's are for others
            connect_timeout=CONNECT_SECONDS,
            connect_kwargs={
                "banner_timeout": GREETING_SECONDS,
                "key_filename": [str(key) for key in keys],
                "look_for_keys": False,  # they would be root's, behind sudo
                "allow_agent": has_agent,
                "transport_factory": _SocketTransport,
            },
        )
        self._opening = Lock()
        self.known_hosts = known_hosts
        name = host if port == SSH_PORT else f"[{host}]:{port}"
        known = HostKeys(str(known_hosts)) if known_hosts.exists() else HostKeys()
        for kind, key in (known.lookup(known_as or name) or {}).items():
            self.client.get_host_keys().add(name, kind, key)
        self.client.set_missing_host_key_policy(RejectPolicy())

    def open(self) -> None:
        """Open it, unless it is open."""
        self._opened()

    def engine(self, within: float) -> Channel:
        """A new connection to the engine's socket there.

        Raises:
            SSHException: sshd did not make it within so many seconds.
            OSError, EOFError: the node does not answer.
        """
        try:
            return self._opened().open_channel(_KIND, timeout=within)
        except ChannelException as error:  # sshd does not say more
            raise SSHException(
                f"sshd did not connect {self.user} to {ENGINE_SOCKET}: the engine does not run, "
                f"{self.user} is not in the group docker, or sshd_config forbids it "
                "(AllowStreamLocalForwarding, DisableForwarding)"
            ) from error

    def _opened(self) -> Transport:
        with self._opening:
            if not self.is_connected:
                super().open()
                watch(self.transport.sock)
            transport: Transport = self.transport
        return transport


class _SocketTransport(Transport):
    """Paramiko can open a channel of any kind, but says where to only for those it knows."""

    def _send_user_message(self, data: Message) -> None:
        if data.asbytes().startswith(_OPENING):
            data.add_string(ENGINE_SOCKET)
            data.add_string("")  # reserved, and so is the number
            data.add_int(0)
        super()._send_user_message(data)  # type: ignore[misc]  # not in its stubs


def _opening() -> bytes:
    """The beginning of a message that opens a channel to a socket."""
    message = Message()
    message.add_byte(cMSG_CHANNEL_OPEN)
    message.add_string(_KIND)
    return message.asbytes()


_OPENING = _opening()
