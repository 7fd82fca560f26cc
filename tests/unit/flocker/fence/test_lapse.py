"""A node that has a new lease: what was taken meanwhile stops before the fence has no reason to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.config import Certificates, Config
from flocker.base.errors import ControlPlaneAway, PoolError
from flocker.base.pulse import Pulse
from flocker.base.records import Event, now
from flocker.care import announcer
from flocker.care.announcer import Announcer
from flocker.fence.fence import Fence
from flocker.fence.lapse import Lapse
from flocker.fence.lease_file import AutoVolume, LeaseFile
from tests.unit.flocker.borders import questions
from tests.unit.flocker.cluster import Machine, MemoryCluster
from tests.unit.flocker.fence.test_fence import RecordingEngine

CONFIG = Config("node1", "127.0.0.1", [], Certificates.within(Path()), lease_seconds=1)


class Paused:
    """node1 with a container on each of two auto volumes; its machine was paused, and node2 has
    taken "demo" over. No clock of node1 shows the pause."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.cluster = cluster
        self.node1: Machine = cluster["node1"]
        for name in ("demo", "kept"):
            self.node1.driver.create(name, {"failover": "auto"})
            self.node1.run(name, f"{name}-db")
        self.node1.containers.on_stop = self._unmount
        cluster.replicate()
        self.ids = {name: cluster.volume(name).id for name in ("demo", "kept")}
        self.lapse = Lapse(
            self.node1.context, lambda: [self.listed(name) for name in ("demo", "kept")]
        )

    def listed(self, name: str) -> AutoVolume:
        return AutoVolume(name, self.ids[name], f"/nowhere/{name}/live")

    def take_over(self) -> None:
        self.cluster.ownership.expire("node1")
        self.cluster["node2"].failover.promote("demo")

    def _unmount(self, name: str) -> None:
        self.node1.containers.mounts.discard(self.ids[name])


@pytest.fixture
def paused(cluster: MemoryCluster) -> Paused:
    return Paused(cluster)


def test_what_another_node_has_taken_is_stopped_and_nothing_else(paused: Paused) -> None:
    paused.take_over()
    paused.node1.announce()
    paused.lapse.stop_taken()
    assert paused.node1.containers.stopped == ["demo-db"]
    assert paused.node1.containers.mounts == {paused.ids["kept"]}


def test_nothing_is_stopped_when_nobody_has_taken_anything(paused: Paused) -> None:
    paused.cluster.ownership.expire("node1")
    paused.node1.announce()
    paused.lapse.stop_taken()
    assert paused.node1.containers.stopped == []


def test_a_volume_that_came_back_at_a_later_epoch_is_another_one(paused: Paused) -> None:
    """A container here has the copy of an epoch that is over."""
    demo = paused.cluster.volume("demo")
    later = replace(demo, epoch=demo.epoch + 2)
    event = Event(demo.id, "demo", now(), "node1", "changed")
    paused.cluster.ownership.advance(demo, later, event)
    paused.lapse.stop_taken()
    assert paused.node1.containers.stopped == ["demo-db"]


def test_a_volume_that_was_removed_meanwhile_is_nobodys(paused: Paused) -> None:
    paused.take_over()
    paused.cluster["node2"].driver.remove("demo")
    paused.node1.announce()
    paused.lapse.stop_taken()
    assert paused.node1.containers.stopped == ["demo-db"]


def test_what_the_kernel_alone_shows_is_stopped_too(paused: Paused) -> None:
    paused.take_over()
    paused.node1.use.remove(paused.cluster.volume("demo"), "demo-db")
    paused.lapse.stop_taken()
    assert paused.node1.containers.stopped == ["demo-db"]


def test_all_that_was_taken_is_stopped_at_once(
    paused: Paused, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each alone may take as long as there is."""
    paused.take_over()
    paused.cluster["node2"].failover.promote("kept")
    asked = questions(paused.node1.containers, monkeypatch)
    paused.lapse.stop_taken()
    assert asked == [["demo", "kept"]]
    assert sorted(paused.node1.containers.stopped) == ["demo-db", "kept-db"]


def test_etcd_is_not_asked_when_nothing_is_in_use(paused: Paused) -> None:
    for name in ("demo", "kept"):
        paused.node1.stop(name, f"{name}-db")
    paused.node1.etcd.is_away = True
    paused.lapse.stop_taken()


def test_while_etcd_says_nothing_nothing_is_known(paused: Paused) -> None:
    paused.node1.etcd.is_away = True
    with pytest.raises(ControlPlaneAway):
        paused.lapse.stop_taken()


@pytest.fixture
def files(tmp_path: Path) -> LeaseFile:
    return LeaseFile(tmp_path / "run")


@pytest.fixture
def stopping() -> Iterator[threading.Event]:
    stopping = threading.Event()
    yield stopping
    stopping.set()


def start_announcer(paused: Paused, files: LeaseFile, stopping: threading.Event) -> None:
    node1 = paused.node1
    Announcer(
        CONFIG,
        node1.context,
        node1.parts.condition,
        fence=node1.guard,
        lease_file=files,
        lapse=paused.lapse,
        on_joined=lambda: None,
    ).start(stopping, Pulse())


def test_the_fence_hears_of_a_new_lease_only_when_all_that_was_taken_has_stopped(
    paused: Paused, files: LeaseFile, stopping: threading.Event
) -> None:
    files.write_renewed(1000.0, 15)
    paused.take_over()
    heard: list[float] = []

    def unmount(name: str) -> None:
        lease = files.read_lease()
        assert lease is not None
        heard.append(lease.renewed_at)
        paused.node1.containers.mounts.discard(paused.ids[name])

    paused.node1.containers.on_stop = unmount
    start_announcer(paused, files, stopping)
    eventually(lambda: files.read_lease() is not None and heard, is_=[1000.0], within=10)
    eventually(lambda: getattr(files.read_lease(), "renewed_at", 0) != 1000.0, is_=True, within=10)
    assert paused.node1.containers.stopped == ["demo-db"]


def test_the_fence_goes_on_while_something_that_was_taken_does_not_end(
    paused: Paused,
    files: LeaseFile,
    stopping: threading.Event,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(announcer, "RETRY_SECONDS", 0.05)
    files.write_renewed(1000.0, 15)
    paused.take_over()
    tried = threading.Semaphore(0)

    def refuse(_: object) -> None:
        tried.release()
        raise PoolError("cannot end process 1")

    paused.node1.containers.on_stop = lambda _: None
    with monkeypatch.context() as patched:
        patched.setattr(paused.node1.containers, "kill_users", refuse)
        start_announcer(paused, files, stopping)
        for _ in range(3):
            assert tried.acquire(timeout=10)
        assert files.read_lease() is not None
        assert getattr(files.read_lease(), "renewed_at", 0) == 1000.0
    eventually(lambda: getattr(files.read_lease(), "renewed_at", 0) != 1000.0, is_=True, within=10)


def test_a_fence_without_a_clock_for_the_pause_stops_nothing_and_need_not(
    paused: Paused, files: LeaseFile, tmp_path: Path
) -> None:
    """As on a virtual machine: its lease is long over, and its clock stood still."""
    clock = 1000.0
    mounted = {Path("/nowhere/demo/live"): [1 << 30]}
    fence = Fence(
        "node1", files, RecordingEngine(tmp_path, mounted), clock=lambda: clock,
        look=lambda _: mounted,
    )  # fmt: skip
    files.write_renewed(clock, 15)
    files.write_auto([paused.listed("demo")])
    paused.take_over()
    clock += 1
    fence.check()
    assert mounted
    paused.node1.announce()
    paused.lapse.stop_taken()
    assert paused.node1.containers.stopped == ["demo-db"]
