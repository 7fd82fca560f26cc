"""The node stays part of the cluster whatever else goes wrong on it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.waiting import eventually
from flocker.config import Certificates, Config
from flocker.errors import ControlPlaneAway
from flocker.keeper import Keeper
from flocker.ownership import Node
from tests.unit.flocker.cluster import Machine, MemoryCluster

CONFIG = Config("node1", "127.0.0.1", [], Certificates.within(Path()), lease_seconds=1)


@pytest.fixture
def node1(cluster: MemoryCluster) -> Machine:
    return cluster["node1"]


@pytest.fixture
def running(node1: Machine) -> Iterator[threading.Event]:
    """A keeper that runs until the test ends."""
    stopping = threading.Event()
    Keeper(CONFIG, node1.ownership, node1.pool, node1.driver).start(stopping)
    yield stopping
    stopping.set()


def is_known(machine: Machine) -> bool:
    return machine.name in [node.name for node in machine.ownership.nodes()]


@pytest.mark.parametrize("failure", [ControlPlaneAway("etcd is away"), OSError("disk"), KeyError()])
def test_a_failure_does_not_end_the_announcements(
    node1: Machine, monkeypatch: pytest.MonkeyPatch, failure: Exception
) -> None:
    tried = threading.Event()
    usage = node1.pool.usage

    def fail_once() -> object:
        if not tried.is_set():
            tried.set()
            raise failure
        return usage()

    monkeypatch.setattr(node1.pool, "usage", fail_once)
    node1.ownership.expire("node1")
    stopping = threading.Event()
    Keeper(CONFIG, node1.ownership, node1.pool, node1.driver).start(stopping)
    eventually(lambda: is_known(node1), is_=True, within=10)
    stopping.set()


@pytest.mark.usefixtures("running")
def test_a_new_lease_brings_back_what_the_old_one_held(
    cluster: MemoryCluster, node1: Machine
) -> None:
    node1.driver.create("demo", {})
    node1.driver.mount("demo", "container")
    volume = node1.driver.describe("demo").volume
    cluster.ownership.expire("node1")
    eventually(lambda: cluster.ownership.mounts().get(volume.id), is_="node1", within=10)


@pytest.mark.usefixtures("running")
def test_a_move_left_behind_is_ended(cluster: MemoryCluster) -> None:
    cluster["node2"].driver.create("demo", {})
    volume = cluster["node2"].driver.describe("demo").volume
    cluster.ownership.start_move(volume, "node1")
    eventually(cluster.ownership.moves, is_=[], within=10)


def test_a_node_that_cannot_catch_up_tries_again(
    cluster: MemoryCluster, node1: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()
    catch_up = node1.driver.catch_up
    done = threading.Event()

    def fail_once() -> None:
        if not tried.is_set():
            tried.set()
            raise OSError("disk")
        catch_up()
        done.set()

    monkeypatch.setattr(node1.driver, "catch_up", fail_once)
    stopping = threading.Event()
    Keeper(CONFIG, node1.ownership, node1.pool, node1.driver).start(stopping)
    assert done.wait(10)
    stopping.set()
    assert Node("node1", "127.0.0.1", "0", 0, 1).name in [n.name for n in cluster.ownership.nodes()]
