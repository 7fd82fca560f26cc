"""What may be wrong with a server, each as one line that says what to do; nothing is changed.

Facts are read by one command per server (`read`); what follows from them are pure functions.

Longer than 300 lines because each check is a function with its message.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from shlex import quote

from fabric import Connection
from invoke.exceptions import CommandTimedOut

from acceptance.base.ports import DRIVER_PORT, ETCD_PEER_PORT, ETCD_PORT
from acceptance.machines.protocol import NOTES

SYSTEMS = {"debian 12": "Debian 12", "debian 13": "Debian 13", "ubuntu 24.04": "Ubuntu 24.04"}
PORTS = {ETCD_PORT: "etcd", ETCD_PEER_PORT: "etcd", DRIVER_PORT: "the driver"}
APP_PORT = 80
APP_PORT_HOLDER = "docker-proxy"  # what the engine listens with for a container
GIB = 1024**3
# Measured on a Debian 12: packages with the engine 0.5 GiB, what is uploaded and the story's images
# twice 0.2 GiB. The rest is for what scenarios write.
NEEDED_BYTES = 3 * GIB

FOLDER = "/vagrant"  # the README's name for what a node has of the checkout
FOLDER_MARK = f"{NOTES}/folder"  # without it, FOLDER is somebody else's
SCENARIOS_MARK = f"{NOTES}/scenarios"
"""While it is there, scenarios have been on the server, and what they made is in made.RECORD."""

READ_SECONDS = 60
READ = f"""
. /etc/os-release
echo "system $ID $VERSION_ID"
echo "architecture $(dpkg --print-architecture)"
[ ! -d /run/systemd/system ] || echo "has systemd"
if grep -qw btrfs /proc/filesystems || modprobe --dry-run btrfs 2>/dev/null; then
    echo "has btrfs"
fi
ip -4 -oneline address show | awk '{{ sub("/.*", "", $4); print "address", $4 }}'
ss -Hltnp | awk '{{ sub(".*:", "", $4); print "listener", $4, $6 }}'
if command -v docker >/dev/null; then
    timeout 20 docker ps --all --format 'container {{{{.State}}}} {{{{.Names}}}}'
    timeout 20 docker volume ls --format 'volume {{{{.Name}}}}'
fi
settings=/etc/docker/daemon.json
if [ -e $settings ]; then
    cmp -s $settings /etc/flocker/daemon.json || cmp -s $settings {FOLDER}/provision/daemon.json ||
        echo "has other-settings"
fi
[ ! -e {FOLDER} ] || [ -e {FOLDER_MARK} ] || [ -z "$(ls -A {FOLDER})" ] || echo "has other-folder"
[ ! -e {SCENARIOS_MARK} ] || echo "has scenarios"
sed -n 's/^FLOCKER_NODE=/node /p; s/^FLOCKER_ETCD_ENDPOINTS=/endpoints /p' \\
    /etc/flocker/flocker.env 2>/dev/null
[ ! -e /etc/flocker/certs/ca.pem ] || sed 's/^/authority /' /etc/flocker/certs/ca.pem
! timeout 20 flocker status --json 2>/dev/null | grep -Eq '"is_connected": ?true' || echo "has work"
echo "free $(df --output=avail --block-size=1 /var/lib | tail -n 1)"
"""


class NotRead(Exception):
    """The facts cannot be had; the message says why."""


@dataclass(frozen=True)
class Facts:
    """Everything about a server that decides whether it can be, or already is, a node."""

    system: str  # like "debian 12"
    architecture: str  # like "amd64"
    node: str  # which one it is already, empty when it is none
    authorities: frozenset[str]  # the certificates of those it trusts, in base64
    etcd_members: int  # of its cluster; 0 when it is no node
    free_bytes: int
    addresses: tuple[str, ...]
    listeners: Mapping[int, str]  # port -> who listens
    containers: Mapping[str, str]  # name -> state
    volumes: tuple[str, ...]
    has: frozenset[str]

    @property
    def is_used_by_scenarios(self) -> bool:
        """Whether everything on it is left from scenarios."""
        return "scenarios" in self.has

    @property
    def is_working(self) -> bool:
        """Whether it is a node that can agree with the others."""
        return "work" in self.has


@dataclass(frozen=True)
class Wanted:
    """What a server is meant to become.

    `authorities` are the certificates of the cluster's in base64: none before they are made, two
    while they are changed.
    """

    node: str
    address: str
    login: str
    architecture: str
    authorities: frozenset[str]
    etcd_members: int


def read(shell: Connection) -> Facts:
    """The facts of a server.

    Raises:
        NotRead: its user may not use sudo.
    """
    try:
        done = shell.run(
            f"sudo -n sh -c {quote(READ)}",
            hide=True, warn=True, in_stream=False, timeout=READ_SECONDS,
        )  # fmt: skip
    except CommandTimedOut as error:
        raise NotRead(f"has not told about itself within {READ_SECONDS} s") from error
    if "free " not in done.stdout:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise NotRead(
            f"{shell.user} must be allowed to use sudo without a password; it said: {said}"
        )
    return parse(done.stdout)


def parse(printed: str) -> Facts:
    """The facts in what the command of `read` printed."""
    found: dict[str, list[str]] = {}
    for line in printed.splitlines():
        key, _, value = line.partition(" ")
        found.setdefault(key, []).append(value.strip())

    def first(key: str) -> str:
        return found.get(key, [""])[0]

    return Facts(
        system=first("system"),
        architecture=first("architecture"),
        node=first("node"),
        authorities=certificates_in("\n".join(found.get("authority", ()))),
        etcd_members=first("endpoints").count("https://"),
        free_bytes=int(first("free")),
        addresses=tuple(found.get("address", ())),
        listeners=dict(map(_listener, found.get("listener", ()))),
        containers={name: state for state, _, name in map(_split, found.get("container", ()))},
        volumes=tuple(found.get("volume", ())),
        has=frozenset(found.get("has", ())),
    )


def certificates_in(pem: str) -> frozenset[str]:
    """The certificates of a file, each in base64."""
    found = re.findall("-----BEGIN CERTIFICATE-----(.*?)-----END", pem, re.DOTALL)
    return frozenset("".join(each.split()) for each in found)


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
    """etcd's members are chosen when a cluster is made: one of two nodes, three of more."""
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
    """What is not of the checkout is removed from its folder."""
    if "other-folder" not in facts.has:
        return None
    return f"has something else in {FOLDER}, where the checkout goes; move that away first"


def little_disk(facts: Facts, _: Wanted) -> str | None:
    """What is there already of a node needs no room any more."""
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


def _listener(line: str) -> tuple[int, str]:
    """`2379 users:(("etcd",pid=812,fd=7))` -> 2379, "etcd (process 812)"."""
    port, _, users = line.partition(" ")
    fields = users.replace('"', "").removeprefix("users:((").split(",")
    program, process = (*fields, "")[:2]
    number = process.removeprefix("pid=")
    return int(port), f"{program} (process {number})" if number else "somebody"


def _split(line: str) -> tuple[str, str, str]:
    return line.partition(" ")


def _list(words: Sequence[str]) -> str:
    return ", ".join(words) or "none"
