"""Faults of real nodes: one or two at once, with calm in between, as the seed draws them."""

from __future__ import annotations

import logging
import threading
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from acceptance.cluster.cluster import Cluster
from acceptance.cluster.lasting import DEAF, FULL, SLOW, Fault, LastingFaults, closed, frozen
from acceptance.nodes.node import Node
from judge.chance import seeded
from judge.history import Effect, FaultBegan, FaultEnded
from judge.recorder import Recorder

AT_ONCE = 2
CALM_SECONDS = (3.0, 12.0)
FAULT_SECONDS = (5.0, 40.0)  # a lease is 15 s, and is taken over within 30 s
ETCD, PEERS = 2379, 4523  # ports

log = logging.getLogger("soak")


@dataclass(frozen=True)
class Kind:
    """A fault that may come.

    Attributes:
        effects: as far as promises depend on them.
        lasts: until it is mended; otherwise it is over when `begin` returns.
    """

    name: str
    begin: Callable[[LastingFaults, Node], object]
    effects: tuple[Effect, ...] = (Effect.UNREACHABLE,)
    lasts: bool = True


def _lasting(fault: Fault, *effects: Effect) -> Kind:
    return Kind(fault.name, lambda faults, node: faults.cause(fault, node), effects)


KINDS = (
    Kind("driver killed", LastingFaults.kill_driver, lasts=False),
    Kind("engine killed", LastingFaults.kill_engine, lasts=False),
    Kind("engine restarted", lambda _, node: node.restart("docker"), lasts=False),
    Kind("fence restarted", lambda _, node: node.restart("flocker-fence"), (), lasts=False),
    Kind("etcd stopped", lambda faults, node: faults.stop_etcd([node])),
    Kind("cut off", LastingFaults.cut_off),
    Kind("paused", LastingFaults.pause, (Effect.UNREACHABLE, Effect.SUSPENDED)),
    Kind("power cut", LastingFaults.power_off, (Effect.UNREACHABLE, Effect.MEMORY_LOST)),
    Kind("pool read-only", LastingFaults.make_read_only),
    _lasting(frozen("flocker"), Effect.UNREACHABLE),
    _lasting(frozen("docker"), Effect.UNREACHABLE),
    _lasting(frozen("etcd"), Effect.UNREACHABLE),
    _lasting(closed(PEERS), Effect.UNREACHABLE),
    _lasting(closed(ETCD), Effect.UNREACHABLE),
    _lasting(DEAF, Effect.UNREACHABLE),
    _lasting(SLOW, Effect.UNREACHABLE),
    _lasting(FULL, Effect.UNREACHABLE),
)


def drawn(
    random: Random, kinds: Sequence[Kind], nodes: Sequence[str]
) -> Iterator[tuple[Kind, str]]:
    """Faults and their nodes without end; each has come before any comes again."""
    for _ in count():
        for kind in random.sample(kinds, len(kinds)):
            yield kind, random.choice(nodes)


class Trouble:
    """Has faults come and go, in threads; no node has two at once.

    Attributes:
        wrong: what could not be mended; nothing more goes wrong then.
    """

    def __init__(self, clusters: Sequence[Cluster], recorder: Recorder, seed: int) -> None:
        self._clusters = clusters
        self._recorder = recorder
        self._over = threading.Event()
        self._lock = threading.Lock()
        self._busy: set[str] = set()
        self._numbers = count(1)
        names = [node.name for node in clusters[0].nodes]
        self._drawn = drawn(seeded(seed, "trouble"), KINDS, names)
        self._threads = [
            threading.Thread(
                target=self._run, args=(cluster, seeded(seed, "trouble", each)), daemon=True
            )
            for each, cluster in enumerate(clusters)
        ]
        self.wrong: list[str] = []

    def start(self) -> None:
        """Begin, with some calm."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Let the last ones end."""
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, cluster: Cluster, random: Random) -> None:
        while not self._over.wait(random.uniform(*CALM_SECONDS)):
            with self._lock:
                kind, name = next(self._drawn)
                number = next(self._numbers)
                is_free = name not in self._busy and not self.wrong
                self._busy |= {name} if is_free else set()
            if not is_free:
                continue
            try:
                self._come_and_go(cluster, kind, cluster.node(name), number, random)
            except Exception:  # a thread that nobody would see end; this makes the run red
                self.wrong.append(f"{name} {kind.name}: {traceback.format_exc()}")
            finally:
                with self._lock:
                    self._busy.discard(name)

    def _come_and_go(
        self, cluster: Cluster, kind: Kind, node: Node, number: int, random: Random
    ) -> None:
        log.info("fault: %s %s", node.name, kind.name)
        self._recorder.note(
            FaultBegan(
                at=self._recorder.now(), fault=number, name=kind.name, nodes=(node.name,),
                effects=kind.effects,
            )
        )  # fmt: skip
        faults = LastingFaults(cluster)
        try:
            kind.begin(faults, node)
            if kind.lasts:
                self._over.wait(random.uniform(*FAULT_SECONDS))
        finally:
            faults.mend()
        self._recorder.note(FaultEnded(at=self._recorder.now(), fault=number))
        log.info("fault: %s %s is over", node.name, kind.name)
