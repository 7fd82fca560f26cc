"""Everything about this machine that decides whether nodes can run on it, read in one place."""

import os
import shutil
import socket
import stat
from dataclasses import dataclass
from pathlib import Path

from host import ROOT, daemons, engine, firewall, libvirt, nodes, provider, routes
from host.libvirt import Machine
from host.nodes import Container, Network
from host.routes import Route

MEMORY = Path("/proc/meminfo")
NODES_DATA = {
    "docker": Path("/var/lib/docker"),
    "libvirt": Path("/var/lib/libvirt/images"),
    "virtualbox": Path("~/VirtualBox VMs").expanduser(),
}
GIB = 1024**3
TYPED_FROM = ("app", "bench")
"""Folders with compose files; a node that is a container sees them as they are in the checkout."""
NODES_USER = 1000  # box/customise/node makes it

# Measured after a first `make up`: 1.5 GiB in the engine (the node image and three nodes), 1.2 GiB
# in the checkout (layers, .venv, report generator). The rest is for what scenarios write, and for
# what mmdebstrap needs while it works.
NODES_BYTES = 4 * GIB
CHECKOUT_BYTES = 3 * GIB
# As much more with a Ceph: 0.35 GiB of packages, and 0.45 GiB on each node that holds nothing yet.
CEPH_BYTES = 2 * GIB


@dataclass(frozen=True)
class Disk:
    """A file system that will be written to: the bytes free there, and those needed."""

    folder: Path
    free_bytes: int
    needed_bytes: int


@dataclass(frozen=True)
class Facts:
    """Everything about this machine that decides whether nodes can run on it."""

    checkout: Path
    provider: str
    is_root: bool
    routes: tuple[Route, ...]
    masking_rules: tuple[str, ...]
    """Commands that remove what an engine that was killed left for the nodes' addresses."""
    networks: tuple[Network, ...]
    containers: tuple[Container, ...]
    machines: tuple[Machine, ...]
    disks: tuple[Disk, ...]
    free_memory_bytes: int
    missing_programs: tuple[str, ...]
    engine_answers: bool
    engine_last_line: str
    nodes_of: frozenset[str]
    """The providers of the nodes that Vagrant has made for this checkout."""
    wanted_size: str
    made_size: str | None
    """How many nodes are asked for, and how many this cluster was made for, if it was."""
    closed: tuple[Path, ...]
    """Folders and compose files of the checkout that the user of the nodes may not read."""
    wanted_ceph: str
    with_ceph: bool
    """The value of CEPH, and whether the cluster runs a Ceph or is going to."""


def read(chosen: str) -> Facts:
    """The facts for nodes of a provider, in well under a second."""
    containers = nodes.containers()
    machines = libvirt.machines() if chosen == "libvirt" else ()
    checkouts = {node.checkout for node in containers} | {node.checkout for node in machines}
    return Facts(
        checkout=ROOT,
        provider=chosen,
        is_root=os.geteuid() == 0,
        routes=routes.read(),
        masking_rules=tuple(
            firewall.masking(
                firewall.read()["iptables"],
                nodes.SUBNET,
                {name for _, name in socket.if_nameindex()},
            )
        ),
        networks=nodes.networks(),
        containers=containers,
        machines=machines,
        # With nodes there, what they need has been taken already.
        disks=() if ROOT in checkouts else read_disks(chosen, with_ceph=provider.with_ceph()),
        free_memory_bytes=read_free_memory(MEMORY.read_text()),
        missing_programs=tuple(p for p in ("chromium", "chromedriver") if not shutil.which(p)),
        engine_answers=engine.answers(),
        engine_last_line=daemons.last_line(engine.LOG),
        nodes_of=frozenset(file.parent.name for file in nodes.machine_files()),
        wanted_size=provider.wanted_size(),
        made_size=provider.made_size(),
        closed=read_closed(ROOT),
        wanted_ceph=provider.wanted_ceph(),
        with_ceph=provider.with_ceph(),
    )


def read_free_memory(table: str) -> int:
    """Bytes that can be had without swapping, by /proc/meminfo. Source: proc(5), MemAvailable."""
    fields = dict(line.split(":") for line in table.splitlines())
    return int(fields["MemAvailable"].split()[0]) * 1024


def read_closed(checkout: Path) -> tuple[Path, ...]:
    """The folders and compose files that the nodes' user may not read, as after `umask 077`."""
    folders = [checkout / name for name in TYPED_FROM if (checkout / name).is_dir()]
    paths = [path for folder in folders for path in (folder, *sorted(folder.glob("*.yml")))]
    return tuple(path for path in paths if not _nodes_user_may_read(path.stat()))


def _nodes_user_may_read(status: os.stat_result) -> bool:
    rights = status.st_mode >> (6 if status.st_uid == NODES_USER else 0)
    wanted = 0o5 if stat.S_ISDIR(status.st_mode) else 0o4
    return rights & wanted == wanted


def read_disks(chosen: str, *, with_ceph: bool = False) -> tuple[Disk, ...]:
    """The file systems of the nodes and of this checkout; one entry when they are the same."""
    needs: dict[int, Disk] = {}
    nodes_bytes = NODES_BYTES + (CEPH_BYTES if with_ceph else 0)
    for folder, needed in ((NODES_DATA[chosen], nodes_bytes), (ROOT, CHECKOUT_BYTES)):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        device = existing.stat().st_dev
        if device in needs:
            needed += needs[device].needed_bytes
        needs[device] = Disk(folder, shutil.disk_usage(existing).free, needed)
    return tuple(needs.values())
