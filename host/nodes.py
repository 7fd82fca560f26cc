"""The node containers on this machine's engine, whose they are, and the network they share."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from pathlib import Path

from host import ROOT
from host.commands import attempt, docker_lines

SUBNET = IPv4Network("172.16.78.0/24")
NETWORK = f"vagrant_network_{SUBNET}"  # the name Vagrant's docker provider gives it
IMAGES = ("volume-plugins-demo/node", "volume-plugins-demo/node-ceph")
NAME = re.compile(r"volume-plugins-demo-node\d+")
# Every node has this folder of its checkout; the Vagrantfile lists what else.
FOLDER_ON_NODE = "/vagrant/provision"
MACHINES = ROOT / ".vagrant" / "machines"


@dataclass(frozen=True)
class Container:
    """A node container. `checkout` is where its folders come from: that tells whose it is."""

    name: str
    checkout: Path | None
    pid: int  # of its first process, on this machine; 0 when it is not running
    volumes: tuple[str, ...]
    folders: tuple[Path, ...]  # of its volumes, on this machine


@dataclass(frozen=True)
class Network:
    """A network of the engine, with its IPv4 subnets and the bridge that carries it."""

    name: str
    bridge: str
    subnets: tuple[IPv4Network, ...]


def containers() -> tuple[Container, ...]:
    """All node containers, running or not, of this checkout and of others."""
    return read_containers(_inspect("container", docker_lines("ps", "--all", "--quiet")))


def networks() -> tuple[Network, ...]:
    """All networks of the engine; none when it does not answer."""
    return read_networks(_inspect("network", docker_lines("network", "ls", "--quiet")))


def ours(found: Sequence[Container], checkout: Path) -> tuple[Container, ...]:
    """The node containers that belong to a checkout."""
    return tuple(container for container in found if container.checkout == checkout)


def machine_files(provider: str = "*") -> tuple[Path, ...]:
    """Vagrant's notes of the machines it made for this checkout, with any provider or with one."""
    return tuple(MACHINES.glob(f"*/{provider}/id"))


def read_containers(inspected: str) -> tuple[Container, ...]:
    """Node containers in what `docker container inspect` printed."""
    found = []
    for entry in json.loads(inspected):
        name = entry["Name"].lstrip("/")
        if not NAME.fullmatch(name):
            continue
        mounts = entry["Mounts"]
        folders = [Path(m["Source"]) for m in mounts if m["Destination"] == FOLDER_ON_NODE]
        volumes = [m for m in mounts if m["Type"] == "volume"]
        found.append(
            Container(
                name=name,
                checkout=folders[0].parent if folders else None,
                pid=entry["State"]["Pid"],
                volumes=tuple(m["Name"] for m in volumes),
                folders=tuple(Path(m["Source"]) for m in volumes),
            )
        )
    return tuple(found)


def read_networks(inspected: str) -> tuple[Network, ...]:
    """Networks in what `docker network inspect` printed."""
    return tuple(
        Network(
            name=entry["Name"],
            bridge=entry["Options"].get("com.docker.network.bridge.name", f"br-{entry['Id'][:12]}"),
            subnets=tuple(
                IPv4Network(pool["Subnet"])
                for pool in entry["IPAM"]["Config"] or ()
                if ":" not in pool["Subnet"]
            ),
        )
        for entry in json.loads(inspected)
    )


def _inspect(kind: str, ids: Sequence[str]) -> str:
    # One by one: a question about several fails as a whole when one of them has gone meanwhile.
    printed = [attempt("docker", kind, "inspect", each) for each in ids]
    return json.dumps([entry for each in printed if each for entry in json.loads(each)])
