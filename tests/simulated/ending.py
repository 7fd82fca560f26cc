"""Everything that can be seen of a simulated cluster once clients and faults are over."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from flocker.base.records import Volume
from judge.clients.cluster import Request
from judge.history import (
    Action,
    Answered,
    Checked,
    Digest,
    Leaked,
    Outcome,
    Place,
    Promises,
    Read,
    Settled,
)
from judge.recorder import Recorder
from tests.simulated.cluster import SimulatedCluster
from tests.simulated.lines import parse
from tests.simulated.node import Node
from tests.simulated.scheduler import Scheduler

RECOVERY_SECONDS = 60.0  # two leases and half a minute
TRY_SECONDS = 2.0
LAST_SIZE = "2GiB"  # which no client asks for
PATIENCE_SECONDS = Promises().stuck + 10


class Ending:
    """Looks at a cluster in the end, and does what its operators would be told to do."""

    def __init__(self, cluster: SimulatedCluster, recorder: Recorder, running: Scheduler) -> None:
        self._cluster = cluster
        self._recorder = recorder
        self._running = running

    def come(self, volumes: list[str]) -> None:
        """Stop all writers, wait, and note all there is.

        Args:
            volumes: those that must be there; there may be others.
        """
        for volume in volumes:
            if volume not in self._cluster.state.volumes:
                self.do(Action.UNDELETE, self._cluster.nodes[0], volume)
        volumes = sorted({*volumes, *self._cluster.state.volumes})
        for volume in volumes:
            for node in self._cluster.nodes:
                self.do(Action.STOP, node, volume)
        self._running.sleep(RECOVERY_SECONDS)
        self._go_on_from_replicas()
        self._recorder.note(Settled(at=self._running.now))
        self._sample()
        self._check_sizes()
        for volume in volumes:
            self.do(Action.RESIZE, self._cluster.nodes[0], volume, LAST_SIZE)
        self._check_sizes()
        for volume in volumes:
            for node in self._cluster.nodes:
                self._read(node, volume)
        self._running.sleep(RECOVERY_SECONDS)
        self._sample()
        for name, node in self._cluster.machines.items():
            self._look_into_trash(name, node)
            for record in self._cluster.state.volumes.values():
                self._look_into_snapshots(name, node, record)
            self._look_for_leaks(name, node)
        self._look_for_left_records()

    def do(self, action: Action, node: str, volume: str, detail: str = "") -> None:
        """Ask until it is done, or for long enough to call it stuck."""
        request = Request(action=action, node=node, volume=volume, detail=detail)
        self._until_done(lambda: self._recorder.do("ending", self._cluster, request))

    def _read(self, node: str, volume: str) -> None:
        self._until_done(lambda: self._recorder.read("ending", self._cluster, node, volume))

    def _until_done(self, ask: Callable[[], Answered]) -> None:
        until = self._running.now + PATIENCE_SECONDS
        while ask().outcome is not Outcome.DONE and self._running.now < until:
            self._running.sleep(TRY_SECONDS)

    def _sample(self) -> None:
        for name in self._cluster.nodes:
            self._recorder.note(*self._cluster.sample(name))

    def _go_on_from_replicas(self) -> None:
        """Do what the driver tells an operator to do whose disk was replaced."""
        for volume in list(self._cluster.state.volumes.values()):
            if not self._cluster.machines[volume.owner].disk.lines.is_there(volume.id):
                self.do(Action.PROMOTE_HERE, volume.owner, volume.name)

    def _look_into_trash(self, name: str, node: Node) -> None:
        state = self._cluster.state
        names = {volume.id: volume.name for volume in state.volumes.values()}
        names |= {id_: each.volume.name for id_, each in state.removed.items()}
        owners = {id_: each.volume.owner for id_, each in state.removed.items()}
        for aside in node.disk.pool.asides():
            is_removed = aside.why == "removed"
            if is_removed and owners.get(aside.volume_id) != name:
                continue  # a replica, which is not what comes back
            self._note(
                name,
                names.get(aside.volume_id, aside.volume),
                Place.REMOVED if is_removed else Place.COPY,
                aside.reference,
                node.disk.pool.aside_content(aside.reference),
            )

    def _look_into_snapshots(self, name: str, node: Node, volume: Volume) -> None:
        pool = node.disk.pool
        named = [each.snapshot for each in self._cluster.state.named(volume)]
        for snapshot in pool.snapshots(volume.id):
            content = pool.snapshot_content(volume.id, snapshot.number)
            reference = f"{volume.name}@{snapshot.number}"
            if snapshot in named:  # a former owner may be the only node that has it
                self._note(name, volume.name, Place.SNAPSHOT, reference, content)
            self._recorder.note(
                Digest(
                    at=self._running.now,
                    node=name,
                    volume=volume.name,
                    snapshot=f"{reference} {snapshot.identity}",
                    digest=hashlib.sha256(content).hexdigest(),
                )
            )

    def _check_sizes(self) -> None:
        for volume in self._cluster.state.volumes.values():
            there = self._cluster.machines[volume.owner].disk.pool.limits.get(volume.id)
            self._recorder.note(
                Checked(
                    at=self._running.now, node=volume.owner, what="size", volume=volume.name,
                    is_well=there == volume.size_bytes,
                    message=f"it is {there} in the pool, and {volume.size_bytes} is agreed",
                )
            )  # fmt: skip

    def _note(self, node: str, volume: str, place: Place, reference: str, content: bytes) -> None:
        found, now = parse(content), self._running.now
        self._recorder.note(
            Read(
                at=now, began=now, node=node, volume=volume, place=place, reference=reference,
                seen=found.seen, damaged=found.damaged,
            )
        )  # fmt: skip

    def _look_for_leaks(self, name: str, node: Node) -> None:
        owners = {volume.id: volume.owner for volume in self._cluster.state.volumes.values()}
        shown = node.daemon.operations.overview.status()["problems"] if node.daemon else []
        for volume_id in sorted(node.disk.pool.writable_ids()):
            is_shown = any(volume_id in problem for problem in shown)
            if owners.get(volume_id) != name and not is_shown:
                self._leak(name, "a writable copy", volume_id)
        if node.daemon is None:
            self._leak(name, "a daemon that does not run")
        elif uses := node.daemon.context.use.volumes():
            self._leak(name, "a use without a container", ", ".join(sorted(uses)))

    def _look_for_left_records(self) -> None:
        for volume_id, owner in self._cluster.state.mounts.items():
            self._leak(owner, "the record of a mount", volume_id)
        for volume_id, move in self._cluster.state.moves.items():
            self._leak(move.target, "the record of a move", volume_id)

    def _leak(self, node: str, what: str, message: str = "") -> None:
        self._recorder.note(Leaked(at=self._running.now, node=node, what=what, message=message))
