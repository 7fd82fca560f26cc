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
    app = serve_engine(cluster["node1"].driver, cluster.ownership)
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


def test_a_mount_nobody_waits_for_any_more_is_undone(
    cluster: MemoryCluster, plugin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    reached, opened = threading.Event(), threading.Event()
    mount = cluster.ownership.mount

    def slow(volume: object) -> None:
        reached.set()
        assert opened.wait(10)
        mount(volume)  # type: ignore[arg-type]

    monkeypatch.setattr(cluster.ownership, "mount", slow)
    engine = ask(plugin, "VolumeDriver.Mount", Name="demo", ID="container")
    assert reached.wait(10)
    engine.close()
    opened.set()
    volume = node1.driver.describe("demo").volume
    eventually(
        lambda: cluster["node2"].driver.mount("demo", "x").is_dir(),
        is_=True,
        within=10,
        not_yet=(Exception,),
    )
    assert volume.id in cluster.ownership.mounts()


def test_a_mount_somebody_waits_for_stays(cluster: MemoryCluster, plugin: Path) -> None:
    cluster["node1"].driver.create("demo", {})
    engine = ask(plugin, "VolumeDriver.Mount", Name="demo", ID="container")
    answer = b""
    while b'"Mountpoint"' not in answer:  # head and body may come one after the other
        part = engine.recv(1 << 16)
        assert part, answer
        answer += part
    engine.close()
    assert list(cluster.ownership.mounts().values()) == ["node1"]
