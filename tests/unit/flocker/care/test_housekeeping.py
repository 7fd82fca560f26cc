"""The node stays part of the cluster whatever else goes wrong on it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import pytest

from acceptance.base.waiting import NeverCame, eventually
from flocker.base import pulse as pulses
from flocker.base.config import Certificates, Config
from flocker.base.errors import ControlPlaneAway
from flocker.base.pulse import Pulse
from flocker.base.records import Look, Node
from flocker.care import announcer, housekeeper
from flocker.care.announcer import Announcer
from flocker.care.condition import Condition
from flocker.care.housekeeper import Housekeeper
from flocker.care.purging import Purging
from flocker.care.strays import Strays
from flocker.fence.lapse import Lapse
from flocker.fence.lease_file import LeaseFile
from flocker.node import observed
from flocker.pool.protocol import Usage
from tests.twins.moves import start_move
from tests.unit.flocker.cluster import Machine, MemoryCluster

CONFIG = Config("node1", "127.0.0.1", [], Certificates.within(Path()), lease_seconds=1)
LOOK = Look("node1", "2026-11-22T19:00:00.000+00:00", {"id": ""})
FAILURES = [ControlPlaneAway("etcd is away"), OSError("disk"), KeyError("surprise")]


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (announcer, housekeeper):
        monkeypatch.setattr(module, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(announcer, "RENEWALS", 20)  # one every 0.05 s, too


@pytest.fixture
def node1(cluster: MemoryCluster) -> Machine:
    return cluster["node1"]


@pytest.fixture
def lease_file(tmp_path: Path) -> LeaseFile:
    return LeaseFile(tmp_path / "run")


Start = Callable[[], None]


class Housework:
    """The tasks besides announcing and tidying; each notes that it was done."""

    def __init__(self) -> None:
        self.resumed = threading.Event()
        self.purged = threading.Event()
        self.told = threading.Event()

    def resume(self) -> None:
        self.resumed.set()

    def purge_old(self) -> None:
        self.purged.set()

    def refresh(self) -> None:
        self.told.set()

    def look(self) -> None:
        """There are no strays."""

    def stop_taken(self) -> None:
        """Nothing was taken."""


class Unwell:
    """The condition of a node that has a problem and a copy that is stuck."""

    def __init__(self, node: Machine) -> None:
        self.silent = False
        self._pool = node.pool

    def usage(self) -> Usage:
        return self._pool.usage()

    def problems(self) -> list[str]:
        return ["volume 'demo': stuck"]

    def stuck(self) -> dict[str, str]:
        return {"id": "its pool is full"}

    def last_look(self) -> Look:
        return LOOK

    def gives_up(self) -> bool:
        return False

    def is_silent(self) -> bool:
        return self.silent


@pytest.fixture
def housework() -> Housework:
    return Housework()


@pytest.fixture
def condition(node1: Machine) -> Unwell:
    return Unwell(node1)


@pytest.fixture
def pulse() -> Pulse:
    return Pulse()


@pytest.fixture
def start(
    node1: Machine,
    lease_file: LeaseFile,
    housework: Housework,
    condition: Unwell,
    pulse: Pulse,
) -> Iterator[Start]:
    """Starts what keeps node1 part of the cluster, which runs until the test ends."""
    stopping = threading.Event()

    def start() -> None:
        keeper = Housekeeper(
            node1.context,
            engine=housework,
            reconciler=node1.reconciler,
            purging=cast(Purging, housework),
            strays=cast(Strays, housework),
            pause_seconds=0.05,
        )
        Announcer(
            CONFIG,
            node1.context,
            cast(Condition, condition),
            fence=housework,
            lease_file=lease_file,
            lapse=cast(Lapse, housework),
            on_joined=keeper.catch_up_again,
        ).start(stopping, pulse)
        keeper.start(stopping, pulse)

    yield start
    stopping.set()


def fails_first(call: Callable[..., object], failure: Exception) -> Callable[..., object]:
    """The same call, which fails the first time."""
    tried = threading.Event()

    def failing(*arguments: object) -> object:
        if not tried.is_set():
            tried.set()
            raise failure
        return call(*arguments)

    return failing


def is_known(cluster: MemoryCluster) -> bool:
    return "node1" in cluster.state.nodes


@pytest.mark.parametrize("failure", FAILURES)
def test_a_failure_does_not_end_the_announcements(
    cluster: MemoryCluster,
    node1: Machine,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    failure: Exception,
) -> None:
    monkeypatch.setattr(node1.pool, "usage", fails_first(node1.pool.usage, failure))
    cluster.ownership.expire("node1")
    start()
    eventually(lambda: is_known(cluster), is_=True, within=10)


def test_a_silent_node_renews_nothing_until_it_is_well(
    cluster: MemoryCluster, lease_file: LeaseFile, condition: Unwell, start: Start
) -> None:
    condition.silent = True
    cluster.ownership.expire("node1")
    start()
    with pytest.raises(NeverCame):
        eventually(lambda: is_known(cluster), is_=True, within=0.3)
    assert lease_file.read_lease() is None
    condition.silent = False
    eventually(lambda: is_known(cluster), is_=True, within=10)


def test_a_disk_that_hangs_does_not_keep_the_node_from_its_lease(
    node1: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, goes_on = threading.Event(), threading.Event()

    def hang(*_: object, **__: object) -> None:
        writing.set()
        assert goes_on.wait(30)

    monkeypatch.setattr(observed.private, "write", hang)
    monkeypatch.setattr(observed, "SAVE_SECONDS", 0)
    with ThreadPoolExecutor() as threads:
        looking = threads.submit(node1.observed.look, node1.state)
        assert writing.wait(10)
        try:
            assert threads.submit(node1.observed.doubt, node1.state).result(10) is None
        finally:
            goes_on.set()
        looking.result(10)


def test_what_the_pool_holds_is_announced(cluster: MemoryCluster, start: Start) -> None:
    cluster.ownership.expire("node1")
    start()
    eventually(lambda: is_known(cluster), is_=True, within=10)
    assert cluster.state.nodes["node1"].pool_total_bytes == 1 << 30


@pytest.fixture
def attempts(node1: Machine, monkeypatch: pytest.MonkeyPatch) -> threading.Semaphore:
    """Released at each attempt to announce node1."""
    usage, attempts = node1.pool.usage, threading.Semaphore(0)

    def counted() -> Usage:
        attempts.release()
        return usage()

    monkeypatch.setattr(node1.pool, "usage", counted)
    return attempts


def test_the_fence_hears_of_renewals_only(
    node1: Machine, lease_file: LeaseFile, start: Start, attempts: threading.Semaphore
) -> None:
    node1.etcd.away_for = {"announce"}
    start()
    for _ in range(3):
        assert attempts.acquire(timeout=10)
    assert lease_file.read_lease() is None
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    node1.etcd.away_for = set()
    eventually(lambda: lease_file.read_lease() is not None, is_=True, within=10)
    lease = lease_file.read_lease()
    assert lease is not None
    assert lease.lease_seconds == 1
    assert before - 1 < lease.renewed_at <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_an_announcement_that_took_long_is_followed_up_at_once(
    node1: Machine, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fence counts from when it was asked for, so a pause after it would come on top."""
    monkeypatch.setattr(announcer, "RENEWALS", 1)
    announce, times = node1.ownership.announce, []

    def slow(node: Node, look: Look) -> bool:
        times.append(time.monotonic())
        threading.Event().wait(1.5 * CONFIG.lease_seconds)
        times.append(time.monotonic())
        return announce(node, look)

    monkeypatch.setattr(node1.ownership, "announce", slow)
    start()
    eventually(lambda: len(times) > 2, is_=True, within=10)
    _, first_ended, second_began, *_ = times
    assert second_began - first_ended < 0.5 * CONFIG.lease_seconds


def test_that_etcd_is_away_is_said_once(
    cluster: MemoryCluster,
    node1: Machine,
    start: Start,
    attempts: threading.Semaphore,
    caplog: pytest.LogCaptureFixture,
) -> None:
    cluster.ownership.expire("node1")
    node1.etcd.is_away = True
    with caplog.at_level(logging.WARNING, "flocker.care.announcer"):
        start()
        for _ in range(5):
            assert attempts.acquire(timeout=10)
    assert [record.message for record in caplog.records] == ["etcd does not answer"]
    node1.etcd.is_away = False
    eventually(lambda: is_known(cluster), is_=True, within=10)


def test_a_new_lease_brings_back_what_the_old_one_held(
    cluster: MemoryCluster, node1: Machine, start: Start
) -> None:
    node1.driver.create("demo", {})
    node1.run("demo")
    start()
    cluster.ownership.expire("node1")
    eventually(lambda: list(cluster.state.mounts.values()), is_=["node1"], within=10)


def test_a_connection_that_was_lost_and_is_back_is_reason_to_look_again(
    cluster: MemoryCluster, node1: Machine, start: Start
) -> None:
    """The lease went on, but what was unmounted meanwhile was not recorded."""
    node1.driver.create("demo", {})
    node1.run("demo")
    start()
    eventually(lambda: node1.mirror.is_connected, is_=True, within=10)
    node1.etcd.is_away = True
    node1.stop("demo")
    assert list(cluster.state.mounts.values()) == ["node1"]
    node1.etcd.is_away = False
    eventually(lambda: cluster.state.mounts, is_={}, within=10)


def test_a_move_left_behind_is_ended(cluster: MemoryCluster, start: Start) -> None:
    start()
    cluster["node2"].driver.create("demo", {})
    start_move(cluster.ownership, cluster.volume("demo"), "node1")
    eventually(lambda: cluster.state.moves, is_={}, within=10)


@pytest.mark.parametrize("task", ["catch_up", "tidy"])
@pytest.mark.parametrize("failure", FAILURES)
def test_a_node_that_cannot_put_right_what_is_lost_tries_again(
    node1: Machine,
    start: Start,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
    failure: Exception,
) -> None:
    done = threading.Event()
    monkeypatch.setattr(node1.reconciler, task, fails_first(lambda: done.set(), failure))
    start()
    assert done.wait(10)


def test_a_failure_is_reason_to_catch_up_again(
    node1: Machine, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    caught_up = threading.Semaphore(0)
    monkeypatch.setattr(node1.reconciler, "catch_up", caught_up.release)
    monkeypatch.setattr(node1.reconciler, "tidy", fails_first(lambda: None, OSError("disk")))
    start()
    for _ in range(2):
        assert caught_up.acquire(timeout=10)


def test_a_node_that_knows_nothing_of_the_cluster_puts_nothing_right(
    node1: Machine, start: Start, housework: Housework, monkeypatch: pytest.MonkeyPatch
) -> None:
    called = threading.Event()
    for task in ("catch_up", "tidy"):
        monkeypatch.setattr(node1.reconciler, task, called.set)
    node1.etcd.is_away = True
    start()
    for _ in range(3):
        housework.resumed.clear()
        assert housework.resumed.wait(10)  # also without etcd no container stays paused
    assert not called.is_set()
    node1.etcd.is_away = False
    assert called.wait(10)


def test_what_was_put_aside_long_ago_is_purged_now_and_then(
    start: Start, housework: Housework, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(housekeeper, "PURGE_SECONDS", -1)
    start()
    for _ in range(2):
        assert housework.purged.wait(10)
        housework.purged.clear()


def test_a_daemon_that_starts_anew_purges_at_once(start: Start, housework: Housework) -> None:
    """It may never run for an hour."""
    start()
    assert housework.purged.wait(10)


TASKS = ("resume", "make_reserve", "observe", "purge_old", "catch_up", "look", "tidy")


@pytest.mark.parametrize("task", TASKS)
def test_what_cannot_be_put_right_keeps_nothing_else_from_being_done(
    node1: Machine,
    start: Start,
    housework: Housework,
    monkeypatch: pytest.MonkeyPatch,
    task: str,
) -> None:
    done = {name: threading.Event() for name in TASKS}

    def refuse(*_: object) -> None:
        raise OSError("disk")

    def note(name: str) -> Callable[..., None]:
        return lambda *_: done[name].set()

    monkeypatch.setattr(housekeeper, "PURGE_SECONDS", -1)
    for part, call, name in (
        (housework, "resume", "resume"),
        (node1.pool, "make_reserve", "make_reserve"),
        (node1.observed, "look", "observe"),
        (housework, "purge_old", "purge_old"),
        (node1.reconciler, "catch_up", "catch_up"),
        (housework, "look", "look"),
        (node1.reconciler, "tidy", "tidy"),
    ):
        monkeypatch.setattr(part, call, refuse if name == task else note(name))
    start()
    for _ in range(2):
        for event in (event for name, event in done.items() if name != task):
            assert event.wait(10)
            event.clear()


def test_what_does_not_work_is_announced(cluster: MemoryCluster, start: Start) -> None:
    cluster.ownership.expire("node1")
    start()
    eventually(lambda: is_known(cluster), is_=True, within=10)
    assert cluster["node2"].operations.overview.status()["nodes"][0]["problems"] == [
        "volume 'demo': stuck"
    ]
    assert cluster.state.looks["node1"] == LOOK


@pytest.mark.parametrize(("part", "limit"), [("announcing", "ANNOUNCE"), ("tidying", "DISK")])
def test_a_thread_that_hangs_shows_in_the_pulse(
    node1: Machine,
    start: Start,
    pulse: Pulse,
    monkeypatch: pytest.MonkeyPatch,
    part: str,
    limit: str,
) -> None:
    module = announcer if part == "announcing" else pulses
    monkeypatch.setattr(module, f"{limit}_SECONDS", 0.2)
    goes_on = threading.Event()
    owner, name = {
        "announcing": (node1.ownership, "announce"), "tidying": (node1.pool, "make_reserve"),
    }[part]  # fmt: skip
    call = getattr(owner, name)

    def hang(*arguments: Any) -> object:
        goes_on.wait()
        return call(*arguments)

    monkeypatch.setattr(owner, name, hang)
    start()
    eventually(lambda: [each.split()[0] for each in pulse.hung()], is_=[part], within=10)
    goes_on.set()
    eventually(pulse.hung, is_=[], within=10)
