"""The 35 behaviours by which a volume driver is judged.

Source: a survey of the test suites of nine drivers and of Docker's engine. Each behaviour is
tested by at least one of them, or its absence has cost somebody data.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum


class Level(IntEnum):
    """The equipment of a trial."""

    SOCKET = 1  # the plugin's socket, without an engine
    ENGINE = 2  # one engine of the judge's own
    CLUSTER = 3  # two or three nodes


class Claim(StrEnum):
    """A capability that a driver may claim; a behaviour that needs one is judged only then."""

    MULTI_NODE = "multi_node"  # a volume is the same volume on every node
    EXCLUSIVE = "exclusive"  # one node at a time may use a volume
    REPLICATION = "replication"  # other nodes hold copies before they need them
    FAILOVER = "failover"  # a volume outlives the node that uses it
    SURVIVES_RESTART = "survives_restart"  # the driver may restart under running containers
    CONTROL_STORE = "control_store"  # nodes agree through a store that may fail
    SNAPSHOTS = "snapshots"
    QUOTA = "quota"
    STATUS = "status"  # `docker volume inspect` shows fields of the driver's own
    UPGRADE = "upgrade"  # a newer version continues with the volumes of an older one
    SECURITY = "security"  # strangers are refused, and secrets stay out of logs
    DIAGNOSTICS = "diagnostics"  # a command collects what explains a failure


@dataclass(frozen=True)
class Behaviour:
    """One row of the matrix.

    Attributes:
        level: the lowest level at which it can be tried.
        needs: the claim without which a driver is not judged by it; None for every driver.
    """

    number: int
    sentence: str
    level: Level
    needs: Claim | None = None


BEHAVIOURS = (
    Behaviour(1, "The driver introduces itself, and refuses calls that do not exist", Level.SOCKET),
    Behaviour(2, "Creating a volume again changes nothing", Level.SOCKET),
    Behaviour(3, "Creating it again with other options is refused", Level.SOCKET),
    Behaviour(4, "Unknown options and malformed requests are refused", Level.SOCKET),
    Behaviour(5, "A name leads to no other volume and to no foreign folder", Level.SOCKET),
    Behaviour(
        6, "Two nodes that create one name at once get one volume", Level.CLUSTER, Claim.MULTI_NODE
    ),
    Behaviour(7, "The list and the single answers agree, on every node", Level.SOCKET),
    Behaviour(8, "The status of a volume says something", Level.SOCKET, Claim.STATUS),
    Behaviour(9, "A container reads what an earlier one wrote", Level.SOCKET),
    Behaviour(10, "The last of several users ends the use, and no earlier one", Level.SOCKET),
    Behaviour(11, "A copy out of a running container does not end its use", Level.SOCKET),
    Behaviour(12, "A failed mount leaves nothing behind", Level.SOCKET),
    Behaviour(13, "A volume in use is not removed", Level.SOCKET),
    Behaviour(
        14, "A volume has the same content after a planned move", Level.CLUSTER, Claim.MULTI_NODE
    ),
    Behaviour(
        15, "A move keeps owners, modes, links, holes and times", Level.CLUSTER, Claim.MULTI_NODE
    ),
    Behaviour(16, "Moving back sends only the changes", Level.CLUSTER, Claim.REPLICATION),
    Behaviour(
        17, "A volume in use on one node is refused on another", Level.CLUSTER, Claim.EXCLUSIVE
    ),
    Behaviour(
        18, "Another node continues with the data of a lost one", Level.CLUSTER, Claim.FAILOVER
    ),
    Behaviour(19, "A node that comes back does not win", Level.CLUSTER, Claim.FAILOVER),
    Behaviour(
        20, "A cut network leaves at most one node that writes", Level.CLUSTER, Claim.EXCLUSIVE
    ),
    Behaviour(21, "Volumes survive a restart of the engine", Level.ENGINE),
    Behaviour(22, "A killed engine leaves no use behind", Level.ENGINE),
    Behaviour(23, "Containers that outlive their engine keep their volume", Level.ENGINE),
    Behaviour(
        24,
        "Containers keep their volume when the driver is killed",
        Level.ENGINE,
        Claim.SURVIVES_RESTART,
    ),
    Behaviour(25, "Containers come back after a reboot", Level.CLUSTER),
    Behaviour(26, "A silent client or a dead driver holds nobody else up", Level.SOCKET),
    Behaviour(
        27, "Containers run on without the control store", Level.CLUSTER, Claim.CONTROL_STORE
    ),
    Behaviour(28, "A volume can be restored to a snapshot", Level.CLUSTER, Claim.SNAPSHOTS),
    Behaviour(
        29, "A container cannot write beyond the size of a volume", Level.ENGINE, Claim.QUOTA
    ),
    Behaviour(30, "An upgrade of the driver keeps the data", Level.CLUSTER, Claim.UPGRADE),
    Behaviour(31, "A database without root's rights keeps what it acknowledged", Level.ENGINE),
    Behaviour(32, "Strangers learn nothing, from network or logs", Level.CLUSTER, Claim.SECURITY),
    Behaviour(33, "Read-only, shared and unnamed volumes work", Level.ENGINE),
    Behaviour(34, "A command collects what explains a failure", Level.CLUSTER, Claim.DIAGNOSTICS),
    Behaviour(35, "Calls and moves keep their time budgets", Level.ENGINE),
)
BY_NUMBER = {behaviour.number: behaviour for behaviour in BEHAVIOURS}
