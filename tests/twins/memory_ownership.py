"""Ownership in memory, for tests only: the rules of etcd.py on an etcd in memory.

One object serves all nodes of a test. Who asks follows from what is asked: the owner mounts, the
target moves.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Iterator

from flocker.base.records import ClusterState, Look, Move, Node, Volume, ago
from flocker.consensus.etcd import EtcdOwnership
from tests.twins.memory_etcd import MemoryEtcd

POLL_SECONDS = 0.1


class View(EtcdOwnership):
    """The view of one node, with its own lease."""

    def __init__(self, etcd: MemoryEtcd, seconds_ahead: Callable[[], float] = lambda: 0) -> None:
        super().__init__([], 1, None)
        self._members = etcd
        self._seconds_ahead = seconds_ahead

    @property
    def lease(self) -> int | None:
        return self._lease

    def _now(self) -> str:
        return ago(-self._seconds_ahead())


class MemoryOwnership(View):
    """One table shared by all nodes of a test; leases run out when `expire` is called.

    Attributes:
        members: that decide, as if there were several.
        ahead: node -> seconds by which its clock is ahead of this machine's.
    """

    def __init__(self, etcd: MemoryEtcd | None = None) -> None:
        self.etcd = etcd or MemoryEtcd()
        super().__init__(self.etcd)
        self.members = 3
        self._nodes: dict[str, View] = {}
        self.ahead: dict[str, float] = defaultdict(float)
        self._machines: dict[str, str] = {}  # node -> the machine whose view that is

    def state(self) -> ClusterState:
        return self.etcd.state()

    def follow(self, stopping: threading.Event) -> Iterator[ClusterState]:
        told: ClusterState | None = None
        while not stopping.is_set():
            with self.etcd.changed:
                self.etcd.changed.wait_for(lambda: self.etcd.state() is not told, POLL_SECONDS)  # noqa: B023
                state = self.etcd.state()
            if state is not told:
                told = state
                yield state

    def mount(self, volume: Volume) -> None:
        self._of(volume.owner).mount(volume)

    def begin_move(self, volume: Volume, target: str) -> Move:
        return self._of(target).begin_move(volume, target)

    def lock_move(self, volume: Volume, move: Move) -> Move:
        return self._of(move.target).lock_move(volume, move)

    def report_move(self, move: Move) -> bool:
        return self._of(move.target).report_move(move)

    def announce(self, node: Node, look: Look | None = None, *, may_replace: bool = False) -> bool:
        is_same = self._machines.get(node.name, node.machine) == node.machine
        view = self._of(node.name) if is_same else self._view(node.name)
        is_new = view.announce(node, look, may_replace=may_replace)
        self._nodes[node.name], self._machines[node.name] = view, node.machine
        return is_new

    def voters(self) -> int:
        return self.members

    def expire(self, node: str) -> None:
        """Let a node's lease run out: what it held by lease is gone."""
        lease = self._of(node).lease
        if lease is not None:
            self.etcd.end_lease(lease)

    def restart(self, node: str) -> None:
        """Have a node's daemon know nothing any more: the next call is another process's."""
        self._nodes.pop(node, None)

    def _of(self, node: str) -> View:
        return self._nodes.setdefault(node, self._view(node))

    def _view(self, node: str) -> View:
        return View(self.etcd, lambda: self.ahead[node])
