"""Faults of this machine, each as one line that says what to type next.

Facts are read in facts.py; each check is a function of them.
"""

import shlex
import shutil
from collections.abc import Callable, Sequence
from ipaddress import IPv4Network

from host import nodes, provider
from host.facts import GIB, TYPED_FROM, Facts
from host.libvirt import Machine
from host.nodes import Container

# The Vagrantfile gives a virtual machine 1 GiB; where QEMU emulates, it keeps up to as much again
# of code it has translated (measured: 0.8 GiB). A container takes what it uses.
MACHINE_BYTES = 2 * GIB

MANAGEMENT = IPv4Network("192.168.121.0/24")  # by which vagrant-libvirt reaches its machines


def no_root(facts: Facts) -> str | None:
    """Packages, the engine and loop devices are root's. `make` has tried sudo by now."""
    if facts.is_root:
        return None
    return "this needs root, and there is no sudo here; log in as root and type the same again"


def engine_down(facts: Facts) -> str | None:
    """No engine answers root, though `prepare` starts one; it need not answer anybody else."""
    if facts.provider != "docker" or facts.engine_answers or not facts.is_root:
        return None
    return (
        f"Docker's engine does not answer; its log ends with: {facts.engine_last_line}; "
        "type: docker version"
    )


def virtualbox_missing(facts: Facts) -> str | None:
    """VirtualBox is no Debian package: it cannot be installed here."""
    if facts.provider != "virtualbox" or shutil.which("VBoxManage"):
        return None
    return (
        "VirtualBox is not installed (VBoxManage not found); see virtualbox.org, or choose libvirt"
    )


def wrong_size(facts: Facts) -> str | None:
    """A number of nodes that there is no cluster for, or another than this cluster's."""
    if facts.wanted_size not in provider.SIZES:
        return f"NODES must be 2 or 3, not '{facts.wanted_size}'"
    if facts.made_size not in (None, facts.wanted_size):
        return (
            f"this cluster was made with NODES={facts.made_size}; to change that, type: make down"
        )
    return None


def no_ceph(facts: Facts) -> str | None:
    """A Ceph where none can be: it needs three containers, and to be there from the start."""
    if facts.wanted_ceph not in ("", "yes"):
        return f"CEPH must be yes or nothing, not '{facts.wanted_ceph}'"
    if facts.wanted_ceph == "yes" and not facts.with_ceph:
        return "this cluster was made without Ceph; before CEPH=yes type: make down"
    if facts.with_ceph and (facts.provider != "docker" or facts.wanted_size != "3"):
        return "CEPH=yes needs three nodes that are containers: NODES=3, PROVIDER=docker"
    return None


def other_provider(facts: Facts) -> str | None:
    """The nodes that are there were made with another provider: they have the addresses."""
    others = facts.nodes_of - {facts.provider}
    if not others:
        return None
    return (
        f"this checkout has nodes made with {', '.join(sorted(others))}; "
        f"before PROVIDER={facts.provider} type: make down"
    )


def little_memory(facts: Facts) -> str | None:
    """Too little memory for the virtual machines; containers take what they use."""
    if facts.provider == "docker" or facts.nodes_of or facts.wanted_size not in provider.SIZES:
        return None
    needed_bytes = int(facts.wanted_size) * MACHINE_BYTES
    if facts.free_memory_bytes >= needed_bytes:
        return None
    fewer = ", or choose NODES=2" if facts.wanted_size != "2" else ""
    return (
        f"{facts.free_memory_bytes / GIB:.1f} GiB of memory are free, {facts.wanted_size} virtual "
        f"machines need {needed_bytes / GIB:.1f} GiB; end something{fewer} "
        "(see: ps aux --sort -rss)"
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
        if facts.nodes_of and route.interface.startswith(("virbr", "vboxnet")):
            continue  # the network of our own libvirt or VirtualBox machines
        return (
            f"the nodes' subnet {nodes.SUBNET} is taken by the route {route.destination} on "
            f"interface {route.interface}; "
            f"if nobody needs it, type: ip route delete {route.destination}"
        )
    return None


def nodes_masked(facts: Facts) -> str | None:
    """The nodes would see each other under this machine's address, and etcd finds no quorum."""
    if not facts.masking_rules:
        return None
    return (
        f"an engine that was killed left a rule that hides the nodes' addresses ({nodes.SUBNET}); "
        f"type: {'; '.join(facts.masking_rules)}"
    )


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


def closed_checkout(facts: Facts) -> str | None:
    """Compose files that only their owner can read; another user types on the nodes."""
    if facts.provider != "docker" or not facts.closed:
        return None
    folders = (shlex.quote(str(facts.checkout / name)) for name in TYPED_FROM)
    return (
        f"nodes could not read {facts.closed[0]}, which was made with a strict umask; "
        f"type: chmod -R o+rX {' '.join(folders)}"
    )


def browser_missing(facts: Facts) -> str | None:
    """The visitor's browser or its driver is not on PATH."""
    if not facts.missing_programs:
        return None
    return (
        f"{' and '.join(facts.missing_programs)} not found; "
        "type: apt-get install chromium chromium-driver"
    )


def management_taken(facts: Facts) -> str | None:
    """Somebody else than libvirt uses the addresses of vagrant-libvirt's own network."""
    if facts.provider != "libvirt":
        return None
    for route in facts.routes:
        is_default = route.destination.prefixlen == 0
        if is_default or route.interface.startswith("virbr"):
            continue
        if route.destination.overlaps(MANAGEMENT):
            return (
                f"{MANAGEMENT}, which Vagrant reaches virtual machines by, is taken by the route "
                f"{route.destination} on interface {route.interface}; "
                f"if nobody needs it, type: ip route delete {route.destination}"
            )
    return None


def stale_cluster(facts: Facts) -> str | None:
    """Nodes of another checkout hold the names and addresses ours would get."""
    nodes_there: tuple[Container | Machine, ...] = (*facts.containers, *facts.machines)
    strangers = [node for node in nodes_there if node.checkout != facts.checkout]
    if not strangers:
        return None
    names = " ".join(sorted(node.name for node in strangers))
    checkout = strangers[0].checkout
    if checkout is not None and (checkout / "Makefile").exists():
        return (
            f"nodes of the checkout {checkout} are up ({names}); "
            f"type: make -C {shlex.quote(str(checkout))} down"
        )
    remove = "docker rm --force --volumes NODES"
    if isinstance(strangers[0], Machine):
        remove = "for n in NODES; do virsh destroy $n; virsh undefine --remove-all-storage $n; done"
    return (
        f"nodes of the checkout {checkout}, which is gone, are left ({names}); "
        f"type: {remove.replace('NODES', names)}"
    )


Check = Callable[[Facts], str | None]
BEFORE_INSTALLING: tuple[Check, ...] = (no_root, little_disk)
BEFORE_NODES: tuple[Check, ...] = (
    wrong_size,
    no_ceph,
    other_provider,
    engine_down,
    virtualbox_missing,
    closed_checkout,
    browser_missing,
    stale_cluster,
    subnet_taken,
    nodes_masked,
    management_taken,
    little_memory,
)


def problems(facts: Facts, checks: Sequence[Check]) -> list[str]:
    """One line per thing to mend; empty when nodes can run."""
    return [line for check in checks if (line := check(facts)) is not None]


def _overlaps(subnets: Sequence[IPv4Network]) -> bool:
    return any(subnet.overlaps(nodes.SUBNET) for subnet in subnets)
