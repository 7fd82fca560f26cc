"""The commands to Ceph's monitors that change who may write to a folder of a file system.

All of them may be repeated. They go through librados: the `ceph` program needs up to a second for
each. The node's identity needs these capabilities, and no more:

    mon  allow r,
         allow command "osd blocklist" with blocklistop=add,
         allow command "auth rm" with entity prefix client.flocker.,
         allow command "fs authorize" with filesystem=<name> entity prefix client.flocker.

Source: Ceph 16.2 and 18.2, src/mon/MonCommands.h.
"""

from __future__ import annotations

import errno
import json
import threading
from pathlib import Path
from types import TracebackType
from typing import Any

import rados

from flocker.base.errors import PoolError

ANSWER_SECONDS = 15  # a monitor that was lost is replaced by the next within some seconds
TIMEOUTS = ("client_mount_timeout", "rados_mon_op_timeout", "rados_osd_op_timeout")
# Longer than any pause of a client: one that wakes up after its entry has ended may write again.
BLOCKED_SECONDS = 315_360_000


class Monitors:
    """A connection to the monitors of one Ceph cluster, as one identity; safe for many threads.

    It is made by the first command: a node starts whether or not Ceph is there.

    Args:
        conf: Ceph's configuration; it names the monitors.
        identity: e.g. `client.flocker-node`.
        keyring: the file with that identity's key.
    """

    def __init__(self, conf: Path, identity: str, keyring: Path) -> None:
        self._conf = conf
        self._identity = identity
        self._keyring = keyring
        self._connecting = threading.Lock()
        self._rados: rados.Rados | None = None

    def __enter__(self) -> Monitors:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if self._rados is not None:
            self._rados.shutdown()

    def authorize(self, filesystem: str, identity: str, folder: str) -> str:
        """Let an identity read and write below a folder of a file system; return its key.

        Args:
            folder: as an absolute path in the file system.

        Raises:
            PoolError: the identity has rights to another folder already, or no monitor answers.
        """
        granted = self.ask(
            "fs authorize", filesystem=filesystem, entity=identity, caps=[folder, "rw"]
        )
        [entry] = granted
        key: str = entry["key"]
        return key

    def forget(self, identity: str) -> None:
        """Have an identity be refused when it connects; that alone stops no client that runs."""
        self.ask("auth rm", entity=identity)

    def block(self, address: str) -> None:
        """Have all storage refuse a client from now on, however long it pauses.

        Returns when the monitors have recorded it, before each of the storage daemons knows.

        Args:
            address: e.g. `127.0.0.1:0/3903233866`, which is of one mount and never comes again.
        """
        self.ask("osd blocklist", blocklistop="add", addr=address, expire=float(BLOCKED_SECONDS))

    def ask(self, prefix: str, **arguments: object) -> Any:
        """Send a command; return what its JSON answer holds, or None if it is empty.

        Raises:
            PoolError: it was refused, or no monitor answers.
        """
        command = json.dumps({"prefix": prefix, "format": "json", **arguments})
        asked = self._connected()
        try:
            status, answer, said = asked.mon_command(command, b"", timeout=ANSWER_SECONDS)
        except rados.Error as error:
            raise PoolError(f"Ceph did not answer to '{prefix}': {error}") from error
        if status != 0:
            why = said or errno.errorcode.get(-status, str(status))
            raise PoolError(f"Ceph refused '{prefix}': {why}")
        return json.loads(answer) if answer.strip() else None

    def _connected(self) -> rados.Rados:
        """The connection, once a monitor has answered.

        Raises:
            PoolError: none does, or the identity is unknown.
        """
        with self._connecting:
            if self._rados is None:
                timeouts = dict.fromkeys(TIMEOUTS, str(ANSWER_SECONDS))
                # Without a socket: its name would be that of every process with this identity.
                more = {"keyring": str(self._keyring), "admin_socket": "", **timeouts}
                try:
                    made = rados.Rados(name=self._identity, conffile=str(self._conf), conf=more)
                    made.connect(timeout=ANSWER_SECONDS)
                except rados.Error as error:
                    raise PoolError(f"Ceph does not answer as {self._identity}: {error}") from error
                self._rados = made
            return self._rados
