"""A cluster in memory: the real driver and handoff on the twins of pool and etcd."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from flocker.catalog import Catalog
from flocker.driver import Driver
from flocker.errors import OwnerAway, TransferFailed
from flocker.handoff import Arrivals, Handoff, Peers
from flocker.holders import Holders
from flocker.memory import MemoryOwnership, MemoryPool
from flocker.ownership import Move, Node, Volume
from flocker.pool import Snapshot

ANSWER_SECONDS = 30  # what is 90 s on a node


class Machine:
    """One node: everything below its API."""

    def __init__(self, name: str, cluster: MemoryCluster, folder: Path) -> None:
        self.name = name
        self.is_up = True
        self.containers: dict[str, list[str]] = {}
        self.ownership = cluster.ownership
        self.folder = folder
        self.pool = MemoryPool(folder / "pool")
        self.peers: Peers = DirectPeers(cluster)
        self.answer_seconds = ANSWER_SECONDS
        self.start()

    def start(self) -> None:
        """Start the daemon, or start it again after it was killed."""
        self.driver = Driver(
            self.name,
            ownership=self.ownership,
            catalog=Catalog(self.ownership, self.folder / "catalog.json"),
            pool=self.pool,
            peers=self.peers,
            arrivals=Arrivals(Handoff(self.name, self.ownership, self.pool, self.peers)),
            holders=Holders(self.folder / "holders.json"),
            containers_using=lambda volume: self.containers.get(volume, []),
            answer_seconds=self.answer_seconds,
        )
        self.ownership.announce(Node(self.name, "127.0.0.1", "0", 0, 1))

    def write(self, volume: str, text: str, mount_id: str = "writer") -> None:
        """What `docker run -v volume:/data … echo text > /data/file` does."""
        mountpoint = self.driver.mount(volume, mount_id)
        (mountpoint / "file").write_text(text)
        self.driver.unmount(volume, mount_id)

    def read(self, volume: str, mount_id: str = "reader") -> str:
        mountpoint = self.driver.mount(volume, mount_id)
        text = (mountpoint / "file").read_text()
        self.driver.unmount(volume, mount_id)
        return text


class MemoryCluster:
    """Machines that share one table of owners."""

    def __init__(self, folder: Path, names: tuple[str, ...] = ("node1", "node2", "node3")) -> None:
        self.ownership = MemoryOwnership()
        self.machines: dict[str, Machine] = {}
        for name in names:
            (folder / name).mkdir()
            self.machines[name] = Machine(name, self, folder / name)

    def __getitem__(self, name: str) -> Machine:
        return self.machines[name]


class DirectPeers:
    """Peers that are called instead of asked over the network."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self._cluster = cluster

    def _at(self, node: str, volume: str) -> Machine:
        machine = self._cluster[node]
        if not machine.is_up:
            raise OwnerAway(volume, node, "connection refused")
        return machine

    def check_unused(self, volume: Volume) -> None:
        self._at(volume.owner, volume.name).driver.refuse_if_used(volume.name)

    def release(self, volume: Volume, move: Move) -> list[Snapshot]:
        owner = self._at(volume.owner, volume.name)
        return owner.driver.release(volume.name, volume.epoch, move.token)

    def stream_bytes(self, move: Move, wanted: Snapshot, parent: Snapshot | None) -> int:
        pool = self._at(move.source, move.volume_id).pool
        return pool.stream_bytes(move.volume_id, wanted.number, parent.number if parent else None)

    def stream(self, move: Move, wanted: Snapshot, parent: Snapshot | None) -> Iterator[bytes]:
        machine = self._at(move.source, move.volume_id)
        number = parent.number if parent else None
        for chunk in machine.pool.send(move.volume_id, wanted.number, number):
            if not machine.is_up:
                raise TransferFailed(f"the stream from {move.source} broke off")
            yield chunk

    def tell_moved(self, volume: Volume, source: str) -> None:
        if self._cluster[source].is_up:
            self._cluster[source].driver.put_away(volume.name)

    def remove(self, volume: Volume) -> None:
        self._at(volume.owner, volume.name).driver.remove(volume.name)

    def forget(self, volume: Volume) -> None:
        for machine in self._cluster.machines.values():
            if machine.is_up:
                machine.driver.forget(volume.id)
