"""The plugin socket as a real server: what becomes of an engine that gives up waiting."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn

from acceptance.waiting import eventually
from flocker.api import serve_engine
from tests.unit.flocker.cluster import MemoryCluster

pytestmark = pytest.mark.contract


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path)


@pytest.fixture
def plugin(cluster: MemoryCluster, tmp_path: Path) -> Iterator[Path]:
    """node1's plugin socket."""
    path = tmp_path / "flocker.sock"
    app = serve_engine(cluster["node1"].driver, lambda *_: None)
    config = uvicorn.Config(app, uds=str(path), log_config=None, timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    eventually(lambda: server.started, is_=True, within=10)
    yield path
    server.should_exit = True
    thread.join()


def ask(plugin: Path, call: str, **arguments: str) -> socket.socket:
    """Send a request and return without waiting for the answer."""
    body = json.dumps(arguments).encode()
    engine = socket.socket(socket.AF_UNIX)
    engine.connect(str(plugin))
    head = f"POST /{call} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    engine.sendall(head.encode() + body)
    return engine


def read_answer(engine: socket.socket, ends_with: bytes) -> None:
    answer = b""
    while ends_with not in answer:  # head and body may come one after the other
        part = engine.recv(1 << 16)
        assert part, answer
        answer += part


def test_a_mount_nobody_waits_for_any_more_is_undone(cluster: MemoryCluster, plugin: Path) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    reached, opened = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        assert opened.wait(10)

    node1.etcd.before["mount"] = wait
    engine = ask(plugin, "VolumeDriver.Mount", Name="demo", ID="container")
    assert reached.wait(10)
    engine.close()
    opened.set()
    eventually(lambda: "unmount" in node1.etcd.calls, is_=True, within=10)
    assert cluster.state.mounts == {}
    cluster["node2"].driver.mount("demo", "x")
    node1.start()  # nor was it noted as answered
    assert not node1.uses.any(cluster.volume("demo"))


def test_a_mount_somebody_waits_for_stays(cluster: MemoryCluster, plugin: Path) -> None:
    cluster["node1"].driver.create("demo", {})
    engine = ask(plugin, "VolumeDriver.Mount", Name="demo", ID="container")
    read_answer(engine, b'"Mountpoint"')
    engine.close()
    assert list(cluster.state.mounts.values()) == ["node1"]


def test_a_mount_is_noted_as_answered_only_after_the_answer(
    cluster: MemoryCluster, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A daemon that dies before it has answered must not have counted the use."""
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    answered, noted, note = threading.Event(), threading.Event(), node1.driver.answered

    def late(name: str, mount_id: str) -> None:
        assert answered.wait(10)
        note(name, mount_id)
        noted.set()

    monkeypatch.setattr(node1.driver, "answered", late)
    engine = ask(plugin, "VolumeDriver.Mount", Name="demo", ID="container")
    read_answer(engine, b'"Mountpoint"')
    answered.set()
    assert noted.wait(10)
    engine.close()
    node1.start()
    assert node1.uses.any(cluster.volume("demo"))
