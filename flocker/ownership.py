"""Who may write to a volume: the words and the rules, without etcd.

A volume has one owner at a time and an epoch that grows by one with every
change of owner. The right to write is a `Claim`: this volume at this epoch.
`Ownership` is where all nodes agree about it; its rules are those of
docs/architecture.md, and every implementation passes the same contract suite.
"""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass, replace
from typing import Any, Protocol

from flocker.errors import BadRequest

# The engine checks the same rule for names typed by people; names reach the socket raw too.
# Source: volume-name pattern of Docker; 255 is the longest name a directory entry can hold.
NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]{0,254}")


@dataclass(frozen=True)
class Claim:
    """The right to write to one volume: good until the epoch grows."""

    volume_id: str
    epoch: int


@dataclass(frozen=True)
class Volume:
    """What the cluster knows about a volume.

    `id` is a UUID and names the data on disk; `name` is what people type.
    `created_at` is RFC 3339 with a zone, as the engine wants it.
    """

    name: str
    id: str
    owner: str
    epoch: int
    created_at: str

    @property
    def claim(self) -> Claim:
        return Claim(self.id, self.epoch)

    def owned_by(self, node: str) -> Volume:
        """The same volume after a change of owner."""
        return replace(self, owner=node, epoch=self.epoch + 1)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Move:
    """A volume on its way to another node.

    `token` tells this move from an earlier one of the same volume: a node that
    was paused while its move expired must not finish a later one.
    """

    volume_id: str
    source: str
    target: str
    token: str
    bytes_done: int = 0
    bytes_total: int | None = None  # not known before the source has counted

    @property
    def percent(self) -> int | None:
        if self.bytes_total is None:
            return None
        # The count is an estimate: headers of the stream come on top, so stop short of 100.
        return min(99, 100 * self.bytes_done // max(self.bytes_total, 1))


@dataclass(frozen=True)
class Node:
    """A machine running the daemon; known while its lease lasts."""

    name: str
    address: str
    version: str
    pool_used_bytes: int
    pool_total_bytes: int


class Ownership(Protocol):
    """Where the nodes agree. Every call may raise ControlPlaneAway; then nothing has changed
    or, if the answer got lost, repeating the call is safe."""

    def volumes(self) -> list[Volume]:
        """All volumes of the cluster, by name."""

    def volume(self, name: str) -> Volume | None:
        """The volume of that name, if any."""

    def create(self, volume: Volume) -> Volume:
        """Record a volume unless the name is taken; return the one that has the name now."""

    def remove(self, volume: Volume) -> None:
        """Forget a volume.

        Raises:
            InUse: a node has it mounted.
            MoveUnderWay: it is on its way somewhere.
            StaleEpoch: the record is not the one given any more.
        """

    def mount(self, volume: Volume) -> None:
        """Record that its owner has the volume mounted. Safe to repeat.

        Raises:
            MoveUnderWay: the volume is being fetched by another node.
            StaleEpoch: the record is not the one given any more.
        """

    def unmount(self, volume: Volume) -> None:
        """Record that nothing on its owner uses the volume any more. Safe to repeat."""

    def mounts(self) -> dict[str, str]:
        """Volume id -> node that has it mounted."""

    def start_move(self, volume: Volume, target: str) -> Move:
        """Reserve the volume for `target`; no node can mount it until the move ends.

        A move that an earlier attempt of the same target left behind is replaced:
        a target makes one attempt at a time.

        Raises:
            InUse: its owner has it mounted.
            MoveUnderWay: another move was first.
            StaleEpoch: the record is not the one given any more.
        """

    def report_move(self, move: Move) -> None:
        """Publish how far the copy is. Says nothing when the move is not current any more."""

    def finish_move(self, volume: Volume, move: Move) -> Volume:
        """Make the move's target the owner, in one step with the end of the move.

        Raises:
            StaleEpoch: the move expired or the record changed; the owner is who it was.
        """

    def abandon_move(self, move: Move) -> None:
        """End a move without a change of owner. Safe to repeat."""

    def moves(self) -> list[Move]:
        """All moves under way."""

    def announce(self, node: Node) -> bool:
        """Say that this node is here, and keep what it holds by lease alive.

        To be called at least every third of the lease's length.

        Returns:
            Whether the lease is a new one: then the mounts recorded before are gone.
        """

    def nodes(self) -> list[Node]:
        """The nodes whose lease has not expired, by name."""


def check_name(name: str) -> str:
    """Return the name, or refuse it.

    Raises:
        BadRequest: the name is not one the engine would accept.
    """
    if not NAME.fullmatch(name):
        raise BadRequest(
            f"'{name[:80]}' cannot be a volume's name: letters, digits, '_', '.' and '-', "
            "beginning with a letter or digit, 255 at most"
        )
    return name


def check_options(options: dict[str, str]) -> None:
    """Refuse options: there are none yet, and one that does nothing would mislead.

    Raises:
        BadRequest: any option was given.
    """
    if options:
        named = ", ".join(f"'{option}'" for option in sorted(options))
        raise BadRequest(f"unknown option {named}; flocker takes no options")
