"""What may be wrong with this machine, each as one line that says what to type next.

Facts are read in one place (`read`); what follows from them are pure functions.
"""

import os
import shlex
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from host import ROOT, engine, nodes
from host.nodes import Container, Network

ROUTES = Path("/proc/net/route")
ENGINE_DATA = Path("/var/lib/docker")
GIB = 1024**3

# Measured after a first `make up`: 1.5 GiB in the engine (the node image and three nodes), 1.2 GiB
# in the checkout (layers, .venv, report generator). The rest is for what scenarios write, and for
# what mmdebstrap needs while it works.
ENGINE_BYTES = 4 * GIB
CHECKOUT_BYTES = 3 * GIB


@dataclass(frozen=True)
class Route:
    """A line of the machine's IPv4 routing table; the interface is `*` for a refusing route."""

    interface: str
    destination: IPv4Network


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
    is_root: bool
    routes: tuple[Route, ...]
    networks: tuple[Network, ...]
    containers: tuple[Container, ...]
    disks: tuple[Disk, ...]
    missing_programs: tuple[str, ...]
    engine_answers: bool
    engine_last_line: str
    has_machines: bool
    """Whether Vagrant has machines for this checkout."""


def read() -> Facts:
    """The facts, in well under a second."""
    containers = nodes.containers()
    has_nodes = bool(nodes.ours(containers, ROOT))
    return Facts(
        checkout=ROOT,
        is_root=os.geteuid() == 0,
        routes=read_routes(ROUTES.read_text()),
        networks=nodes.networks(),
        containers=containers,
        # With nodes there, what they need has been written already.
        disks=() if has_nodes else read_disks(),
        missing_programs=tuple(p for p in ("chromium", "chromedriver") if not shutil.which(p)),
        engine_answers=engine.answers(),
        engine_last_line=engine.last_line(engine.LOG),
        has_machines=bool(nodes.machine_files()),
    )


def read_routes(table: str) -> tuple[Route, ...]:
    """The routes in /proc/net/route, whose addresses are hexadecimal in the CPU's byte order.

    Source: proc(5); net/ipv4/fib_trie.c, fib_route_seq_show. Connected networks are in it too.
    """
    routes = []
    for line in table.splitlines()[1:]:
        fields = line.split()
        address, mask = (_ip_bytes(fields[i]) for i in (1, 7))
        routes.append(Route(fields[0], IPv4Network((address, mask.bit_count()))))
    return tuple(routes)


def read_disks() -> tuple[Disk, ...]:
    """The file systems of the engine and of this checkout; one entry when they are the same."""
    needs: dict[int, Disk] = {}
    for folder, needed in ((ENGINE_DATA, ENGINE_BYTES), (ROOT, CHECKOUT_BYTES)):
        existing = next(path for path in (folder, *folder.parents) if path.exists())
        device = existing.stat().st_dev
        if device in needs:
            needed += needs[device].needed_bytes
        needs[device] = Disk(folder, shutil.disk_usage(existing).free, needed)
    return tuple(needs.values())


def no_root(facts: Facts) -> str | None:
    """Packages, the engine and loop devices are root's. `make` has tried sudo by now."""
    if facts.is_root:
        return None
    return "this needs root, and there is no sudo here; log in as root and type the same again"


def engine_down(facts: Facts) -> str | None:
    """No engine answers root, though `prepare` starts one; it need not answer anybody else."""
    if facts.engine_answers or not facts.is_root:
        return None
    return (
        f"Docker's engine does not answer; its log ends with: {facts.engine_last_line}; "
        "type: docker version"
    )


def subnet_taken(facts: Facts) -> str | None:
    """Somebody else uses addresses of the nodes' subnet on this machine."""
    vagrants = [network for network in facts.networks if network.name == nodes.NETWORK]
    for network in facts.networks:
        if network not in vagrants and _overlaps(network.subnets):
            return (
                f"the nodes' subnet {nodes.SUBNET} is taken by the docker network "
                f"{network.name}; if nobody needs it, type: docker network rm {network.name}"
            )
    bridges = {network.bridge for network in vagrants}
    for route in facts.routes:
        is_default = route.destination.prefixlen == 0
        if is_default or not _overlaps([route.destination]) or route.interface in bridges:
            continue
        if facts.has_machines and route.interface.startswith(("virbr", "vboxnet")):
            continue  # the network of our own libvirt or VirtualBox machines
        return (
            f"the nodes' subnet {nodes.SUBNET} is taken by the route {route.destination} on "
            f"interface {route.interface}; "
            f"if nobody needs it, type: ip route delete {route.destination}"
        )
    return None


def little_disk(facts: Facts) -> str | None:
    """A file system without room for the node image and what the nodes write."""
    for disk in facts.disks:
        if disk.free_bytes < disk.needed_bytes:
            return (
                f"{disk.free_bytes / GIB:.1f} GiB are free at {disk.folder}, "
                f"{disk.needed_bytes / GIB:.0f} GiB are needed; make room there "
                f"(see: du -xh --max-depth=2 {shlex.quote(str(disk.folder))} | sort -h)"
            )
    return None


def browser_missing(facts: Facts) -> str | None:
    """The visitor's browser or its driver is not on PATH."""
    if not facts.missing_programs:
        return None
    return (
        f"{' and '.join(facts.missing_programs)} not found; "
        "type: apt-get install chromium chromium-driver"
    )


def stale_cluster(facts: Facts) -> str | None:
    """Nodes of another checkout hold the names and addresses ours would get."""
    strangers = [c for c in facts.containers if c.checkout != facts.checkout]
    if not strangers:
        return None
    names = " ".join(sorted(container.name for container in strangers))
    checkout = strangers[0].checkout
    if checkout is not None and (checkout / "Makefile").exists():
        return (
            f"nodes of the checkout {checkout} are up ({names}); "
            f"type: make -C {shlex.quote(str(checkout))} down"
        )
    return (
        f"nodes of the checkout {checkout}, which is gone, are left ({names}); "
        f"type: docker rm --force --volumes {names}"
    )


Check = Callable[[Facts], str | None]
BEFORE_INSTALLING: tuple[Check, ...] = (no_root, little_disk)
BEFORE_NODES: tuple[Check, ...] = (engine_down, browser_missing, stale_cluster, subnet_taken)


def problems(facts: Facts, checks: Sequence[Check]) -> list[str]:
    """One line per thing to mend; empty when nodes can run."""
    return [line for check in checks if (line := check(facts)) is not None]


def _ip_bytes(hexadecimal: str) -> int:
    return int.from_bytes(bytes.fromhex(hexadecimal), "little")


def _overlaps(subnets: Sequence[IPv4Network]) -> bool:
    return any(subnet.overlaps(nodes.SUBNET) for subnet in subnets)
