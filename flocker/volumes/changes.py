"""Change a volume that exists, or make a new one from a state of it."""

from __future__ import annotations

from dataclasses import replace

from flocker.base.answered_records import volume_record
from flocker.base.answers import Changed
from flocker.base.errors import FlockerError, HoldsMore, Refused
from flocker.base.options import format_size
from flocker.consensus.ownership import existing
from flocker.node.context import NodeContext
from flocker.volumes.creation import Creation
from flocker.volumes.moves import PeerOperations
from flocker.volumes.requests import ResizeRequest


class Changes:
    """The changes of volumes that an operator asks for. Each returns what can be JSON."""

    def __init__(self, context: NodeContext, creation: Creation, peers: PeerOperations) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pools = context.pools
        self._use = context.use
        self._creation = creation
        self._peers = peers

    def clone(self, reference: str, name: str) -> Changed:
        """Make a new volume from a state of another.

        Raises:
            Refused: the name is taken.
        """
        if self._ownership.volume(name) is not None:
            raise Refused(f"there is a volume '{name}' already; choose another name")
        self._creation.create(name, {"from": reference})
        return {"volume": volume_record(existing(self._ownership, name))}

    def resize(self, volume: str, size_bytes: int | None) -> Changed:
        """Change what a volume may hold, containers running or not; None: no limit.

        Raises:
            Refused: it holds more than that already.
        """
        record = existing(self._ownership, volume)
        if record.owner != self._node:
            return self._peers.operate(
                record.owner, ResizeRequest(volume=volume, size_bytes=size_bytes)
            )
        pool = self._pools.owned(record)
        if size_bytes is not None:
            pool.prepare_sizes()
        with self._use.locked(record):
            try:
                pool.set_size(record.claim, size_bytes)
            except HoldsMore as error:
                raise Refused(f"volume '{volume}' cannot have that size: {error}") from error
            changed = replace(record, size_bytes=size_bytes)
            why = f"from {_size(record.size_bytes)} to {_size(size_bytes)}"
            event = record.event(self._node, "resized", why)
            try:
                self._ownership.change(record, changed, event)
            except FlockerError:
                pool.set_size(record.claim, record.size_bytes)
                raise
        self._mirror.settle(lambda state: state.volumes.get(volume) == changed)
        return {"volume": volume_record(changed)}


def _size(size_bytes: int | None) -> str:
    return "no limit" if size_bytes is None else format_size(size_bytes)
