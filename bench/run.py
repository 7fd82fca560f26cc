"""The run: everything set up, every part measured in turn, everything taken away again."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Self

import requests

from acceptance.cluster.cluster import Cluster
from acceptance.nodes.access import NodeAway
from acceptance.nodes.node import Node
from bench import bare, busy, costs, disk, volumes
from bench.counters import NoCounter, Wire
from bench.disk import on_node
from bench.figures import NotMeasured, Results
from bench.keys import ssh_between
from bench.move import Method, WrongData, measure, remove_app
from bench.plan import (
    BTRFS,
    BUSY_VOLUMES,
    CAUGHT_UP,
    CELLS,
    COLD,
    LARGEST,
    REPETITIONS,
    RSYNC,
    SECOND,
    SMALLEST,
    TAR,
    TAR_UNLOGGED,
    WARM,
    Data,
)
from bench.promises import APP_AWAY, MOVED, MOVED_SMALL, RESTARTED
from bench.stack import Stack
from host.progress import step

MOVES, APP, COSTS, BUSY = "moves", "app", "costs", "busy"
PARTS = (MOVES, APP, COSTS, BUSY)
COLD_VOLUME = "bench-cold"

NOT_MEASURED = (
    RuntimeError, AssertionError, ValueError, NodeAway, NoCounter, NotMeasured, WrongData,
    requests.RequestException,
)  # fmt: skip
"""What may go wrong in one cell and leave the others possible."""


class Run:
    """One run on a cluster that is up."""

    def __init__(self, cluster: Cluster) -> None:
        self.results = Results()
        self._cluster = cluster
        self._nodes = cluster.nodes
        self._pair = self._nodes[:2]
        self._warm_on: dict[Data, Node] = {}  # where the volume of that data is
        self._cleanup = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as cleanup:
            for node in self._pair:
                cleanup.callback(disk.delete, node, disk.FOLDER)
                cleanup.callback(bare.remove_volume, node)
                bare.make_volume(node)
            for node, peer in (self._pair, self._pair[::-1]):
                wire = Wire(node, peer)
                cleanup.callback(wire.remove)
                wire.install()
            cleanup.enter_context(ssh_between(self._pair))
            self._cleanup = cleanup.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with step("Leaving the nodes as they were"), self._noted("leaving the nodes as they were"):
            self._cleanup.close()

    def measure(self, parts: Sequence[str]) -> None:
        """Measure some parts; what fails is noted in the results, and the rest goes on."""
        if MOVES in parts:
            self._prepare(CELLS)
            for repetition in range(1, REPETITIONS + 1):
                for data, methods in CELLS.items():
                    with step(f"Moves of {data.title}, {repetition} of {REPETITIONS}"):
                        self._move_all(data, methods, is_compared=repetition == 1)
        elif APP in parts:
            self._prepare((SMALLEST, LARGEST))
        if APP in parts:
            with step("moby-counter, moved and restarted"), self._noted(APP_AWAY):
                self._measure_app()
        if COSTS in parts:
            self._measure_costs()
        if BUSY in parts:
            self._measure_busy()

    def _prepare(self, datas: Sequence[Data] | dict[Data, tuple[str, ...]]) -> None:
        """Make the data, and a volume of each that has its replicas."""
        home = self._pair[0]
        for data in datas:
            with step(f"Generating {data.title}"):
                disk.make_template(home, data)
        with step("Filling volumes that have replicas"):
            for data in datas:
                with self._noted(f"{WARM}, {data.title}"):
                    self._make_warm(home, data)
            for data in self._warm_on:
                with self._noted(f"{WARM}, {data.title}"):
                    volumes.wait_followed(home, _warm_volume(data))

    def _make_warm(self, node: Node, data: Data) -> None:
        name = _warm_volume(data)
        volumes.create(node, name, replicas=len(self._nodes) - 1)
        self._cleanup.callback(volumes.remove, self._nodes, name)
        with volumes.mounted(node, name) as folder:
            disk.fill(node, folder, data)
        self._warm_on[data] = node

    def _warm_home(self, data: Data) -> Node:
        """Where the volume of that data is now."""
        if data not in self._warm_on:
            raise NotMeasured("its volume could not be filled")
        return self._warm_on[data]

    def _move_all(self, data: Data, methods: Sequence[str], *, is_compared: bool) -> None:
        try:
            for method in methods:
                with self._noted(f"{method}, {data.title}"):
                    self._move(method, data, is_compared=is_compared)
        finally:
            volumes.remove(self._nodes, COLD_VOLUME)

    def _move(self, name: str, data: Data, *, is_compared: bool) -> None:
        method = self._method(name, data)
        expected = self._expected(data) if is_compared else None
        try:
            self.results.moves.append(measure(method, expected))
        finally:
            for node in self._pair:
                remove_app(node)
            method.remove()
        if name in (WARM, CAUGHT_UP):
            self._warm_on[data] = method.target

    def _method(self, name: str, data: Data) -> Method:
        one, other = self._pair
        if name in (WARM, CAUGHT_UP):
            source = self._warm_home(data)
            target = other if source is one else one
            kind = volumes.Warm if name == WARM else volumes.CaughtUp
            return kind(source, target, data, _warm_volume(data))
        if name == COLD:
            return volumes.Cold(one, other, data, COLD_VOLUME)
        if name == SECOND:
            return volumes.Second(other, one, data, COLD_VOLUME)
        bares: dict[str, Callable[[Node, Node, Data], Method]] = {
            TAR: bare.Tar,
            TAR_UNLOGGED: bare.TarUnlogged,
            RSYNC: bare.Rsync,
            BTRFS: bare.Send,
        }
        return bares[name](one, other, data)

    def _expected(self, data: Data) -> Callable[[str], str]:
        return lambda token: disk.expected_digest(self._pair[0], data, token)

    def _measure_app(self) -> None:
        for data, title in ((SMALLEST, MOVED_SMALL), (LARGEST, MOVED)):
            stack = Stack(_warm_volume(data), self._cluster.machines.is_reachable)
            here = self._warm_home(data)
            stack.start(here)
            try:
                for _ in range(REPETITIONS):
                    if data is LARGEST:
                        self._change_and_follow(here, data)
                        self.results.add(APP_AWAY, RESTARTED, stack.away(here, here))
                    there = next(node for node in self._pair if node is not here)
                    self._change_and_follow(here, data)
                    self.results.add(APP_AWAY, title, stack.away(here, there))
                    here = self._warm_on[data] = there
            finally:
                for node in self._pair:
                    stack.remove(node)

    def _change_and_follow(self, node: Node, data: Data) -> None:
        name = _warm_volume(data)
        before = volumes.copies(node, name)
        on_node(node, "change", volumes.folder_of(node, name), secrets.token_hex())
        volumes.wait_followed(node, name, before)

    def _measure_costs(self) -> None:
        node = self._pair[0]
        with self._noted("costs of a volume"), costs.kinds_of_volume(node, self._nodes) as mounts:
            for title, part in (
                ("docker run", costs.measure_docker_run),
                ("fio", costs.measure_fio),
                ("Redis", costs.measure_redis),
            ):
                with step(f"{title} on each kind of volume"), self._noted(title):
                    part(node, mounts, self.results)

    def _measure_busy(self) -> None:
        for number in BUSY_VOLUMES:
            what = busy.variant(number)
            with step(f"{what}, changed twice a second"), self._noted(what):
                busy.measure(self._nodes, number, self.results)

    @contextmanager
    def _noted(self, what: str) -> Iterator[None]:
        """Note a failure and go on."""
        try:
            yield
        except NOT_MEASURED as error:
            self.results.failures.append(f"{what}: {' '.join(str(error).split())}")


def _warm_volume(data: Data) -> str:
    return f"bench-{data.key}"
