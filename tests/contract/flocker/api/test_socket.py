"""The plugin socket as a real server: no call is lost when it ends, nor when an engine gives up."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.api.plugin import serve_engine
from flocker.api.serving import Server, serve_on_plugin_socket
from flocker.engine.volume_use import START_SECONDS
from tests.unit.flocker.cluster import Machine, MemoryCluster

pytestmark = pytest.mark.contract


@pytest.fixture
def cluster(tmp_path: Path) -> MemoryCluster:
    return MemoryCluster(tmp_path)


class Plugin:
    """node1's plugin socket. As systemd does, it keeps listening whether or not it is served."""

    def __init__(self, cluster: MemoryCluster, path: Path) -> None:
        self.path = path
        self._cluster = cluster
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(str(path))
        self._listening.listen()

    def serve(self) -> Server:
        """Serve it as a daemon does that was just started."""
        app = serve_engine(self._cluster["node1"].driver, lambda *_: None)
        server = serve_on_plugin_socket(app, self._listening.dup(), lambda: None)
        eventually(lambda: server.is_serving, is_=True, within=10)
        return server

    def fileno(self) -> int:
        return self._listening.fileno()

    def connect(self) -> socket.socket:
        engine = socket.socket(socket.AF_UNIX)
        engine.settimeout(60)  # a daemon that starts, on a machine with much else to do
        engine.connect(str(self.path))
        return engine


@pytest.fixture
def listening(cluster: MemoryCluster, tmp_path: Path) -> Plugin:
    return Plugin(cluster, tmp_path / "flocker.sock")


@pytest.fixture
def server(listening: Plugin) -> Iterator[Server]:
    server = listening.serve()
    yield server
    server.stop()


@pytest.fixture
def plugin(listening: Plugin, server: Server) -> Plugin:  # noqa: ARG001
    """node1's plugin socket, served."""
    return listening


def question(call: str, **arguments: str) -> bytes:
    body = json.dumps(arguments).encode()
    head = f"POST /{call} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def ask(plugin: Plugin, call: str, **arguments: str) -> socket.socket:
    """Send a request and return without waiting for the answer."""
    engine = plugin.connect()
    engine.sendall(question(call, **arguments))
    return engine


def answer(engine: socket.socket) -> bytes:
    """All that comes until the connection ends."""
    parts = []
    while part := engine.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def held_mount(node: Machine, plugin: Plugin) -> tuple[socket.socket, threading.Event]:
    """A mount of "demo" that the daemon works on until the event is set, and its connection."""
    node.driver.create("demo", {})
    reached, opened = threading.Event(), threading.Event()

    def wait() -> None:
        reached.set()
        assert opened.wait(10)

    node.etcd.before["mount"] = wait
    engine = ask(plugin, "VolumeDriver.Mount", Name="demo", ID="container")
    assert reached.wait(10)
    return engine, opened


def test_a_mount_nobody_waits_for_any_more_is_undone(
    cluster: MemoryCluster, plugin: Plugin
) -> None:
    node1 = cluster["node1"]
    engine, opened = held_mount(node1, plugin)
    engine.close()
    opened.set()
    eventually(lambda: "unmount" in node1.etcd.calls, is_=True, within=10)
    assert cluster.state.mounts == {}
    cluster["node2"].driver.mount("demo", "x")
    node1.start()  # nor does it count in the next daemon
    assert not node1.use.any(cluster.volume("demo"))


def test_a_mount_somebody_waits_for_stays(cluster: MemoryCluster, plugin: Plugin) -> None:
    cluster["node1"].driver.create("demo", {})
    engine = ask(plugin, "VolumeDriver.Mount", Name="demo", ID="container")
    assert b'"Mountpoint"' in answer(engine)
    assert list(cluster.state.mounts.values()) == ["node1"]


def test_a_mount_is_on_disk_before_the_engine_has_the_answer(
    cluster: MemoryCluster, plugin: Plugin
) -> None:
    """A daemon may die with the last byte of the answer, and its container start all the same."""
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    engine = ask(plugin, "VolumeDriver.Mount", Name="demo", ID="container")
    assert engine.recv(1)
    node1.start()
    assert node1.use.any(cluster.volume("demo"))
    assert b'"Mountpoint"' in answer(engine)


def test_no_connection_is_used_for_a_second_call(plugin: Plugin) -> None:
    """Of one that stays open, dockerd's next request may cross the closing, and is lost."""
    engine = ask(plugin, "VolumeDriver.List")
    head = answer(engine).partition(b"\r\n\r\n")[0]
    assert b"\r\nconnection: close" in head


def test_a_connection_nothing_was_asked_on_is_not_closed(plugin: Plugin) -> None:
    engine = plugin.connect()
    with pytest.raises(TimeoutError):
        engine.settimeout(6)  # uvicorn closes one after an answer and 5 s
        engine.recv(1)
    engine.sendall(question("VolumeDriver.List"))
    assert b'"Volumes"' in answer(engine)


def test_a_call_that_comes_while_the_daemon_ends_is_answered(
    plugin: Plugin, server: Server
) -> None:
    engine = plugin.connect()
    ending = threading.Thread(target=server.stop)
    ending.start()
    engine.sendall(question("VolumeDriver.List"))
    assert b'"Volumes"' in answer(engine)
    ending.join()
    assert server.has_died


def test_a_call_under_way_is_answered_before_the_daemon_ends(
    cluster: MemoryCluster, plugin: Plugin, server: Server
) -> None:
    node1 = cluster["node1"]
    engine, opened = held_mount(node1, plugin)
    ending = threading.Thread(target=server.stop)
    ending.start()
    late = ask(plugin, "VolumeDriver.List")
    opened.set()
    assert b'"Mountpoint"' in answer(engine)
    ending.join()
    node1.start()
    assert node1.use.any(cluster.volume("demo"))
    after = plugin.serve()
    assert b'"Volumes"' in answer(late)
    after.stop()


def test_a_mount_that_takes_too_long_is_refused_before_the_daemon_ends(
    cluster: MemoryCluster, plugin: Plugin, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flocker.api.serving.ANSWER_SECONDS", 0.2)
    node1 = cluster["node1"]
    engine, opened = held_mount(node1, plugin)
    server.stop()
    said = answer(engine)
    assert said.startswith(b"HTTP/1.1 503")
    assert b"flocker is being restarted" in said
    node1.start()  # the use was counted, for the fence to know of it, and nothing backs it
    node1.clock += START_SECONDS
    node1.reconciler.end_unbacked_uses()
    assert not node1.use.any(cluster.volume("demo"))
    opened.set()


def test_a_call_nobody_waits_for_any_more_is_not_begun(
    cluster: MemoryCluster, listening: Plugin
) -> None:
    """It waited in the queue of the socket for a daemon that could not start."""
    ask(listening, "VolumeDriver.Create", Name="demo").close()
    server = listening.serve()
    answer(ask(listening, "VolumeDriver.List"))
    server.stop()
    assert cluster.state.volumes == {}


def test_an_unmount_is_carried_out_whoever_waits_for_it(
    cluster: MemoryCluster, listening: Plugin
) -> None:
    node1 = cluster["node1"]
    node1.driver.create("demo", {})
    node1.driver.mount("demo", "container")
    ask(listening, "VolumeDriver.Unmount", Name="demo", ID="container").close()
    server = listening.serve()
    eventually(lambda: node1.use.any(cluster.volume("demo")), is_=False, within=10)
    server.stop()


@pytest.mark.parametrize("call", ["Create", "Remove", "Mount", "Unmount", "Path"])
def test_a_call_without_its_body_is_refused(plugin: Plugin, call: str) -> None:
    engine = plugin.connect()
    engine.sendall(f"POST /VolumeDriver.{call} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    said = answer(engine)
    assert said.startswith(b"HTTP/1.1 503")
    assert b"without its content" in said


@pytest.mark.parametrize("host", ["x", "", "%2Frun%2Fdocker%2Fplugins%2Fflocker.sock"])
def test_a_get_without_its_body_is_not_answered(plugin: Plugin, host: str) -> None:
    """Any name that the engine takes for a socket."""
    engine = plugin.connect()
    engine.sendall(f"POST /VolumeDriver.Get HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
    assert answer(engine) == b""


def test_a_daemon_with_settings_it_cannot_read_says_so_and_ends(listening: Plugin) -> None:
    """systemd starts it anew, with the settings as they are then."""
    environment = {
        "PATH": os.environ["PATH"],
        "FLOCKER_NODE": "node1",
        "FLOCKER_ADDRESS": "127.0.0.1",
        "FLOCKER_ETCD_ENDPOINTS": "http://127.0.0.1:1",
        "FLOCKER_CERTS": "/nowhere",
        "FLOCKER_RETENTION_DAYS": "seven",
    }
    inherit = f"os.dup2({listening.fileno()}, 3); os.environ['LISTEN_PID'] = str(os.getpid())"
    start = f"import os, sys; {inherit}; from flocker.__main__ import main; sys.exit(main())"
    late = ask(listening, "VolumeDriver.Get", Name="demo")
    daemon = subprocess.Popen(
        [sys.executable, "-c", start],
        env=environment,
        pass_fds=[listening.fileno()],
        stderr=subprocess.PIPE,
        text=True,
    )
    said = answer(ask(listening, "VolumeDriver.Mount", Name="demo", ID="container"))
    assert said.startswith(b"HTTP/1.1 503")
    assert b"FLOCKER_RETENTION_DAYS=seven is not a number of days" in said
    assert answer(late) == b""
    assert daemon.wait(60) == 1
    assert daemon.stderr is not None
    assert "FLOCKER_RETENTION_DAYS=seven" in daemon.stderr.read()
