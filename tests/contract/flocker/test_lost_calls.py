"""A real dockerd and calls of it that get lost: what it takes our answers for (decision 1)."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.types import Receive, Scope, Send

from acceptance.waiting import eventually
from flocker.api import serve_engine
from flocker.serving import serve_on_plugin_socket
from tests.contract.flocker.own_engine import OwnEngine, own_engine
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract

PLUGINS = Path("/run/docker/plugins")
DRIVER = f"flocker-{os.getpid()}"


class Losing:
    """The plugin's application; of the calls in `lose`, the next is read and never answered."""

    def __init__(self, app: FastAPI) -> None:
        self.router = app.router  # what serves it has a say in its lifespan
        self.lose: set[str] = set()
        self.asked: list[tuple[str, bool]] = []  # call, and whether it had its content
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = scope["path"].rpartition(".")[2]
        question = await receive()
        self.asked.append((call, bool(question["body"])))
        if call in self.lose:
            self.lose.remove(call)
            scope["state"]["caller"].hang_up()
            await receive()  # that it was hung up
            return
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
def plugin(cluster: MemoryCluster) -> Iterator[Losing]:
    """node1's driver, as the engine's plugin DRIVER."""
    PLUGINS.mkdir(parents=True, exist_ok=True)
    path = PLUGINS / f"{DRIVER}.sock"
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    listening.listen()
    losing = Losing(serve_engine(cluster["node1"].driver, lambda *_: None))
    server = serve_on_plugin_socket(losing, listening)  # type: ignore[arg-type]
    eventually(lambda: server.is_serving, is_=True, within=10)
    yield losing
    server.stop()
    path.unlink()


@pytest.fixture
def dockerd(
    module_dockerd: OwnEngine, cluster: MemoryCluster, plugin: Losing
) -> Iterator[OwnEngine]:
    """With the volume `demo`, which has a label only the engine knows of, in no container."""
    module_dockerd.docker("volume", "create", "--driver", DRIVER, "--label", "kept=yes", "demo")
    yield module_dockerd
    plugin.lose.clear()
    cluster["node1"].driver.engine_started()  # for the unmounts that were lost
    module_dockerd.remove_all()


def label(dockerd: OwnEngine) -> str:
    return dockerd.docker("volume", "inspect", "--format", "{{.Labels.kept}}", "demo")


def test_no_call_is_lost_that_is_not_made_to_be(
    dockerd: OwnEngine, cluster: MemoryCluster, plugin: Losing
) -> None:
    dockerd.run("app", volume="demo")
    assert cluster["node1"].uses.any(cluster.volume("demo"))
    dockerd.docker("rm", "--force", "app")
    assert not cluster["node1"].uses.any(cluster.volume("demo"))
    asked = [call for call, _ in plugin.asked]
    assert (asked.count("Mount"), asked.count("Unmount")) == (1, 1)
    assert all(has_content for call, has_content in plugin.asked if call in ("Get", "Mount"))


def test_a_lost_get_does_not_make_the_engine_forget_the_volume(
    dockerd: OwnEngine, plugin: Losing
) -> None:
    dockerd.run("app", volume="demo")
    plugin.lose.add("Get")
    dockerd.docker("rm", "--force", "app")
    assert ("Get", False) in plugin.asked, "it came again without its content"
    assert label(dockerd) == "yes"


@pytest.mark.parametrize("call", ["Mount", "Unmount", "Remove"])
def test_a_lost_call_is_refused_and_the_volume_stays_known(
    dockerd: OwnEngine, plugin: Losing, call: str
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


def test_a_create_that_was_lost_can_be_typed_again(dockerd: OwnEngine, plugin: Losing) -> None:
    plugin.lose.add("Create")
    with pytest.raises(AssertionError, match=r"without its content.*type the command again"):
        dockerd.docker("volume", "create", "--driver", DRIVER, "other")
    dockerd.docker("volume", "create", "--driver", DRIVER, "other")
