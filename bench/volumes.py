"""Volumes of the driver, used as its users do: `docker volume`, `docker run`, `flocker status`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from acceptance.base.waiting import eventually, eventually_true
from acceptance.cluster.etcd import ETCD_ACCESS
from acceptance.nodes.node import Node
from bench import disk
from bench.move import remove_app, start_app
from bench.plan import CAUGHT_UP, COLD, SECOND, WARM, Data

POOL = "/var/lib/flocker"
FOLLOW_SECONDS = 300
FORGET_SECONDS = 60
NAMES_AT_ONCE = 50
Copies = Mapping[str, Mapping[str, Any]]
"""Node -> what `flocker status` says of its copy."""


def create(node: Node, name: str, *, replicas: int) -> None:
    """Create a volume."""
    node.run(f"docker volume create --driver flocker --opt replicas={replicas} {name}")


def folder_of(node: Node, name: str) -> str:
    """Where a volume is on the node that has it mounted."""
    return node.run(f"docker volume inspect --format '{{{{.Mountpoint}}}}' {name}").strip()


@contextmanager
def mounted(node: Node, name: str) -> Iterator[str]:
    """Have a volume mounted on a node; yields where it is there."""
    start_app(node, mount_option(name))
    try:
        yield folder_of(node, name)
    finally:
        remove_app(node)


def mount_option(name: str) -> str:
    """`docker run`'s option that gives a container the volume at /data."""
    return f"--volume-driver flocker --volume {name}:/data"


def copies(node: Node, name: str) -> Copies:
    """The copies of a volume on other nodes than its owner."""
    return {str(copy["node"]): copy for copy in _status(node, name)["copies"]}


def wait_followed(node: Node, name: str, before: Copies | None = None) -> None:
    """Wait until all replicas of a volume have its newest data.

    Args:
        before: the copies before the last changes; a replica that still has one of these has not
            followed, whatever is said of it.

    Raises:
        NeverCame: they do not follow.
    """
    replicas = _status(node, name)["replicas"]
    old = {of: copy["number"] for of, copy in (before or {}).items()}
    eventually_true(
        lambda: copies(node, name),
        lambda found: (
            sum(copy["is_current"] and copy["number"] != old.get(of) for of, copy in found.items())
            >= replicas
        ),
        what=f"{replicas} replicas of {name} that have all of it",
        within=FOLLOW_SECONDS,
    )


def ids(node: Node) -> dict[str, str]:
    """The ids of all volumes, by name."""
    return {volume["name"]: volume["id"] for volume in _listed(node)}


def remove(nodes: list[Node], *names: str) -> None:
    """Remove volumes for good: also from the trash of every node, and from what is remembered.

    Those that do not exist are passed over.
    """
    known = ids(nodes[0])
    gone = {name: known[name] for name in names if name in known}
    for some in batches(list(gone), NAMES_AT_ONCE):
        nodes[0].run(f"docker volume rm {' '.join(some)}")
    for some in batches(list(gone.values()), NAMES_AT_ONCE):
        for node in nodes:
            # The others are told, and do it in their own time.
            eventually(lambda: _has_copy(node, some), is_=False, within=FORGET_SECONDS)  # noqa: B023
            patterns = " -o ".join(f"-name '{volume_id}*'" for volume_id in some)
            trash = f"sudo find {POOL}/trash -mindepth 1 -maxdepth 1 \\( {patterns} \\)"
            disk.delete(node, *node.run(trash).split())
        keys = " ".join(f"flocker/removed/{volume_id}" for volume_id in some)
        forget = f"for key in {keys}; do sudo env {ETCD_ACCESS} etcdctl del $key; done"
        nodes[0].run(forget)


def batches(names: list[str], size: int) -> list[list[str]]:
    """Some at a time, as one command has its limit of time."""
    return [names[first : first + size] for first in range(0, len(names), size)]


def _has_copy(node: Node, volume_ids: list[str]) -> bool:
    return not set(volume_ids).isdisjoint(node.run(f"sudo ls {POOL}/volumes").split())


def _listed(node: Node) -> list[dict[str, Any]]:
    volumes: list[dict[str, Any]] = json.loads(node.run("sudo flocker status --json"))["volumes"]
    return volumes


def _status(node: Node, name: str) -> dict[str, Any]:
    found = [volume for volume in _listed(node) if volume["name"] == name]
    if not found:
        raise RuntimeError(f"`flocker status` on {node.name} does not list {name}")
    return found[0]


@dataclass
class Ours:
    """Common to the driver's moves. See bench.move.Method."""

    source: Node
    target: Node
    data: Data
    volume: str

    @property
    def mount(self) -> str:
        return mount_option(self.volume)

    def create(self) -> None:
        """It is there from the move before."""

    def fill(self) -> None:
        """It is full from the move before."""

    def ahead(self) -> None:
        """Nothing is done by hand."""

    def settle(self) -> None:
        """Nothing is waited for."""

    def carry(self) -> None:
        """Nothing is done by hand: the app that starts on the target brings the volume there."""

    def folder_on(self, node: Node) -> str:
        return folder_of(node, self.volume)

    def remove(self) -> None:
        """It stays for the moves after this one; the run removes it."""


class Warm(Ours):
    """The volume and its replicas are there; see `follow`."""

    name = WARM

    def fill(self) -> None:
        wait_followed(self.source, self.volume)


class CaughtUp(Warm):
    """As Warm; the replicas get the last changes too, before the app is stopped."""

    name = CAUGHT_UP

    def ahead(self) -> None:
        self._before = copies(self.source, self.volume)

    def settle(self) -> None:
        wait_followed(self.source, self.volume, self._before)


class Cold(Ours):
    """A new volume that no other node has anything of. It stays for the way back."""

    name = COLD

    def create(self) -> None:
        create(self.source, self.volume, replicas=0)

    def fill(self) -> None:
        disk.fill(self.source, folder_of(self.source, self.volume), self.data)


class Second(Ours):
    """The way back of Cold's volume."""

    name = SECOND
