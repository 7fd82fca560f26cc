"""All errors of flocker, worded for a person who typed a Docker command.

FlockerError
├── BadRequest          the call itself is wrong: name, option, JSON
├── VolumeNotFound      no node knows the name
├── Refused             asked rightly, but not now; the message says what to do first
│   ├── InUse           containers somewhere use the volume
│   ├── StillNeeded     stopped containers would miss the volume
│   ├── MoveUnderWay    another node is fetching the volume
│   ├── MoveCancelled   somebody ended the move
│   ├── StillCopying    this node is fetching it, and it takes longer than one call may
│   ├── OwnerAway       the node that has the data does not answer
│   │   ├── OwnerLost   its lease has run out; a replica may be promoted
│   │   └── PeerAway    so does another node that is needed
│   ├── NotAllowed      another role's or another node's to ask
│   ├── HoldsMore       a volume holds more than it shall be able to
│   ├── LeavesBehind    a volume holds what no snapshot of it does
│   └── StaleEpoch      the volume, its move or its copy here changed meanwhile
├── TransferFailed      a copy broke off or did not verify; nothing of it was kept
│   ├── StreamRefused   it arrived whole and cannot be applied here, now or later
│   └── Stalled         the other node sends no more of it, and no sign of life
├── PoolError           btrfs said no
│   ├── StillWanted     data that was to be taken away is needed after all
│   ├── BeingSent       a snapshot is being read by another node
│   ├── PoolFull        there is no room left
│   ├── PoolHangs       its disk or the kernel has done nothing for too long
│   └── LostWrites      the disk below it refused writes that had been accepted
├── ControlPlaneAway    etcd does not answer
│   └── NotAdmitted     another machine has this node's name, or flocker is too old
└── EngineAway          the node's Docker engine does not answer
"""

from flocker.base.printable import printable


class FlockerError(Exception):
    """Anything flocker reports; the message is complete and meant for people.

    It is one printable line, as Docker prints it as it comes. Names in it may come from another
    node, or from a container, which can give a folder any bytes for a name.
    """

    def __str__(self) -> str:
        return printable(super().__str__())


class BadRequest(FlockerError):
    """The call is malformed; repeating it unchanged cannot work."""


class VolumeNotFound(FlockerError):
    """No node knows a volume of that name."""

    def __init__(self, name: str) -> None:
        super().__init__(f"no volume '{name}'; `docker volume ls` lists all")


class Refused(FlockerError):
    """A right request at the wrong moment; nothing was changed."""


class InUse(Refused):
    """Containers on `node` use the volume; `way_on` says more if that is not all."""

    def __init__(self, volume: str, node: str, containers: list[str], way_on: str = "") -> None:
        by = f"by {_listed(containers)} " if containers else ""
        way_on = way_on or "stop what uses it there, then try again"
        super().__init__(f"volume '{volume}' is in use {by}on {node}; {way_on}")


class StillNeeded(Refused):
    """Stopped containers on `node`, the volume's owner, were made with it."""

    def __init__(self, volume: str, node: str, containers: list[str]) -> None:
        super().__init__(
            f"volume '{volume}' is used by stopped containers on {node}: {', '.join(containers)}; "
            f"to remove them as well, type there: docker rm {' '.join(containers)}; then try again"
        )


class MoveUnderWay(Refused):
    """The volume is on its way to `target`."""

    def __init__(self, volume: str, target: str) -> None:
        super().__init__(
            f"volume '{volume}' is on its way to {target}; start its container there, "
            f"or try again when it has arrived (`flocker move --cancel {volume}` ends the move)"
        )


class MoveCancelled(Refused):
    """Somebody ended the move, or it expired."""

    def __init__(self, volume: str, target: str) -> None:
        super().__init__(
            f"the move of volume '{volume}' to {target} was cancelled or has expired; nothing has "
            "changed"
        )


class StillCopying(Refused):
    """The copy continues after this answer; the next call picks it up."""


class OwnerAway(Refused):
    """The owner's daemon does not answer, so the newest data cannot be had."""

    def __init__(self, volume: str, owner: str, reason: str) -> None:
        super().__init__(
            f"volume '{volume}' is owned by {owner}, which does not answer ({reason}); "
            f"bring {owner} back, then try again"
        )


class OwnerLost(OwnerAway):
    """The owner's lease has run out, so a replica may continue; `way_on` says how."""

    def __init__(self, volume: str, owner: str, away_since: str | None, way_on: str) -> None:
        since = f" since {away_since}" if away_since else ""
        super().__init__(volume, owner, f"away{since}")
        self.args = (f"volume '{volume}' is owned by {owner}, which is away{since}; {way_on}",)


class PeerAway(OwnerAway):
    """A node that is needed does not answer, whatever it has of a volume."""

    def __init__(self, node: str, reason: str) -> None:
        super().__init__("", node, reason)
        self.reason = reason
        self.args = (
            f"{node} does not answer ({reason}); `flocker status` tells which nodes are up",
        )


class NotAllowed(Refused):
    """The caller may not ask this: it is for another role or node, or the node was retired."""


class HoldsMore(Refused):
    """A volume holds more than the size it shall have."""

    def __init__(self, held_bytes: int, size_bytes: int) -> None:
        super().__init__(
            f"the volume holds {_mebibytes(held_bytes)}, more than the requested "
            f"{_mebibytes(size_bytes)}; delete data first, or choose a larger size"
        )


class LeavesBehind(Refused):
    """No snapshot of a volume holds what is in these folders of it (paths in the volume)."""

    def __init__(self, folders: list[str]) -> None:
        first, others = folders[0], len(folders) - 1
        more = f" and {others} more in it are subvolumes" if others else " in it is a subvolume"
        super().__init__(
            f"the folder '{first}'{more}, which no snapshot and no copy holds; copy what you need "
            "from it to a plain folder, then delete it (`btrfs subvolume delete`)"
        )


class StaleEpoch(Refused):
    """A volume's record, its move or its copy here is not what the caller goes by; look again."""


class TransferFailed(FlockerError):
    """A stream broke off or its result did not verify; the half-received copy is deleted."""


class StreamRefused(TransferFailed):
    """A stream arrived as it was sent and cannot be applied here: sent again, it would not either.

    Its parent here lacks or has something that the sender does not know of.
    """


class Stalled(TransferFailed):
    """Nothing came from a node for so long that its stream is given up; it may be tried again."""

    def __init__(self, node: str, seconds: float) -> None:
        super().__init__(
            f"{node} has sent nothing for {seconds:g} s, not even a sign of life, so its daemon, "
            f"its disk or the network hangs; `dmesg` and `systemctl status flocker` on {node} tell "
            "more"
        )


class PoolError(FlockerError):
    """The pool could not do what was asked."""


class StillWanted(PoolError):
    """Data was not taken away, as what its caller believed is not true any more."""


class BeingSent(PoolError):
    """A snapshot was not deleted, as another node is reading it."""


class PoolFull(PoolError):
    """The file system has no room for what was asked."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason}; the pool of this node is full: `flocker trash` lists removed volumes, and "
            "`flocker purge` with the name of one frees its space now"
        )


class PoolHangs(PoolError):
    """Work on the file system has made no progress for so long that it is given up."""


class LostWrites(PoolError):
    """The kernel had accepted writes that the disk then refused; nobody knows which."""

    def __init__(self, folder: str, reason: str) -> None:
        super().__init__(
            f"the disk below {folder} refused writes ({reason}): files written in the last seconds "
            "may be incomplete; `df` and `dmesg` on this node tell more"
        )


class ControlPlaneAway(FlockerError):
    """etcd did not answer, so nothing that needs a decision can be done."""


class NotAdmitted(ControlPlaneAway):
    """This machine, or this version of flocker, may not join, so it may change nothing."""


class EngineAway(FlockerError):
    """The node's engine did not answer."""


def _listed(containers: list[str]) -> str:
    return ", ".join(f"container '{name}'" for name in containers)


def _mebibytes(size_bytes: int) -> str:
    return f"{size_bytes / (1 << 20):.1f} MiB"
