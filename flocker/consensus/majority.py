"""Say why a cluster whose etcd does not survive the loss of a member takes nothing over."""

from __future__ import annotations

from flocker.base.records import ClusterState

FEWEST_VOTERS = 3  # two are left to decide when one is lost


def refusal(voters: int) -> str:
    """Why a volume cannot have failover=auto, and what to do."""
    return (
        f"failover=auto needs three members of etcd, and this cluster has {_counted(voters)}: "
        "when a node is lost, the rest could decide nothing, and containers would only be stopped. "
        "Leave the option out; a person can promote a replica (`flocker promote`)"
    )


def problems(voters: int | None, state: ClusterState) -> list[str]:
    """Problems of the auto volumes, for people.

    Args:
        voters: None if it is not known.
    """
    auto = sorted(volume.name for volume in state.volumes.values() if volume.failover == "auto")
    if voters is None or voters >= FEWEST_VOTERS or not auto:
        return []
    named = ", ".join(f"'{name}'" for name in auto)
    return [
        f"etcd has {_counted(voters)}, so no node takes over volumes with failover=auto, and their "
        f"containers are stopped whenever it does not answer: {named}; with three members of etcd "
        "this is over"
    ]


def _counted(voters: int) -> str:
    return "one member" if voters == 1 else f"{voters} members"
