"""Make a volume: empty, or from a state of another one, on the node that has that."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from flocker.base.errors import BadRequest, HoldsMore, LeavesBehind, PoolError, Refused
from flocker.base.options import (
    Options,
    Reference,
    check_name,
    differences,
    read_options,
    read_reference,
)
from flocker.base.records import Event, PoolKind, Snapshot, Volume, now
from flocker.consensus.majority import FEWEST_VOTERS, refusal
from flocker.consensus.ownership import existing
from flocker.node.context import NodeContext
from flocker.pool.protocol import Pool
from flocker.volumes.gone import belief_that_gone

log = logging.getLogger(__name__)


class PeerCreation(Protocol):
    """Has other nodes create volumes. Every call may raise OwnerAway."""

    def create(self, node: str, name: str, options: dict[str, str]) -> None:
        """Create a volume there: the node that has what it is made from."""


class Creation:
    """The creation of volumes on one node. All calls may come twice and at once."""

    def __init__(self, context: NodeContext, peers: PeerCreation) -> None:
        self._context = context
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pools = context.pools
        self._peers = peers

    def create(self, name: str, opts: dict[str, str]) -> None:
        """Make a volume owned by this node; one that exists anywhere stays as it is.

        Raises:
            BadRequest: the name or an option cannot be, or the volume exists with other options.
            Refused: what it is to be made from cannot be had, or nobody could take it over.
        """
        check_name(name)
        options = read_options(opts)
        present = self._mirror.volume(name)
        if present is not None:
            _refuse_if_different(options, present)
            return
        if options.failover == "auto" and (voters := self._ownership.voters()) < FEWEST_VOTERS:
            raise Refused(refusal(voters))
        options = self._in_pool(name, options, opts)
        source = None if options.made_from is None else self._source(options.made_from)
        if isinstance(source, str):
            self._peers.create(source, name, opts)
            self._mirror.settle(lambda state: name in state.volumes)
            return
        volume = self._new(name, options)
        pool = self._pools.of(volume)
        if volume.size_bytes is not None:
            pool.prepare_sizes()
        # Data before record: whoever sees the record may open the volume at once.
        try:
            self._make(volume, source, pool)
        except HoldsMore as error:
            raise Refused(
                f"volume '{name}' cannot be made from {volume.made_from}: {error}"
            ) from error
        why = f"from {volume.made_from}" if volume.made_from else ""
        event = Event(volume.id, name, volume.created_at, self._node, "created", why)
        winner = self._ownership.create(volume, event)
        if winner.id != volume.id:  # another node was faster
            pool.discard(volume.id, name, self._node, belief_that_gone(self._context, volume))
            _refuse_if_different(options, winner)
        self._mirror.settle(lambda state: name in state.volumes)

    def _new(self, name: str, options: Options) -> Volume:
        return Volume(
            name=name,
            id=str(uuid.uuid4()),
            owner=self._node,
            epoch=1,
            created_at=now(),
            size_bytes=options.size_bytes,
            replicas=options.replicas,
            failover=options.failover,
            made_from=options.made_from,
            pool=options.pool,
        )

    def _in_pool(self, name: str, options: Options, opts: dict[str, str]) -> Options:
        """The options in the pool of what the volume is made from.

        Raises:
            BadRequest: an option cannot be had in that pool.
            Refused: what the volume is made from is in another pool, or the pool is not reached.
        """
        if options.made_from is not None:
            kind = self._kind_of(options.made_from)
            if "pool" in options.given and options.pool != kind:
                raise Refused(
                    f"pool={options.pool} cannot be had: {options.made_from} is in the pool "
                    f"{kind}, and no data goes from one to the other; make an empty volume, and "
                    "copy with a container"
                )
            options = read_options({**opts, "pool": kind})
        if options.pool == "shared" and self._pools.remote is None:
            raise Refused(
                f"volume '{name}' cannot have pool=shared: {self._node} reaches no Ceph; set "
                "FLOCKER_CEPH_FILESYSTEM there as docs/operations.md says, or leave pool out for a "
                "volume on the node's disk"
            )
        return options

    def _kind_of(self, made_from: str) -> PoolKind:
        source = read_reference(made_from)
        if source.aside is not None:
            return self._pools.kind_with_aside(made_from) or "btrfs"
        return existing(self._ownership, source.volume).pool

    def _source(self, made_from: str) -> Reference | str:
        """The snapshot that a volume is made from, or the node that can make it."""
        source = read_reference(made_from)
        if source.aside is not None:
            here = self._pools.kind_with_aside(made_from)
            return source if here else self._other(source)
        volume = existing(self._ownership, source.volume)
        if volume.owner == self._node or (
            source.number is not None and self._snapshot(volume, source.number) is not None
        ):
            return source
        return volume.owner

    def _other(self, source: Reference) -> str:
        """The node that put a copy aside which is not here.

        Only that node can tell if the copy is there, so an absent node is named too.
        """
        state = self._mirror.state
        others = (state.nodes.keys() | state.seen.keys()) - {self._node}
        named = [node for node in others if str(source.aside).startswith(f"{node}-")]
        if not named:
            _, silent = self._pools.asides()
            also = f"; {', '.join(silent)} did not answer" if silent else ""
            raise Refused(
                f"there is no copy {source}; `flocker conflicts` and `flocker trash` list "
                f"all copies{also}"
            )
        return max(named, key=len)  # node1-old is another node than node1

    def _make(self, volume: Volume, source: Reference | None, pool: Pool) -> None:
        if source is None:
            pool.create(volume.claim, volume.size_bytes)
        elif source.aside is not None:
            pool.clone_aside(str(source), volume.claim, volume.size_bytes)
        else:
            original = existing(self._ownership, source.volume)
            with self._frozen(original, source.number) as snapshot:
                pool.clone(original.id, snapshot, volume.claim, volume.size_bytes)

    @contextmanager
    def _frozen(self, volume: Volume, number: int | None) -> Iterator[Snapshot]:
        """A snapshot of a volume that is there, or one of its present state for a while."""
        if number is None:
            taken = self._whole(volume)
            try:
                yield taken
            finally:
                if volume.is_shared:  # on btrfs it costs nothing, and is pruned with the others
                    self._drop(volume, taken)
            return
        snapshot = self._snapshot(volume, number)
        if snapshot is None:
            raise Refused(
                f"{self._node} has no snapshot {number} of volume '{volume.name}'; "
                f"`flocker snapshots {volume.name}` lists its snapshots"
            )
        yield snapshot

    def _drop(self, volume: Volume, taken: Snapshot) -> None:
        try:
            self._pools.sharing(volume).drop_snapshot(volume.id, taken)
        except PoolError as error:  # what was made from it shall have its record all the same
            log.warning(
                "snapshot %d of '%s' stays on Ceph for a day: %s", taken.number, volume.name, error
            )

    def _whole(self, volume: Volume) -> Snapshot:
        try:
            return self._pools.owned(volume).take_snapshot(volume.claim, is_whole=True)
        except LeavesBehind as error:
            raise Refused(f"volume '{volume.name}' cannot be cloned: {error}") from error

    def _snapshot(self, volume: Volume, number: int) -> Snapshot | None:
        here = self._pools.of(volume).snapshots(volume.id)
        return self._mirror.state.numbered(volume, number, here)


def _refuse_if_different(options: Options, volume: Volume) -> None:
    if found := differences(options, volume):
        raise BadRequest(f"volume '{volume.name}' exists already: {'; '.join(found)}")
