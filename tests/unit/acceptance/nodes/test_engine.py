"""An engine behind ssh: by many threads at once, and when the node or the engine goes away."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

import pytest
import requests
from paramiko import BadHostKeyException, ECDSAKey, SSHException

from acceptance.base.waiting import eventually
from acceptance.nodes import engine, shell
from acceptance.nodes.engine import Engine, EngineSilent
from acceptance.nodes.shell import Shell
from tests.unit.acceptance.nodes.sshd import ADDRESS, Sshd, log_in, sshd

SOON_SECONDS = 5
THREADS = 32  # sshd grants ten sessions to a connection
CONTAINERS = 2000  # their list takes many packets


class Answers(BaseHTTPRequestHandler):
    """The answers of an engine."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/version"):
            self._answer({"ApiVersion": "1.41", "Version": "20.10.24+dfsg1"})
        elif path.endswith("/containers/json"):
            self._answer([{"Names": [f"/c{n}"], "Id": f"{n}"} for n in range(CONTAINERS)])
        elif path.endswith("/volumes"):
            self._answer({"Volumes": None})
        elif path.endswith("/networks"):
            self._answer([])
        elif path.endswith("/containers/thinks/json"):
            threading.Event().wait(2 * SOON_SECONDS)
        else:
            self.send_error(500)

    def address_string(self) -> str:
        return "nobody"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def _answer(self, content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def socket_path(tmp_path: Path) -> Iterator[Path]:
    """The socket of an engine that runs."""
    path = tmp_path / "docker.sock"
    with ThreadingUnixStreamServer(str(path), Answers) as server:
        server.daemon_threads = True
        serving = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        serving.start()
        yield path
        server.shutdown()


@pytest.fixture
def node(socket_path: Path) -> Iterator[Sshd]:
    with sshd(socket_path) as running:
        yield running


@pytest.fixture
def logged_in(node: Sshd, tmp_path: Path) -> Iterator[Shell]:
    with log_in(node, tmp_path, node.host_key) as opened:
        yield opened


def go_away(node: Sshd, logged_in: Shell) -> None:
    """Have the node end all connections, and wait until that has arrived here."""
    node.hang_up()
    eventually(lambda: logged_in.is_connected, is_=False, within=SOON_SECONDS)


def test_sshd_is_asked_for_the_engines_socket_as_openssh_wants_it(
    node: Sshd, logged_in: Shell
) -> None:
    assert Engine(logged_in).version() == "20.10.24+dfsg1"
    assert set(node.asked_for) == {(shell.ENGINE_SOCKET, "", 0, b"")}
    assert node.logins == 1, "one connection is enough"


def test_many_threads_ask_at_once_and_connections_are_used_again(
    node: Sshd, logged_in: Shell
) -> None:
    asked = Engine(logged_in)
    with ThreadPoolExecutor(THREADS) as threads:
        answers = list(threads.map(lambda _: asked.things(), range(THREADS)))
    assert {len(things) for things in answers} == {CONTAINERS}
    opened = len(node.asked_for)
    for _ in range(10):
        asked.version()
    assert len(node.asked_for) <= opened + 1
    assert node.logins == 1


def test_threads_that_open_it_at_once_open_it_once(node: Sshd, logged_in: Shell) -> None:
    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda _: logged_in.open(), range(THREADS)))
    assert node.logins == 1


def test_an_engine_is_asked_again_after_its_node_went_away_and_came_back(
    node: Sshd, logged_in: Shell
) -> None:
    asked = Engine(logged_in)
    go_away(node, logged_in)
    assert asked.version() == "20.10.24+dfsg1"
    asked.close()
    logged_in.close()
    assert asked.version() == "20.10.24+dfsg1"


def test_a_question_ends_when_the_node_goes_away_meanwhile(node: Sshd, logged_in: Shell) -> None:
    asked = Engine(logged_in)
    leaving = threading.Timer(0.3, node.hang_up)
    leaving.start()
    started = time.monotonic()
    with pytest.raises(requests.ConnectionError):
        asked.is_running("thinks")
    assert time.monotonic() - started < SOON_SECONDS
    leaving.join()


@pytest.mark.usefixtures("node")
def test_an_engine_that_hangs_is_silent_soon(
    logged_in: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ANSWER_SECONDS", 0.3)
    asked = Engine(logged_in)
    started = time.monotonic()
    with pytest.raises(requests.ReadTimeout):
        asked.is_running("thinks")
    assert time.monotonic() - started < SOON_SECONDS


def test_a_node_whose_time_stands_still_is_silent_soon(
    node: Sshd, logged_in: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "CONNECT_SECONDS", 0.3)
    logged_in.open()
    stands_still = threading.Event()
    node.before_opening = stands_still.wait
    started = time.monotonic()
    with pytest.raises(EngineSilent, match="Timeout opening channel"):
        Engine(logged_in)
    assert time.monotonic() - started < SOON_SECONDS
    stands_still.set()


def test_a_node_that_takes_connections_and_says_nothing_is_silent_soon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "GREETING_SECONDS", 0.3)
    with socket.create_server((ADDRESS, 0)) as listening:
        dumb = Shell(
            ADDRESS, "somebody", listening.getsockname()[1], [],
            has_agent=False, known_hosts=tmp_path / "none",
        )  # fmt: skip
        started = time.monotonic()
        with pytest.raises(EngineSilent, match=f"no engine answers at {ADDRESS}"):
            Engine(dumb)
        assert time.monotonic() - started < SOON_SECONDS


def test_an_engine_that_does_not_run_is_silent_and_why_is_said(tmp_path: Path) -> None:
    with (
        sshd(tmp_path / "none.sock") as node,
        log_in(node, tmp_path, node.host_key) as logged_in,
        pytest.raises(EngineSilent, match="the engine does not run, somebody is not in the group"),
    ):
        Engine(logged_in)


def test_a_node_with_another_host_key_is_told_nothing(node: Sshd, tmp_path: Path) -> None:
    with (
        log_in(node, tmp_path, ECDSAKey.generate()) as stranger,
        pytest.raises(BadHostKeyException),
    ):
        stranger.open()
    assert node.logins == 0


def test_a_node_whose_host_key_nobody_knows_is_told_nothing(node: Sshd, tmp_path: Path) -> None:
    with log_in(node, tmp_path, None) as stranger, pytest.raises(SSHException, match="known_hosts"):
        stranger.open()
    assert node.logins == 0


def test_a_node_that_shows_another_key_later_is_told_nothing(node: Sshd, logged_in: Shell) -> None:
    asked = Engine(logged_in)
    node.host_key = ECDSAKey.generate()
    go_away(node, logged_in)
    with pytest.raises(requests.ConnectionError, match="does not match"):
        asked.version()
    assert node.logins == 1
