"""The other nodes as one daemon asks them: each request is a task of the daemon that answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, cast

from flocker.api.peer_client import DISK_SECONDS, LIST_SECONDS, OPERATION_SECONDS
from flocker.api.peer_connections import ANSWER_SECONDS
from flocker.base.errors import FlockerError, OwnerAway, TransferFailed
from flocker.base.records import Volume
from flocker.streams.liveness import STALL_SECONDS
from tests.simulated.network import Network
from tests.simulated.scheduler import Scheduler
from tests.simulated.tasks import Process
from tests.unit.flocker.cluster import Machine, MemoryCluster
from tests.unit.flocker.direct_peers import DirectPeers

if TYPE_CHECKING:
    from tests.simulated.node import Node

KEEPALIVE_SECONDS = 14.0  # after which a connection to a machine that is gone breaks off
LIMITS = {
    "prepare": DISK_SECONDS, "release": DISK_SECONDS, "create": DISK_SECONDS,
    "stream_bytes": DISK_SECONDS, "asides": LIST_SECONDS, "operate": OPERATION_SECONDS,
    "purge": OPERATION_SECONDS, "verify": OPERATION_SECONDS, "digest": OPERATION_SECONDS,
    "stream": STALL_SECONDS, "increments": STALL_SECONDS,
}  # fmt: skip
STREAMS = ("stream", "increments")


class SimulatedPeers:
    """The requests of one daemon; see ports.Peers.

    Args:
        known: the names of the nodes that are alive, as its mirror has it.
    """

    def __init__(
        self,
        me: str,
        nodes: dict[str, Node],
        network: Network,
        running: Scheduler,
        known: Callable[[], list[str]],
    ) -> None:
        self._me = me
        self._nodes = nodes
        self._network = network
        self._running = running
        self._known = known

    def __getattr__(self, name: str) -> Any:
        if name in STREAMS:
            return lambda *args: self._pieces(name, args)
        return lambda *args: self._ask(name, args)

    def put_away(self, volume: Volume, source: str) -> None:
        with suppress(FlockerError):  # it looks for itself
            self._ask("put_away", (volume, source))

    def discard(self, volume: Volume) -> None:
        threading.Thread(target=self._tell_removed, args=(volume,)).start()

    def _tell_removed(self, volume: Volume) -> None:
        for node in self._known():
            if node != self._me:
                with suppress(FlockerError):  # it looks for itself when it is back
                    self._ask("discard_on", (volume, node))

    def _pieces(self, name: str, args: tuple[Any, ...]) -> Iterator[Any]:
        try:
            pieces, route = self._send(name, args)
        except OwnerAway as error:
            raise TransferFailed(str(error)) from error
        for piece in pieces:
            if not route.is_open():
                self._running.sleep(KEEPALIVE_SECONDS)
                raise TransferFailed(f"the stream from {route.node} broke off")
            yield piece

    def _ask(self, name: str, args: tuple[Any, ...]) -> Any:
        return self._send(name, args)[0]

    def _send(self, name: str, args: tuple[Any, ...]) -> tuple[Any, Route]:
        running = self._running
        volume = next((each.name for each in args if isinstance(each, Volume)), "of a request")
        route = Route(self._me, volume, self._nodes, self._network, running)
        answers: list[Any] = []
        failures: list[FlockerError | ValueError] = []

        def answer() -> None:
            try:
                found = getattr(_Answering(route, self._me), name)(*args)
                answers.append(list(found) if name in STREAMS else found)
            except (FlockerError, ValueError) as error:
                failures.append(error)

        task = running.spawn(f"{self._me} asks {name}", answer, Process("network"))
        asker = running.current
        assert asker is not None
        task.on_end.append(lambda: running.wake(asker))
        until = running.now + LIMITS.get(name, ANSWER_SECONDS)
        lost_at: float | None = None
        while not task.is_over:
            running.wait(min(KEEPALIVE_SECONDS, max(0.0, until - running.now)))
            if task.is_over:
                break
            is_broken = not route.is_open() or running.now >= until
            if is_broken and (lost_at is not None or running.now >= until):
                raise OwnerAway(volume, route.node, "no answer")
            lost_at = running.now if is_broken else None
        if failures:
            raise failures[0]
        if not answers or not route.is_open():
            raise OwnerAway(volume, route.node, "the connection broke off")
        return answers[0], route


class Route:
    """The way of one request, which is known once it is clear who is asked."""

    def __init__(
        self,
        me: str,
        volume: str,
        nodes: dict[str, Node],
        network: Network,
        running: Scheduler,
    ) -> None:
        self.node = "a peer"
        self._volume = volume
        self._me = me
        self._nodes = nodes
        self._network = network
        self._running = running

    def take(self, node: str) -> Machine:
        """Go there: from now on, this task is one of the daemon there."""
        self.node = node
        self._network.travel(self._me, node)
        if not self.is_open():
            self._running.sleep(KEEPALIVE_SECONDS)
            raise OwnerAway(self._volume, node, "no answer")
        daemon = self._nodes[node].daemon
        if daemon is None or not daemon.process.is_alive:
            raise OwnerAway(self._volume, node, "connection refused")
        self._running.move(daemon.process)
        return cast(Machine, daemon)

    def is_open(self) -> bool:
        """Tell whether messages go both ways, and the machine has power."""
        if self.node not in self._nodes:
            return True
        ways = ((self._me, self.node), (self.node, self._me))
        return self._nodes[self.node].has_power and all(
            self._network.is_open(*each) for each in ways
        )


class _Answering(DirectPeers):
    """A daemon's answers; `_at` brings the question to it."""

    def __init__(self, route: Route, me: str) -> None:
        super().__init__(cast(MemoryCluster, None), me)
        self._route = route

    def _at(self, node: str, volume: str) -> Machine:  # noqa: ARG002
        return self._route.take(node)

    def put_away(self, volume: Volume, source: str) -> None:
        there = self._route.take(source)
        there.rights.check_owner(volume.name, self._node)
        there.departures.put_away(volume.name)

    def discard_on(self, volume: Volume, node: str) -> None:
        there = self._route.take(node)
        there.rights.check_remover(volume.id, self._node)
        there.removed_copies.discard(volume.id)
