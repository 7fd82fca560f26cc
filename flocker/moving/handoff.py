"""Bring a volume to this node: the steps of a planned move, as its target takes them.

The owner's side is departures.py. Callers come through arrivals.py, which has them wait.

The invariant: until `finish_move` the old owner has the volume and all of its data, so everything
before it can be thrown away. After it this node has both, so everything after it can be done later.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from flocker.base.errors import (
    ControlPlaneAway,
    FlockerError,
    MoveCancelled,
    PoolError,
    Refused,
    TransferFailed,
)
from flocker.base.records import Move, Snapshot, Volume
from flocker.consensus.ownership import Ownership
from flocker.moving.demotion import Demotion
from flocker.moving.owner_change import OwnerChange
from flocker.moving.progress import Progress, Report
from flocker.moving.transfer import Transfers
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)

REPORT_SECONDS = 1.0  # between two reports of a copy's progress


class PeerOwners(Protocol):
    """Requests of this node to a volume's owner. Every call may raise OwnerAway.

    api/peer_client.py sends them, api/peer_api.py takes them there, departures.py answers.
    """

    def check_unused(self, volume: Volume) -> None:
        """Ask the owner whether anything uses the volume there; it unmounts a shared one.

        Raises:
            Refused: something does; the message names the containers.
        """

    def prepare(self, volume: Volume) -> Snapshot:
        """Have the owner take a snapshot to be fetched before the volume is locked."""

    def release(self, volume: Volume, move: Move) -> Snapshot:
        """Have the owner take the last snapshot."""

    def put_away(self, volume: Volume, source: str) -> None:
        """Tell the old owner to put its writable copy away; it looks for itself when it starts."""


class Handoff:
    """Moves volumes to this node from owners that are alive and do not use them."""

    def __init__(
        self,
        context: NodeContext,
        *,
        owners: PeerOwners,
        transfers: Transfers,
        owner_change: OwnerChange,
        demotion: Demotion,
        count_move: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pools = context.pools
        self._owners = owners
        self._transfers = transfers
        self._owner_change = owner_change
        self._demotion = demotion
        self._count_move = count_move

    def bring(self, volume: Volume, why: str) -> Volume:
        """Move a volume here and return its new record.

        A failure leaves the owner as it was and the volume free to be moved again.

        Raises:
            Refused: it is in use, on its way elsewhere, or its owner is away.
            TransferFailed: the copy broke off.
        """
        try:
            moved = self._bring(volume, why)
        except Refused:
            self._count_move("refused")
            raise
        except (PoolError, TransferFailed) as error:
            self._count_move("failed")
            raise TransferFailed(
                f"volume '{volume.name}' did not come from {volume.owner} to {self._node}: "
                f"{error}; try again"
            ) from error
        except BaseException:
            self._count_move("failed")
            raise
        self._count_move("done")
        return moved

    def _bring(self, volume: Volume, why: str) -> Volume:
        return self._take(volume, why) if volume.is_shared else self._copy(volume, why)

    def _take(self, volume: Volume, why: str) -> Volume:
        """Become the owner of a volume that this node reaches where it is.

        The owner unmounts it after it was locked: from then on nobody mounts it there.
        """
        started = time.monotonic()
        self._pools.check_reached(volume)  # or nothing is begun
        self._owners.check_unused(volume)
        move = self._ownership.begin_move(volume, self._node)
        try:
            move = self._ownership.lock_move(volume, move)
            self._owners.check_unused(volume)
            seconds = time.monotonic() - started
            why = f"from {volume.owner}: {why}; nothing was copied, {seconds:.1f} s"
            event = volume.event(self._node, "moved", why)
            moved = self._ownership.finish_move(volume, move, None, event)
        except BaseException:
            self._abandon(move)
            raise
        self._admit(moved)
        return moved

    def _admit(self, moved: Volume) -> None:
        """Have the storage let this node in, and not the former owner any more."""
        try:
            self._pools.owned(moved)
        except FlockerError as error:  # the move is made; the next mount does the same again
            log.warning("volume '%s' has moved, and cannot be used yet: %s", moved.name, error)

    def _copy(self, volume: Volume, why: str) -> Volume:
        started = time.monotonic()
        self._owners.check_unused(volume)
        move = self._ownership.begin_move(volume, self._node)
        try:
            self._demotion.demote(volume)
            report = _MoveReport(volume, move, self._ownership)
            # Most of it, for as long as that takes, while the volume can still be mounted there.
            received = self._fetch(volume, self._owners.prepare(volume), report)
            move = self._ownership.lock_move(volume, move)
            last = self._owners.release(volume, move)
            received += self._fetch(volume, last, report)
            seconds = time.monotonic() - started
            event = volume.event(
                self._node,
                "moved",
                f"from {volume.owner}: {why}; {received} bytes in {seconds:.1f} s",
            )
            return self._owner_change.complete(
                volume,
                volume.owned_by(self._node, last),
                lambda: self._ownership.finish_move(volume, move, last, event),
            )
        except BaseException:
            self._abandon(move)
            raise

    def _fetch(self, volume: Volume, snapshot: Snapshot, report: Report) -> int:
        """Fetch a snapshot, and those that people keep: from now on they are restored here."""
        kept = [each.snapshot for each in self._mirror.state.named(volume)]
        return self._transfers.fetch(volume.id, volume.owner, [*kept, snapshot], report)

    def tell_old_owner(self, moved: Volume, source: str) -> None:
        """Let the old owner put its copy away; not needed for the move itself."""
        self._owners.put_away(moved, source)

    def progress(self, volume_id: str) -> Progress | None:
        """The progress of the stream that a move waits for."""
        return self._transfers.progress(volume_id)

    def _abandon(self, move: Move) -> None:
        try:
            self._ownership.abandon_move(move)
        except ControlPlaneAway as error:
            # It ends when this node looks for moves it left behind, or with its lease.
            log.warning("move of volume %s not ended: %s", move.volume_id, error)


class _MoveReport:
    """Writes the progress of a move into its record, and ends one that was cancelled."""

    def __init__(self, volume: Volume, move: Move, ownership: Ownership) -> None:
        self._volume = volume
        self._move = move
        self._ownership = ownership
        self._reported = time.monotonic()

    def __call__(self, progress: Progress) -> None:
        if time.monotonic() - self._reported < REPORT_SECONDS:
            return
        self._reported = time.monotonic()
        try:
            is_current = self._ownership.report_move(
                replace(
                    self._move,
                    bytes_done=progress.bytes_done,
                    bytes_total=progress.bytes_total,
                    waits_for=progress.waits_for,
                )
            )
        except ControlPlaneAway as error:
            # The copy may go on; whether it counts is decided when the move is finished.
            log.warning("progress of the copy not reported: %s", error)
        else:
            if not is_current:
                raise MoveCancelled(self._volume.name, self._move.target)
