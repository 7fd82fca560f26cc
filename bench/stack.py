"""The downtime of moby-counter: moved between nodes, and stopped and started on one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from acceptance.app.client import MobyCounter
from acceptance.app.gap import GapWatch
from acceptance.app.whale import Whale
from acceptance.base.waiting import eventually
from acceptance.nodes.node import Node

COMPOSE = (
    "docker compose --project-name bench --file /vagrant/app/docker-compose.yml "
    "--file /vagrant/bench/compose.yml"
)
PORT = 8080  # as in compose.yml
READY_SECONDS = 60
WHALE = Whale(100, 100)


@dataclass
class Stack:
    """The app of the story with its data in one volume of ours."""

    volume: str
    is_up: Callable[[], bool]

    def start(self, node: Node) -> None:
        """Start it and wait until it has its whale, placed now if there is none."""
        self._compose(node, "up --detach")
        app = MobyCounter(f"{node.address}:{PORT}")
        eventually(app.ping, is_=True, within=READY_SECONDS)
        if not app.whales():
            app.place(WHALE)

    def away(self, source: Node, target: Node) -> float:
        """Stop it on one node, start it on another or the same; the seconds it did not answer.

        Raises:
            GapNeverEnded: it does not show its whale on the target.
        """
        old, new = (f"{node.address}:{PORT}" for node in (source, target))
        with GapWatch(old, new, expected=[WHALE], is_up=self.is_up) as watching:
            self._compose(source, "stop")
            watching.turn_to_new()
            self._compose(target, "up --detach")
            return watching.wait(within=READY_SECONDS).seconds

    def remove(self, node: Node) -> None:
        """Remove its containers and network; the volume stays."""
        self._compose(node, "down")

    def _compose(self, node: Node, command: str) -> None:
        node.run(f"BENCH_VOLUME={self.volume} {COMPOSE} {command}")
