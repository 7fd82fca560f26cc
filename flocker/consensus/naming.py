"""Say why a machine may not join: its name is another's or was retired, or flocker is too old."""

from __future__ import annotations

from flocker.base.errors import NotAdmitted
from flocker.base.records import Node
from flocker.consensus.keyspace import FORMAT

IDENTITY = "/var/lib/flocker-node/machine.json"  # see identity.py


def not_admitted(node: Node, address: str, *, is_up: bool) -> NotAdmitted:
    """The refusal of a machine that announces itself as `node`, whose name is taken.

    Args:
        address: of the machine that has the name.
        is_up: whether that one's lease has not run out.
    """
    state = "is up" if is_up else "is away"
    return NotAdmitted(
        f"this machine ({node.address}, id {node.machine[:8]}) is not {node.name}: the name "
        f"belongs to another machine ({address}), which {state}. So nothing may use a volume here. "
        "If the other machine is gone for good, have this one take its place: type `rm "
        f"{IDENTITY}; systemctl restart flocker` here. If not, give this machine another name "
        "(docs/operations.md)"
    )


def was_retired(node: str, at: str) -> NotAdmitted:
    """The refusal of a machine whose name was given up for good at that time."""
    return NotAdmitted(
        f"{node} was retired with `flocker forget {node}` at {at}, so nobody trusts that "
        "name any more, and nothing may use a volume here. To have this machine in the cluster "
        "again, give it another name (docs/operations.md)"
    )


def too_old(node: Node, number: int) -> NotAdmitted:
    """The refusal of a daemon that does not know the format of the cluster's records."""
    return NotAdmitted(
        f"flocker {node.version} on {node.name} knows the cluster's records up to format {FORMAT}, "
        f"and the records have format {number}, so nothing may use a volume here. Type `flocker "
        "status` to see the version of the other nodes, and install that version here"
    )
