"""Containers that write on twin nodes, and faults of these nodes, at random."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.soak.lines import seeded
from tests.soak.nodes import TwinNode, TwinNodes

WRITE_SECONDS = 0.05
CALM_SECONDS = 3.0  # at most, between two faults
FAULT_SECONDS = 10.0  # at most; a lease is 6 s, and a pool that hangs for 6 s is given up


class TwinOperated:
    """The twins, as operators see them."""

    def __init__(self, twins: TwinNodes) -> None:
        self._twins = twins
        self.names = list(twins.nodes)

    def run_container(self, node: str, volume: str) -> None:
        self._twins.nodes[node].run_container(volume)

    def end_container(self, node: str, volume: str) -> None:
        self._twins.nodes[node].end_container(volume, is_heard=True)

    def lose_container(self, node: str, volume: str) -> None:
        """Stop it without a word to the driver."""
        self._twins.nodes[node].end_container(volume, is_heard=False)

    def promote(self, node: str, volume: str, *, here: bool) -> None:
        self._twins.nodes[node].failover.promote(volume, here=here)

    def cancel_move(self, node: str, volume: str) -> None:
        self._twins.nodes[node].operations.moves.cancel(volume)

    def snapshot(self, node: str, volume: str) -> None:
        self._twins.nodes[node].operations.snapshots.snapshot([volume], "soak")


class Apps:
    """The apps in the containers of twin nodes: each writes line after line.

    Attributes:
        acknowledged: volume id -> the lines whose write has succeeded.
    """

    def __init__(self, twins: TwinNodes) -> None:
        self._twins = twins
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self.acknowledged: defaultdict[str, set[str]] = defaultdict(set)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._over.set()
        self._thread.join()

    def _write(self) -> None:
        number = 0
        while not self._over.wait(WRITE_SECONDS):
            for node in self._twins.nodes.values():
                number += 1
                for volume_id, line in node.write_all(f"{node.name}-{number}").items():
                    self.acknowledged[volume_id].add(line)


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong with a node, and how that ends."""

    name: str
    begin: Callable[[TwinNode], object]
    end: Callable[[TwinNode], object] = lambda _: None


def _set(name: str, bad: object, good: object) -> Fault:
    return Fault(
        name,
        lambda node: setattr(node.memory_pool, name, bad),
        lambda node: setattr(node.memory_pool, name, good),
    )


def _restart(node: TwinNode) -> None:
    if not node.weather.is_paused:
        node.kill_daemon()
        node.start()


FAULTS = [
    Fault("power cut", TwinNode.cut_power, TwinNode.boot),
    Fault("daemon killed", _restart),
    Fault("paused", TwinNode.pause, TwinNode.wake),
    Fault(
        "cut off",
        lambda node: node.weather.set(is_cut_off=True),
        lambda node: node.weather.set(is_cut_off=False),
    ),
    Fault(
        "pool hangs",
        lambda node: node.weather.set(pool_hangs=True),
        lambda node: node.weather.set(pool_hangs=False),
    ),
    _set("room", "none", "plenty"),
    _set("room", "not even a reserve", "plenty"),
    _set("is_read_only", bad=True, good=False),
    _set("loses_writes", bad=True, good=False),
    _set("refuses_increments", bad=True, good=False),
]


class Fate:
    """Has one fault after the other come and go on each node, and etcd make changes late or again.

    Attributes:
        done: how often what went wrong.
    """

    def __init__(self, twins: TwinNodes, seed: int) -> None:
        self._twins = twins
        self._lock = threading.Lock()
        self._over = threading.Event()
        self.done: Counter[str] = Counter()
        works: list[Callable[[Random], object]] = [
            self._trouble_etcd,
            *(
                lambda random, node=node: self._trouble(node, random)
                for node in twins.nodes.values()
            ),
        ]
        self._threads = [
            threading.Thread(target=work, args=(seeded(seed, "fate", each),), daemon=True)
            for each, work in enumerate(works)
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let all faults end."""
        self._over.set()
        for thread in self._threads:
            thread.join()
        for node in self._twins.nodes.values():
            node.weather.is_fair = True

    def _trouble(self, node: TwinNode, random: Random) -> None:
        while not self._over.wait(random.uniform(0, CALM_SECONDS)):
            fault = random.choice(FAULTS)
            self._count(fault.name)
            self._step_clock(node, random)
            fault.begin(node)
            self._over.wait(random.uniform(0, FAULT_SECONDS))
            fault.end(node)

    def _step_clock(self, node: TwinNode, random: Random) -> None:
        self._twins.ownership.ahead[node.name] += random.choice([0, 0, -7200, 7200, 100 * 3600])

    def _trouble_etcd(self, random: Random) -> None:
        while not self._over.wait(random.uniform(0, CALM_SECONDS / 3)):
            self._count("executed again")
            self._twins.execute_again(random)
            if random.random() < 0.3:
                self._twins.execute_late()
        self._twins.execute_late()

    def _count(self, name: str) -> None:
        with self._lock:
            self.done[name] += 1
