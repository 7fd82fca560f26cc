"""Bring a volume to another node because an operator asks for it, or end such a move."""

from __future__ import annotations

from typing import Protocol

from flocker.base.answered_records import volume_record
from flocker.base.answers import Cancelled, Changed, Promoted
from flocker.base.errors import BadRequest, ControlPlaneAway, OwnerAway, PoolError, Refused
from flocker.base.records import Volume
from flocker.consensus.ownership import existing
from flocker.moving.arrivals import Arrivals
from flocker.moving.failover import Failover
from flocker.moving.replica_choice import owner_lost
from flocker.node.context import NodeContext
from flocker.volumes.requests import Answered, Forwarded, MoveRequest


class PeerOperations(Protocol):
    """Other nodes' operations. Every call may raise OwnerAway."""

    def operate(self, node: str, request: Forwarded[Answered]) -> Answered:
        """Have a node do what an operator has asked for here, however long it takes."""


class Moves:
    """The moves and promotions that an operator asks for. Each returns what can be JSON."""

    def __init__(
        self, context: NodeContext, *, arrivals: Arrivals, failover: Failover, peers: PeerOperations
    ) -> None:
        self._context = context
        self._node = context.node
        self._ownership = context.ownership
        self._arrivals = arrivals
        self._failover = failover
        self._peers = peers

    def move(self, volume: str, to: str | None) -> Changed:
        """Bring a volume to a node; return when it has arrived.

        Raises:
            BadRequest: there is no such node.
            PoolError: its record has changed, and the storage has not let its new owner in yet.
        """
        target = to or self._node
        if target != self._node:
            self._check_node(target)
            return self._peers.operate(target, MoveRequest(volume=volume, to=target))
        record = existing(self._ownership, volume)
        if record.owner != self._node:
            try:
                record = self._arrivals.bring(record, "asked for by the operator")
            except OwnerAway as error:
                state = self._ownership.state()
                if record.owner in state.nodes:
                    raise
                raise owner_lost(record, state) from error
        if record.is_shared:
            self._have_admitted(record)
        return {"volume": volume_record(record)}

    def _have_admitted(self, volume: Volume) -> None:
        try:
            self._context.pools.owned(volume)
        except (PoolError, ControlPlaneAway) as error:
            raise PoolError(
                f"volume '{volume.name}' is {self._node}'s now, and Ceph has not let {self._node} "
                f"use it yet: {error}; the next start of its container tries again, and so does "
                f"`flocker move {volume.name} --to {self._node}`"
            ) from error

    def cancel(self, volume: str) -> Cancelled:
        """End the move that a volume is on, wherever it goes; its owner keeps it.

        Raises:
            Refused: it is on none, or has arrived.
        """
        record = existing(self._ownership, volume)
        move = self._ownership.move(record.id)
        if move is None:
            raise Refused(f"volume '{volume}' is not on its way anywhere; it is on {record.owner}")
        self._ownership.abandon_move(move)
        now_known = existing(self._ownership, volume)
        if now_known.epoch != record.epoch:
            raise Refused(f"volume '{volume}' has arrived on {now_known.owner} already")
        self._context.record(
            record, "move cancelled", f"to {move.target}: asked for by the operator"
        )
        return {"volume": volume_record(record), "target": move.target}

    def promote(self, volume: str, here: bool = False) -> Promoted:
        """Make this node the owner in place of one that is away.

        Args:
            here: go on from the newest copy that can be had here, though a newer one exists.
        """
        promoted, until = self._failover.promote(volume, here=here)
        return {"volume": volume_record(promoted), "lost_after": until}

    def _check_node(self, name: str) -> None:
        nodes = self._ownership.state().nodes
        if name not in nodes:
            up = ", ".join(sorted(nodes))
            raise BadRequest(f"node '{name}' is not up; nodes that are up: {up}")
