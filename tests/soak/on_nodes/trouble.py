"""Faults of real nodes: one after the other, with calm in between."""

from __future__ import annotations

import logging
import threading
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import count
from random import Random

from acceptance.cluster.cluster import Cluster
from acceptance.cluster.faults import Faults
from acceptance.nodes.node import Node
from judge.chance import seeded

CALM_SECONDS = (3.0, 12.0)
FAULT_SECONDS = (3.0, 30.0)  # a lease is 15 s, and is taken over within 30 s

log = logging.getLogger("soak")

Begin = Callable[[Faults, Node], object]
MOMENTS: dict[str, Begin] = {
    "driver killed": Faults.kill_driver,
    "engine killed": Faults.kill_engine,
    "engine restarted": lambda _, node: node.restart("docker"),
}
STATES: dict[str, Begin] = {
    "etcd stopped": lambda faults, node: faults.stop_etcd([node]),
    "cut off": Faults.cut_off,
    "paused": Faults.pause,
    "power cut": Faults.power_off,
    "pool read-only": Faults.make_read_only,
}
"""Last until they are healed."""


def drawn(random: Random, faults: Sequence[str], nodes: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Faults and their nodes without end; each has come before any comes again."""
    for _ in count():
        for fault in random.sample(faults, len(faults)):
            yield fault, random.choice(nodes)


class Trouble:
    """Has faults come and go in a thread of its own.

    Attributes:
        done: how often what went wrong.
        wrong: what could not be mended; nothing more goes wrong then.
    """

    def __init__(self, cluster: Cluster, seed: int) -> None:
        self._cluster = cluster
        self._random = seeded(seed, "trouble")
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.done: Counter[str] = Counter()
        self.wrong: list[str] = []

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the last one end."""
        self._over.set()
        self._thread.join()

    def _run(self) -> None:
        names = [node.name for node in self._cluster.nodes]
        for fault, node in drawn(self._random, [*MOMENTS, *STATES], names):
            if self._over.wait(self._random.uniform(*CALM_SECONDS)):
                return
            log.info("fault: %s %s", node, fault)
            try:
                self._come_and_go(fault, self._cluster.node(node))
            except Exception:  # a thread that nobody would see end; this makes the run red
                self.wrong.append(f"{node} {fault}: {traceback.format_exc()}")
                return
            log.info("fault: %s %s is over", node, fault)
            self.done[fault] += 1

    def _come_and_go(self, fault: str, node: Node) -> None:
        faults = Faults(self._cluster)
        try:
            (MOMENTS | STATES)[fault](faults, node)
            if fault in STATES:
                self._over.wait(self._random.uniform(*FAULT_SECONDS))
        finally:
            faults.heal()
