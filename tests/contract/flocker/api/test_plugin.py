"""A real dockerd with the driver as its plugin: calls that get lost, and what it says meanwhile.

Decision 0001 says how dockerd reads each answer.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from acceptance.base.waiting import eventually
from flocker.api.plugin import serve_engine
from flocker.api.serving import serve_on_plugin_socket
from flocker.base.errors import InUse
from flocker.engine.client import Engine, EngineUse
from flocker.engine.volume_use import START_SECONDS
from judge.machine.engine import IMAGE, OwnEngine, own_engine
from judge.machine.mounts import PLUGINS
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract

DRIVER = f"flocker-{os.getpid()}"


class Plugin:
    """The driver's application, with what a test does to calls on their way.

    Attributes:
        lose: of each of these calls, the next is read and never answered.
        held: these calls wait until they are not in here any more.
        asked: the calls so far, and whether each had its content.
        callers: of each call so far, its connection.
    """

    def __init__(self, app: FastAPI) -> None:
        self.router = app.router  # what serves it has a say in its lifespan
        self.lose: set[str] = set()
        self.held: set[str] = set()
        self.asked: list[tuple[str, bool]] = []
        self.waiters: list[object] = []
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = scope["path"].rpartition(".")[2]
        self.waiters.append(scope["state"]["waiter"])
        question = await receive()
        self.asked.append((call, bool(question["body"])))
        if call in self.lose:
            self.lose.remove(call)
            scope["state"]["waiter"].hang_up()
            await receive()  # that it was hung up
            return
        while call in self.held:
            await asyncio.sleep(0.01)
        questions = [question]

        async def again() -> object:
            return questions.pop() if questions else await receive()

        await self._app(scope, again, send)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def module_dockerd() -> Iterator[OwnEngine]:
    with own_engine() as running:
        yield running


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path)


@pytest.fixture
def plugin(cluster: MemoryCluster) -> Iterator[Plugin]:
    """node1's driver, as the engine's plugin DRIVER."""
    path = PLUGINS / f"{DRIVER}.sock"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    plugin = Plugin(serve_engine(cluster["node1"].driver, lambda *_: None))
    server = serve_on_plugin_socket(plugin, listening, lambda: None)  # type: ignore[arg-type]
    eventually(lambda: server.is_serving, is_=True, within=10)
    yield plugin
    server.stop()
    path.unlink()


@pytest.fixture
def dockerd(
    module_dockerd: OwnEngine, cluster: MemoryCluster, plugin: Plugin
) -> Iterator[OwnEngine]:
    """With the volume `demo`, which has a label only the engine knows of, in no container."""
    module_dockerd.docker("volume", "create", "--driver", DRIVER, "--label", "kept=yes", "demo")
    yield module_dockerd
    plugin.lose.clear()
    cluster["node1"].clock += START_SECONDS  # for the unmounts that were lost
    module_dockerd.remove_all()


def label(dockerd: OwnEngine) -> str:
    return dockerd.docker("volume", "inspect", "--format", "{{.Labels.kept}}", "demo")


def test_no_call_is_lost_that_is_not_made_to_be(
    dockerd: OwnEngine, cluster: MemoryCluster, plugin: Plugin
) -> None:
    dockerd.run("app", volume="demo")
    assert cluster["node1"].use.any(cluster.volume("demo"))
    dockerd.docker("rm", "--force", "app")
    assert not cluster["node1"].use.any(cluster.volume("demo"))
    asked = [call for call, _ in plugin.asked]
    assert (asked.count("Mount"), asked.count("Unmount")) == (1, 1)
    assert all(has_content for call, has_content in plugin.asked if call in ("Get", "Mount"))


def test_the_engine_uses_no_connection_twice(dockerd: OwnEngine, plugin: Plugin) -> None:
    """A call on one that was used before may cross the closing of it."""
    dockerd.run("app", volume="demo")
    dockerd.docker("rm", "--force", "app")
    assert len(plugin.waiters) > 3
    assert len({id(waiter) for waiter in plugin.waiters}) == len(plugin.waiters)


def test_a_lost_get_does_not_make_the_engine_forget_the_volume(
    dockerd: OwnEngine, plugin: Plugin
) -> None:
    dockerd.run("app", volume="demo")
    plugin.lose.add("Get")
    dockerd.docker("rm", "--force", "app")
    assert ("Get", False) in plugin.asked, "it came again without its content"
    assert label(dockerd) == "yes"


@pytest.mark.parametrize("call", ["Get", "Unmount"])
def test_a_use_whose_unmount_was_lost_is_in_nobodys_way_for_long(
    dockerd: OwnEngine, cluster: MemoryCluster, plugin: Plugin, call: str
) -> None:
    dockerd.run("app", volume="demo")
    plugin.lose.add(call)
    dockerd.docker("rm", "--force", "app")
    eventually(lambda: (call, False) in plugin.asked, is_=True, within=20)
    with pytest.raises(InUse, match=r"counts as in use for .* s more, then try again"):
        cluster["node2"].driver.mount("demo", "another")
    cluster["node1"].clock += START_SECONDS
    cluster["node2"].driver.mount("demo", "another")
    cluster["node2"].driver.unmount("demo", "another")


@pytest.mark.parametrize("call", ["Mount", "Unmount", "Remove"])
def test_a_lost_call_is_refused_and_the_volume_stays_known(
    dockerd: OwnEngine, plugin: Plugin, call: str
) -> None:
    plugin.lose.add(call)
    try:
        dockerd.run("app", volume="demo")
        dockerd.docker("rm", "--force", "app")
        dockerd.docker("volume", "rm", "demo")
        refusal = ""
    except AssertionError as error:
        refusal = str(error)
    assert (call, False) in plugin.asked, "it came again without its content"
    # Nobody is told of an Unmount: it is done behind the end of the container.
    assert ("without its content" in refusal) == (call != "Unmount")
    if call != "Unmount":
        assert label(dockerd) == "yes"


def test_a_create_that_was_lost_can_be_typed_again(dockerd: OwnEngine, plugin: Plugin) -> None:
    plugin.lose.add("Create")
    with pytest.raises(AssertionError, match=r"without its content.*type the command again"):
        dockerd.docker("volume", "create", "--driver", DRIVER, "other")
    dockerd.docker("volume", "create", "--driver", DRIVER, "other")


# A container in the middle of something, of which no mount table tells.


@pytest.fixture
def engine(dockerd: OwnEngine, tmp_path: Path) -> Engine:
    return Engine(dockerd.socket, tmp_path)


def test_containers_that_run_are_told_from_those_that_do_not(
    dockerd: OwnEngine, engine: Engine
) -> None:
    assert engine.uses_of(["demo"])["demo"] is EngineUse.NONE
    dockerd.run("app", volume="demo")
    assert engine.uses_of(["demo"])["demo"] is EngineUse.BUSY
    dockerd.docker("pause", "app")
    assert engine.uses_of(["demo"])["demo"] is EngineUse.BUSY
    dockerd.docker("kill", "app")
    assert engine.uses_of(["demo"])["demo"] is EngineUse.STOPPED
    dockerd.docker("rm", "app")
    assert engine.uses_of(["demo"])["demo"] is EngineUse.NONE


def test_a_container_that_waits_for_another_volume_is_being_started(
    dockerd: OwnEngine, cluster: MemoryCluster, plugin: Plugin, engine: Engine
) -> None:
    dockerd.docker("volume", "create", "--driver", DRIVER, "second")
    asked = cluster["node1"].etcd.calls
    with ThreadPoolExecutor() as threads:
        cluster["node1"].etcd.after["mount"] = lambda: plugin.held.add("Mount")
        start = threads.submit(dockerd.run, "app", "--volume", "second:/second", volume="demo")
        eventually(lambda: "mount" in asked, is_=True, within=20)
        eventually(lambda: plugin.asked.count(("Mount", True)), is_=2, within=20)
        used = engine.uses_of(["demo", "second"])
        plugin.held.clear()
        start.result()
    assert used == {"demo": EngineUse.BUSY, "second": EngineUse.BUSY}


def test_a_stopped_container_that_is_copied_from_is_busy(
    dockerd: OwnEngine, plugin: Plugin, engine: Engine
) -> None:
    dockerd.run("app", volume="demo", program="echo kept > /data/file")
    dockerd.docker("wait", "app")
    plugin.held.add("Unmount")
    with ThreadPoolExecutor() as threads:
        copy = threads.submit(dockerd.docker, "cp", "app:/data/file", "-")
        before = plugin.asked.count(("Unmount", True))
        eventually(lambda: plugin.asked.count(("Unmount", True)) > before, is_=True, within=20)
        used = engine.uses_of(["demo"])["demo"]
        plugin.held.clear()
        copy.result()
    assert used is EngineUse.BUSY
    assert engine.uses_of(["demo"])["demo"] is EngineUse.STOPPED


def test_a_container_that_is_filled_from_its_image_is_being_made(
    dockerd: OwnEngine, plugin: Plugin, engine: Engine, tmp_path: Path
) -> None:
    (tmp_path / "image" / "data").mkdir(parents=True)
    (tmp_path / "image" / "data" / "file").write_text("from the image")
    subprocess.run(["tar", "-C", tmp_path / "image", "-cf", tmp_path / "tar", "."], check=True)
    dockerd.docker("import", str(tmp_path / "tar"), f"filled-{IMAGE}")
    plugin.held.add("Unmount")
    with ThreadPoolExecutor() as threads:
        create = threads.submit(
            dockerd.docker,
            *("create", "--network", "none", "--volume", "demo:/data", f"filled-{IMAGE}", "true"),
        )
        eventually(lambda: ("Unmount", True) in plugin.asked, is_=True, within=20)
        used = engine.uses_of(["demo"])["demo"]
        plugin.held.clear()
        create.result()
    assert used is EngineUse.BUSY
    assert engine.uses_of(["demo"])["demo"] is EngineUse.STOPPED
