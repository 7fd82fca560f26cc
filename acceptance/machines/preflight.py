"""Faults of a server, each as one line that says what to do; nothing is changed.

Facts are read in facts.py; each check is a pure function of them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from acceptance.base.ports import DRIVER_PORT, ETCD_PEER_PORT, ETCD_PORT
from acceptance.machines.facts import FOLDER, Facts

SYSTEMS = {"debian 12": "Debian 12", "debian 13": "Debian 13", "ubuntu 24.04": "Ubuntu 24.04"}
PORTS = {ETCD_PORT: "etcd", ETCD_PEER_PORT: "etcd", DRIVER_PORT: "the driver"}
APP_PORT = 80
APP_PORT_HOLDER = "docker-proxy"  # what the engine listens with for a container
GIB = 1024**3
# Measured on a Debian 12: packages with the engine 0.5 GiB, what is uploaded and the story's images
# twice 0.2 GiB. The rest is for what scenarios write.
NEEDED_BYTES = 3 * GIB


@dataclass(frozen=True)
class Wanted:
    """The node that a server is meant to become.

    `authorities` are the certificates of the cluster's in base64: none before they are made, two
    while they are changed.
    """

    node: str
    address: str
    login: str
    architecture: str
    authorities: frozenset[str]
    etcd_members: int


def other_system(facts: Facts, _: Wanted) -> str | None:
    """Packages are taken from the distribution, and were tried on these."""
    if facts.system in SYSTEMS:
        return None
    return (
        f"runs {facts.system.strip() or 'an unknown system'}, not {' or '.join(SYSTEMS.values())}"
    )


def other_architecture(facts: Facts, wanted: Wanted) -> str | None:
    """The driver and the images are built for the processor of the machine that builds them."""
    if facts.architecture == wanted.architecture:
        return None
    return (
        f"is {facts.architecture}, and this machine builds for {wanted.architecture}; "
        f"type the same on a machine that is {facts.architecture}"
    )


def no_systemd(facts: Facts, _: Wanted) -> str | None:
    """Everything on a node is a unit."""
    return None if "systemd" in facts.has else "was not started by systemd"


def no_btrfs(facts: Facts, _: Wanted) -> str | None:
    """Volumes are btrfs subvolumes."""
    if "btrfs" in facts.has:
        return None
    return "has a kernel without btrfs; boot it with the distribution's own kernel"


def other_address(facts: Facts, wanted: Wanted) -> str | None:
    """The services listen there, so it has to be one of the server's own."""
    if wanted.address in facts.addresses:
        return None
    own = [address for address in facts.addresses if not address.startswith("127.")]
    return (
        f"has {_list(own)}, not {wanted.address}; put an address of its own into the inventory, "
        "by which the other servers and this machine reach it"
    )


def other_cluster(facts: Facts, wanted: Wanted) -> str | None:
    """A server that is a node keeps its name and its cluster, unless it was made to forget that."""
    is_ours = not facts.authorities or bool(facts.authorities & wanted.authorities)
    if not facts.node or (facts.node == wanted.node and is_ours):
        return None
    which = facts.node if is_ours else f"{facts.node} of another cluster"
    return f"is {which} already; to begin anew with it: docs/operations.md, Removing"


def other_members(facts: Facts, wanted: Wanted) -> str | None:
    """Members of etcd are chosen when a cluster is made: one of two nodes, three of more."""
    if facts.etcd_members in (0, wanted.etcd_members):
        return None
    made_for, given = (
        "three or more servers" if members > 1 else "two servers"
        for members in (facts.etcd_members, wanted.etcd_members)
    )
    return f"is of a cluster that was made for {made_for}, and this inventory has {given}"


def busy_port(facts: Facts, _: Wanted) -> str | None:
    """Somebody else listens where a part of a node would."""
    if facts.node:
        return None  # it is that part
    busy = [
        f"port {port} (for {part}) is taken by {facts.listeners[port]}"
        for port, part in PORTS.items()
        if port in facts.listeners
    ]
    return f"{'; '.join(busy)}; stop that first" if busy else None


def other_settings(facts: Facts, _: Wanted) -> str | None:
    """The engine's settings are written as a whole."""
    if "other-settings" not in facts.has:
        return None
    return (
        "has an /etc/docker/daemon.json of its own, which would be overwritten; "
        "type there: sudo mv /etc/docker/daemon.json /etc/docker/daemon.json.old"
    )


def other_folder(facts: Facts, _: Wanted) -> str | None:
    """Files that are not of the checkout are removed from its folder."""
    if "other-folder" not in facts.has:
        return None
    return f"has something else in {FOLDER}, where the checkout goes; move that away first"


def little_disk(facts: Facts, _: Wanted) -> str | None:
    """The parts of a node that are there already need no more room."""
    if facts.node or facts.free_bytes >= NEEDED_BYTES:
        return None
    free, needed = facts.free_bytes / GIB, NEEDED_BYTES / GIB
    return f"has {free:.1f} GiB free at /var/lib, and needs {needed:.0f} GiB; make room there"


def running_containers(facts: Facts, _: Wanted) -> str | None:
    """The engine is restarted when it gets the driver, and stops what runs."""
    running = sorted(name for name, state in facts.containers.items() if state == "running")
    if facts.node or not running:
        return None
    return (
        f"runs {_list(running)}, which would stop when the engine gets the driver; "
        f"stop them when it suits you: docker stop {' '.join(running)}"
    )


def busy_app_port(facts: Facts, _: Wanted) -> str | None:
    """The story's app needs a port of its own. A container's is the business of `strangers`."""
    holder = facts.listeners.get(APP_PORT, APP_PORT_HOLDER)
    if holder.startswith(APP_PORT_HOLDER):
        return None
    return f"port {APP_PORT} (for the app) is taken by {holder}; stop that first"


def strangers(facts: Facts, wanted: Wanted) -> str | None:
    """Scenarios begin by removing every container and volume; only their own may be there."""
    if facts.is_used_by_scenarios or not (facts.containers or facts.volumes):
        return None
    have = [
        f"{what} {_list(sorted(names))}"
        for what, names in (("containers", facts.containers), ("volumes", facts.volumes))
        if names
    ]
    return (
        f"has {' and '.join(have)}, and scenarios remove every container and volume; "
        f"use servers without any, or remove them yourself: {wanted.login}"
    )


Check = Callable[[Facts, Wanted], str | None]
BEFORE_INSTALLING: tuple[Check, ...] = (
    other_system, other_architecture, no_systemd, no_btrfs, other_address, other_cluster,
    other_members, busy_port, other_settings, other_folder, little_disk, running_containers,
)  # fmt: skip
BEFORE_SCENARIOS: tuple[Check, ...] = (*BEFORE_INSTALLING, busy_app_port, strangers)


def problems(facts: Facts, wanted: Wanted, checks: Sequence[Check]) -> list[str]:
    """One line per thing to mend; empty when the server can be the node."""
    return [line for check in checks if (line := check(facts, wanted)) is not None]


def _list(words: Sequence[str]) -> str:
    return ", ".join(words) or "none"
