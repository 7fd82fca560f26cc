"""Say why a machine may not join under a name that belongs to another one."""

from __future__ import annotations

from flocker.errors import NotAdmitted
from flocker.records import Node


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
        f"If the other machine is gone for good, type `flocker forget {node.name}` on another "
        "node; if not, give this machine another name (FLOCKER_NODE in /etc/flocker/flocker.env)"
    )
