"""Needs of a scenario beyond plain nodes, by its tag.

A scenario that cannot run on these nodes is skipped, and the report says why.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from acceptance.cluster import disk
from acceptance.cluster.cluster import Cluster
from acceptance.machines.protocol import Ability

REACHES_CEPH = "sudo grep --quiet ^FLOCKER_CEPH_FILESYSTEM= /etc/flocker/flocker.env"
SUBFOLDERS_SINCE = "26.0"  # of Docker: `--mount volume-subpath=`


@dataclass(frozen=True)
class Need:
    """Something not all nodes have. `reason` is why a scenario is skipped without it."""

    is_met: Callable[[Cluster], bool]
    reason: str


def _can(ability: Ability) -> Callable[[Cluster], bool]:
    return lambda cluster: ability in cluster.machines.abilities


def _have_compose_plugin(cluster: Cluster) -> bool:
    return all(node.type("docker compose version").exit_status == 0 for node in cluster.nodes)


NEEDS = {
    "vagrant": Need(_can(Ability.VAGRANT), "these nodes were not made by Vagrant"),
    "power": Need(
        _can(Ability.POWER),
        "these servers cannot be switched off: their inventory has no power: {off, on}",
    ),
    "pause": Need(
        _can(Ability.PAUSE),
        "these servers cannot be paused: their inventory has no power: {pause, resume}",
    ),
    "vm": Need(
        _can(Ability.FORGET),
        "these nodes are containers, whose memory survives a power cut",
    ),
    "ceph": Need(
        lambda cluster: all(node.type(REACHES_CEPH).exit_status == 0 for node in cluster.nodes),
        "the nodes have no Ceph: type make down, then make up CEPH=yes",
    ),
    "failing_disk": Need(
        lambda cluster: all(disk.can_fail(node) for node in cluster.nodes),
        "a node lacks FUSE or python3-fusepy, or its pool is not in a file",
    ),
    "three_nodes": Need(
        lambda cluster: len(cluster.nodes) >= 3,
        "there are only two nodes, and the scenario needs three",
    ),
    "compose_plugin": Need(
        _have_compose_plugin, "a node's Docker has no `docker compose`, only docker-compose"
    ),
    "subfolder": Need(
        lambda cluster: all(node.engine.is_at_least(SUBFOLDERS_SINCE) for node in cluster.nodes),
        f"a node's Docker is older than {SUBFOLDERS_SINCE}, the first to mount folders of a volume",
    ),
}


def unmet(tags: Iterable[str], cluster: Cluster) -> str | None:
    """Why a scenario with these tags cannot run on these nodes; None when it can."""
    needs = (NEEDS[tag] for tag in tags if tag in NEEDS)
    return next((need.reason for need in needs if not need.is_met(cluster)), None)
