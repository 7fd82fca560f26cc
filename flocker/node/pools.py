"""The pools that a node reaches: the one place that says where the data of a volume is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import TypeVar

from flocker.base.errors import PoolError, Refused
from flocker.base.records import Claim, PoolKind, Volume
from flocker.consensus.ownership import AgreedSessions
from flocker.pool.glance import Glance
from flocker.pool.local_pool import LocalPool
from flocker.pool.protocol import Aside, Pool
from flocker.pool.remote_pool import RemotePool

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

STORAGE = "Ceph"  # as a person knows it


class Pools:
    """The pools of one node, asked by volume.

    Args:
        local: on this node's disk.
        remote: on a storage that all nodes reach; None if this node does not.
        sessions: the clients by which owners reach volumes on it.
    """

    def __init__(
        self,
        node: str,
        local: LocalPool,
        sessions: AgreedSessions,
        remote: RemotePool | None = None,
    ) -> None:
        self._node = node
        self.local = local
        self._sessions = sessions
        self.remote = remote
        self._glance = Glance()

    @property
    def every(self) -> Sequence[Pool]:
        """All of them."""
        return [self.local] if self.remote is None else [self.local, self.remote]

    def of(self, volume: Volume) -> Pool:
        """The pool that has the data of a volume.

        Raises:
            Refused: the volume is shared, and this node does not reach the storage.
        """
        return self.sharing(volume) if volume.is_shared else self.local

    def sharing(self, volume: Volume) -> RemotePool:
        """The pool of a shared volume.

        Raises:
            Refused: this node does not reach the storage.
        """
        if self.remote is None:
            raise Refused(
                f"volume '{volume.name}' is on a Ceph that {self._node} does not reach; use it on "
                "another node"
            )
        return self.remote

    def check_reached(self, volume: Volume) -> None:
        """Ask the storage of a shared volume about it, before anything is recorded of it here.

        Nodes whose leases have ended are kept out of it first: their own clients may have the
        volume's folder in use, and the storage would wait for them. One that comes back mounts
        anew; its clients of volumes that nobody takes over stay.

        Raises:
            Refused: as `sharing`.
            PoolError: the storage does not answer this node.
        """
        remote = self.sharing(volume)
        for node, addresses in self._sessions.lost_roots().items():
            if node != self._node:
                remote.keep_out(addresses)
                for address in addresses:
                    self._sessions.end_root(node, address)
        remote.epoch(volume.id)

    def owned(self, volume: Volume) -> Pool:
        """The pool of a volume that this node owns, where nobody else can write to it any more.

        A takeover that has not been finished is finished first: the record comes before it.

        Raises:
            Refused: as `of`.
            StaleEpoch: the volume has a later owner.
            PoolError: the storage did not stop the former owner.
        """
        if not volume.is_shared:
            return self.local
        remote = self.sharing(volume)
        if remote.epoch(volume.id) != volume.epoch:
            former = self._sessions.sessions(volume.id)
            remote.take_over(volume.claim, former)
            self._forget(volume, former)
        return remote

    def asides_here(self) -> list[Aside]:
        """The saved copies on this node's disk, for people and other nodes.

        Raises:
            PoolError: they cannot be read, or the disk hangs.
        """
        try:
            return self.read_here(lambda pool: pool.asides())
        except OSError as error:
            raise PoolError(f"what was put aside cannot be read: {error}") from error

    def read_here(self, look: Callable[[LocalPool], Answer]) -> Answer:
        """Read this node's disk for people or other nodes, none of whom waits while it hangs.

        Raises:
            PoolHangs: see Glance.read.
        """
        return self._glance.read(lambda: look(self.local))

    def asides(self) -> tuple[list[Aside], list[str]]:
        """The saved copies that this node reaches, and who did not tell of theirs.

        That is this node, if it cannot read its disk, or the storage.
        """
        found: list[Aside] = []
        silent = []
        try:
            found += self.asides_here()
        except PoolError as error:
            log.warning("%s", error)
            silent.append(self._node)
        try:
            found += self.remote.asides() if self.remote else []
        except PoolError:
            silent.append(STORAGE)
        return found, silent

    def kind_with_aside(self, reference: str) -> PoolKind | None:
        """The kind of pool in which a saved copy is; None: no pool here tells of it."""
        if _has(self.local, reference):
            return "btrfs"
        with suppress(PoolError):
            if self.remote is not None and _has(self.remote, reference):
                return "shared"
        return None

    def _forget(self, volume: Volume, former: Mapping[int, Sequence[str]]) -> None:
        """Drop the records of clients that the storage keeps out for good."""
        for epoch, addresses in former.items():
            if epoch < volume.epoch:
                for address in addresses:
                    self._sessions.end_session(Claim(volume.id, epoch), address)


def _has(pool: Pool, reference: str) -> bool:
    return any(aside.reference == reference for aside in pool.asides())
