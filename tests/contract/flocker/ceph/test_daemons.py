"""`docker volume create -o pool=shared`: a real engine, two real daemons, a real Ceph."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx2
import pytest

from acceptance.base.waiting import eventually
from flocker.ceph.mount import Ticket, clear, identities, mount, running
from judge.machine.engine import OwnEngine, own_engine
from tests.contract.flocker.api.test_plugin_protocol import Node
from tests.contract.flocker.ceph.fixtures import end_politely
from tests.contract.flocker.ceph.small_ceph import FILESYSTEM, NODE, SmallCeph
from tests.contract.flocker.own_driver import OwnDriver, own_drivers

pytestmark = pytest.mark.contract

FOLDER = "/flocker"


@pytest.fixture(scope="module")
def settings(ceph: SmallCeph) -> dict[str, str]:
    """The settings of a node, after an administrator of Ceph has made the folder."""
    mountpoint = ceph.folder / "administrator"
    mountpoint.mkdir()
    top = mount(Ticket(ceph.conf, FILESYSTEM, "/", NODE, ceph.node_key), mountpoint, ceph.folder)
    (mountpoint / FOLDER[1:]).mkdir()
    top.unmount()
    return {
        "FLOCKER_CEPH_FILESYSTEM": FILESYSTEM,
        "FLOCKER_CEPH_FOLDER": FOLDER,
        "FLOCKER_CEPH_IDENTITY": NODE,
        "FLOCKER_CEPH_CONF": str(ceph.conf),
        "FLOCKER_CEPH_KEYRING": str(ceph.keyring),
    }


@pytest.fixture(scope="module")
def engine() -> Iterator[OwnEngine]:
    with own_engine() as running_engine:
        yield running_engine


@pytest.fixture(scope="module")
def drivers(engine: OwnEngine, settings: dict[str, str]) -> Iterator[list[OwnDriver]]:
    with own_drivers(engine, 2, ceph=settings) as started:
        yield started
        engine.remove_containers()
        for driver in started:
            driver.stop()
            end_clients(driver.runtime / "shared")


@pytest.fixture
def nodes(drivers: list[OwnDriver], engine: OwnEngine) -> Iterator[list[Node]]:
    asked = [Node(driver) for driver in drivers]
    yield asked
    engine.remove_containers()
    for node in asked:
        node.end_uses()
    asked[0].remove_volumes()  # asked by the engine, its owner would wait for the same engine
    for node in asked:
        node.close()


def end_clients(runtime: Path) -> None:
    """End what outlives a daemon: its clients of volumes, then its own."""
    with ExitStack() as stack:
        for folder in (runtime / "node", runtime):
            for name in identities(folder):
                parts = name.split(".")
                mountpoint = folder / (parts[2] if len(parts) == 4 else "volumes")
                stack.callback(clear, mountpoint)
                if found := running(name, mountpoint, folder):
                    stack.callback(end_politely, found)


def clients(driver: OwnDriver) -> list[str]:
    """The mounts of volumes on a node."""
    below = f" {driver.runtime}/shared/"
    table = Path("/proc/self/mountinfo").read_text().splitlines()
    points = [line.partition(below)[2].split(" ")[0] for line in table if below in line]
    return [point for point in points if point != "node/volumes"]


@contextmanager
def operator(driver: OwnDriver) -> Iterator[httpx2.Client]:
    """The way of the `flocker` command to a node's daemon."""
    transport = httpx2.HTTPTransport(uds=str(driver.socket), verify=False)
    with httpx2.Client(transport=transport, base_url="http://driver", timeout=60) as asking:
        yield asking


def volumes_shown(driver: OwnDriver) -> set[str]:
    """The names of the volumes that `flocker status` shows."""
    with operator(driver) as asking:
        return {each["name"] for each in asking.get("/flocker/status").json()["volumes"]}


def promoted(driver: OwnDriver, volume: str) -> str:
    """The owner after `flocker promote`, or the refusal."""
    with operator(driver) as asking:
        answer = asking.post("/flocker/promote", json={"volume": volume}).json()
    return str(answer["volume"]["owner"] if "volume" in answer else answer["Err"])


def test_a_container_writes_to_a_shared_volume_and_another_node_reads_it(
    engine: OwnEngine, drivers: list[OwnDriver], nodes: list[Node]
) -> None:
    engine.docker("volume", "create", "-d", drivers[0].name, "-o", "pool=shared", "ledger")
    status = nodes[0].ask("Get", Name="ledger")["Volume"]["Status"]
    assert (status["pool"], status["owner"], status["replicas"]) == ("shared", "node1", {})
    assert clients(drivers[0]) == []
    engine.run("app", volume="ledger", program="echo saved > /data/file; sync; sleep 600")
    mountpoint = Path(nodes[0].ask("Path", Name="ledger")["Mountpoint"])
    eventually((mountpoint / "file").exists, is_=True, within=30)
    assert "in use" in nodes[1].mount("ledger", "other")["Err"]
    engine.docker("rm", "--force", "app")
    eventually(lambda: clients(drivers[0]), is_=[], within=30)
    began = time.monotonic()
    answer = nodes[1].mount("ledger", "other")
    assert answer["Err"] == ""
    assert time.monotonic() - began < 10  # on a busy machine; below 1 s on an idle one
    assert (Path(answer["Mountpoint"]) / "file").read_text() == "saved\n"
    assert nodes[0].owner("ledger") == "node2"


def test_a_container_goes_on_while_its_daemon_is_killed_and_started(
    engine: OwnEngine, drivers: list[OwnDriver], nodes: list[Node]
) -> None:
    engine.docker("volume", "create", "-d", drivers[0].name, "-o", "pool=shared", "ledger")
    engine.run("app", volume="ledger", program="while sleep 0.1; do date > /data/file; done")
    mountpoint = Path(nodes[0].ask("Path", Name="ledger")["Mountpoint"])
    eventually((mountpoint / "file").exists, is_=True, within=30)
    drivers[0].kill()
    drivers[0].start()
    before = (mountpoint / "file").stat().st_mtime_ns
    eventually(lambda: (mountpoint / "file").stat().st_mtime_ns > before, is_=True, within=30)
    assert engine.state("app") == "running"
    assert "in use" in nodes[1].mount("ledger", "other")["Err"]
    engine.docker("rm", "--force", "app")
    eventually(lambda: clients(drivers[0]), is_=[], within=30)
    assert nodes[1].mount("ledger", "other")["Err"] == ""


def test_a_node_that_was_silent_and_replaced_is_kept_out_and_ends_its_container(
    engine: OwnEngine, drivers: list[OwnDriver], nodes: list[Node]
) -> None:
    engine.docker("volume", "create", "-d", drivers[0].name, "-o", "pool=shared", "ledger")
    program = "while sleep 0.1; do echo late >> /data/file; done"
    engine.run("app", volume="ledger", program=program)
    mountpoint = Path(nodes[0].ask("Path", Name="ledger")["Mountpoint"])
    eventually((mountpoint / "file").exists, is_=True, within=30)
    os.kill(drivers[0].process, signal.SIGSTOP)
    try:
        eventually(lambda: promoted(drivers[1], "ledger"), is_="node2", within=60)
        answer = nodes[1].mount("ledger", "other")
        assert answer["Err"] == ""
        file = Path(answer["Mountpoint"]) / "file"
        file.write_text("taken\n")
        assert engine.state("app") == "running"
    finally:
        os.kill(drivers[0].process, signal.SIGCONT)
    eventually(lambda: engine.state("app"), is_="exited", within=60)
    eventually(lambda: clients(drivers[0]), is_=[], within=30)
    assert file.read_text() == "taken\n"


def test_nothing_else_waits_while_ceph_does_not_answer(
    engine: OwnEngine, drivers: list[OwnDriver], nodes: list[Node], ceph: SmallCeph
) -> None:
    engine.docker("volume", "create", "-d", drivers[0].name, "-o", "pool=shared", "ledger")
    engine.docker("volume", "create", "-d", drivers[0].name, "demo")
    with ExitStack() as away:
        for kind in ("mds", "osd", "mon"):
            away.enter_context(ceph.silent(kind))
        began = time.monotonic()
        status = nodes[0].ask("Get", Name="ledger")["Volume"]["Status"]
        assert "Ceph has not answered for 5 s" in status["problem"]
        assert {each["Name"] for each in nodes[0].ask("List")["Volumes"]} == {"demo", "ledger"}
        assert volumes_shown(drivers[0]) == {"demo", "ledger"}
        engine.docker(
            "run",
            "--rm",
            "--network",
            "none",
            "-v",
            "/usr:/usr:ro",
            "-v",
            "demo:/data",
            "machine",
            "true",
        )
        assert time.monotonic() - began < 20  # 5 s once, and the start of a container
        refused = nodes[0].mount("ledger", "one")
        assert "Ceph has not answered for 40 s" in refused["Err"]
    eventually(lambda: nodes[0].mount("ledger", "two")["Err"], is_="", within=60)
