"""The interface to agreed records; longer than 300 lines because each call says how it can fail.

The records tell who may write to a volume. A volume has one owner at a time and an epoch that grows
by one with every change of owner. The right to write is a `Claim`: this volume at this epoch. The
rules are those of docs/architecture.md. Nothing here knows etcd: etcd.py implements the interface,
and every implementation passes the same contract suite. Events are recorded in the same step as the
change they tell of.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Protocol

from flocker.base.errors import VolumeNotFound
from flocker.base.records import (
    Claim,
    ClusterState,
    Copy,
    Event,
    Look,
    Move,
    NamedSnapshot,
    Node,
    Removed,
    Snapshot,
    Volume,
)

# Kept in one transaction of etcd, which takes 128 changes and reads: three for each, and one more.
SNAPSHOTS_AT_ONCE = 42


class AgreedVolumes(Protocol):
    """The volumes, the removed ones, and who owns them."""

    def volume(self, name: str) -> Volume | None:
        """The volume of that name, if any."""

    def removed(self, volume_id: str) -> Removed | None:
        """The removed volume of that id, if it can be restored."""

    def create(self, volume: Volume, event: Event) -> Volume:
        """Record a volume unless the name is taken or it has a record; return the one there is.

        Raises:
            Refused: it was removed, or others would take an imported one over at once.
        """

    def end_creations(self) -> None:
        """Have no creation be made any more that was asked for before, and whose answer was lost.

        For whoever frees data that has no record.
        """

    def change(self, volume: Volume, changed: Volume, event: Event) -> None:
        """Replace a volume's record; neither name, id, owner nor epoch differ.

        Raises:
            StaleEpoch: the record is not the one given any more.
        """

    def advance(self, volume: Volume, newer: Volume, event: Event) -> None:
        """Replace a volume's record by one of a later epoch. Safe to repeat.

        The cluster had that one before its records were lost.

        Raises:
            InUse: another node than the newer record's owner has it mounted.
            MoveUnderWay: it is on its way somewhere.
            Refused: others would take it over at once.
            StaleEpoch: the record is not the one given any more.
        """

    def remove(self, volume: Volume, event: Event) -> None:
        """Take a volume's record away and keep it as a Removed.

        Its copies' and snapshots' records stay, for whoever wants it back.

        Raises:
            InUse: a node has it mounted.
            MoveUnderWay: it is on its way somewhere.
            StaleEpoch: the record is not the one given any more.
        """

    def undelete(self, removed: Removed, volume: Volume, event: Event) -> None:
        """Put a volume in the place of a Removed.

        Raises:
            Refused: the name is taken by now, or it is not removed any more, or others would take
                it over at once: its owner has no lease or gives it up, and failover is auto.
        """

    def purge(self, removed: Removed) -> None:
        """Forget a removed volume for good, with all records of it. Safe to repeat."""

    def promote(self, volume: Volume, copy: Copy, event: Event) -> Volume:
        """Make the node of a copy, which it is to go on from, the owner.

        Because the owner is away, or gives the volume up and has failover=auto, or is that node
        itself and has lost its own.

        A move of the volume ends with it. The copy is recorded in the same step, but not
        for volumes without replicas.

        Raises:
            Refused: the owner is another node, whose lease has not run out.
            InUse: another node has it mounted, and so a lease that has not run out.
            StaleEpoch: the record is not the one given any more.
        """

    def promote_shared(self, volume: Volume, node: str, event: Event) -> Volume:
        """Make a node the owner of a volume with one copy, because its owner is away.

        The caller has the storage stop the former owner after that. A move ends with it.

        Raises:
            Refused: the owner's lease has not run out.
            StaleEpoch: the record is not the one given any more.
        """

    def forget_volume(self, volume: Volume, event: Event) -> None:
        """Take the record of a volume away whose owner has been forgotten. Safe to repeat.

        Raises:
            Refused: its owner is there or may come back, or a node holds a copy.
            StaleEpoch: the record is not the one given any more.
        """


class AgreedMoves(Protocol):
    """The mounts and the moves of volumes: while the one is there, the other is not."""

    def move(self, volume_id: str) -> Move | None:
        """The move that volume is on, if any."""

    def mount(self, volume: Volume) -> None:
        """Record that its owner has the volume mounted. Safe to repeat.

        Raises:
            MoveUnderWay: the volume is being fetched by another node.
            StaleEpoch: the record is not the one given any more.
            ControlPlaneAway: the owner has not announced itself since its lease began.
        """

    def unmount(self, volume: Volume) -> None:
        """Record that nothing on its owner uses the volume any more. Safe to repeat."""

    def begin_move(self, volume: Volume, target: str) -> Move:
        """Say that `target` fetches what there is of the volume; its owner can still mount it.

        A move that an earlier attempt of the same target left behind is replaced:
        a target makes one attempt at a time.

        Raises:
            MoveUnderWay: another move was first.
            StaleEpoch: the record is not the one given any more.
        """

    def lock_move(self, volume: Volume, move: Move) -> Move:
        """Reserve the volume for the target of a move that was begun.

        No node can mount it until the move ends. Safe to repeat.

        Raises:
            InUse: its owner has it mounted.
            MoveCancelled: the move is not current any more.
            StaleEpoch: the record is not the one given any more.
        """

    def report_move(self, move: Move) -> bool:
        """Publish how far the copy is; whether the move is still current."""

    def finish_move(
        self, volume: Volume, move: Move, base: Snapshot | None, event: Event
    ) -> Volume:
        """Make the move's target the owner, in one step with the end of the move.

        And with the record that both ends of it hold `base`; not for volumes without replicas,
        whose owners publish nothing.

        Raises:
            StaleEpoch: the move expired or the record changed; the owner is who it was.
        """

    def abandon_move(self, move: Move) -> None:
        """End a move without a change of owner.

        For its target, and whoever cancels it. Safe to repeat.
        """


class AgreedCopies(Protocol):
    """The copies that nodes hold, the snapshots that people keep, and what happened."""

    def publish(self, told: Sequence[tuple[Volume, Copy]], look: Look | None = None) -> None:
        """Record which snapshots a node holds of volumes, and how it knows. Safe to repeat.

        Each only if it is news (see copy_records.is_news), whenever that is executed and how
        often; so one that is not news is passed over, and the others are recorded. The look is
        recorded with the last of them.

        Args:
            told: copies, each with the record of its volume as it was when that was found out.
        """

    def withdraw(self, copies: Sequence[Copy]) -> None:
        """Record that nodes do not hold these copies any more; newer ones stay. Safe to repeat."""

    def keep_snapshots(self, kept: Sequence[tuple[Volume, NamedSnapshot, Event]]) -> None:
        """Record snapshots a person asked for: all of them or none. Safe to repeat.

        Args:
            kept: of different volumes, at most SNAPSHOTS_AT_ONCE.

        Raises:
            StaleEpoch: a volume is gone or has another owner, or another snapshot is kept there.
        """

    def drop_snapshot(self, snapshot: NamedSnapshot, event: Event) -> None:
        """Record that nobody wants to keep a snapshot any more. Safe to repeat."""

    def history(self, volume_id: str | None) -> list[Event]:
        """The history of one volume or of all, oldest first."""

    def record(self, event: Event) -> None:
        """Record something that changed no volume's record; nothing of one that was purged."""


class AgreedNodes(Protocol):
    """The nodes, and the machines that have their names."""

    def announce(self, node: Node, look: Look | None = None, *, may_replace: bool = False) -> bool:
        """Say that this node is here, and keep what it holds by lease alive.

        To be called at least every third of the lease's length. The name belongs to the machine
        that announced it first, until the node is forgotten.

        Args:
            may_replace: take the name over from a machine whose lease has run out.
            look: its last one, which nothing that changed has told of.

        Returns:
            Whether the lease is a new one: then the mounts recorded before are gone.

        Raises:
            NotAdmitted: the name belongs to another machine, or was forgotten, or the records are
                of a format that this version does not know; nothing was recorded.
        """

    def forget_node(self, name: str) -> None:
        """Forget that there was a node, and what copies it held. Safe to repeat.

        Nobody of that name is trusted any more, so no machine can join under it.

        Raises:
            Refused: its lease has not run out.
        """

    def voters(self) -> int:
        """The number of members that vote; without a majority of them nothing can be agreed."""


class AgreedSessions(Protocol):
    """The clients by which nodes reach volumes on a storage that all of them share.

    They outlive every lease: whoever takes a volume over has to stop them. A session is an owner's
    client of one volume; a root is a node's own, of the folder that all volumes are in.
    """

    def begin_session(self, volume: Volume, address: str) -> None:
        """Record a client of a volume's owner, before anybody writes through it. Safe to repeat.

        Raises:
            StaleEpoch: the volume is gone or has another owner.
        """

    def end_session(self, claim: Claim, address: str) -> None:
        """Record that a client will never write again. Safe to repeat."""

    def sessions(self, volume_id: str) -> dict[int, list[str]]:
        """Epoch -> the addresses of that owner's clients that are not known to have ended."""

    def begin_root(self, node: str, address: str) -> None:
        """Record a node's own client, before the node uses it. Safe to repeat."""

    def end_root(self, node: str, address: str) -> None:
        """Record that the storage will never hear of that client again. Safe to repeat."""

    def root(self, node: str) -> list[str]:
        """The addresses of a node's own clients that are not known to have ended."""

    def lost_roots(self) -> dict[str, list[str]]:
        """Node -> the same as `root`, of all nodes whose leases have ended."""


class Ownership(AgreedVolumes, AgreedMoves, AgreedCopies, AgreedSessions, AgreedNodes, Protocol):
    """Where the nodes agree.

    Every call may raise ControlPlaneAway; then nothing has changed or, if the answer got lost,
    repeating the call is safe.
    """

    def state(self) -> ClusterState:
        """Everything, as it is now."""

    def follow(self, stopping: threading.Event) -> Iterator[ClusterState]:
        """Everything as it is now, and again soon after every change, until `stopping`.

        Changes that come close together may be told of as one.

        Raises:
            ControlPlaneAway: while iterating; ask anew.
        """


def existing(ownership: Ownership, name: str) -> Volume:
    """The volume of that name, as it is now.

    Raises:
        VolumeNotFound: no node knows the name.
    """
    volume = ownership.volume(name)
    if volume is None:
        raise VolumeNotFound(name)
    return volume
