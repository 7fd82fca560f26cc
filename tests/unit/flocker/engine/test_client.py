"""Doubles of the engine: one hangs at questions about many volumes, one loses a container."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any
from urllib.parse import urlsplit

import pytest

from flocker.base.errors import EngineAway
from flocker.engine import client as engine
from flocker.engine.client import Engine, EngineUse
from flocker.engine.connection import EngineConnection

NAMES = [f"v{number}" for number in range(200)]
STEPS = ["/containers/json", "/containers/v", "/volumes"]  # of a question, in their order


class HangingEngine(ThreadingUnixStreamServer):
    """An engine with a stopped container for each volume but the first. It does not answer what
    begins with `hangs_at`."""

    daemon_threads = True
    request_queue_size = 500

    def __init__(self, path: Path, hangs_at: str) -> None:
        self.hangs_at = hangs_at
        self.asked: list[str] = []
        self.ended = threading.Event()
        super().__init__(str(path), _Calls)

    def answer(self, path: str) -> object:
        if path == "/containers/json":
            return [
                {"Id": name, "Names": [], "State": "exited", "Mounts": [{"Name": name}]}
                for name in NAMES[1:]
            ]
        if path == "/volumes":
            return {"Volumes": [{"Name": NAMES[0]}]}
        return {"State": {"Status": "exited"}}


class _Calls(BaseHTTPRequestHandler):
    server: HangingEngine

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.server.asked.append(path)
        if path.startswith(self.server.hangs_at):
            self.server.ended.wait(30)
            return
        body = json.dumps(self.server.answer(path)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def double(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[HangingEngine]:
    with HangingEngine(tmp_path / "docker.sock", request.param) as running:
        serving = threading.Thread(target=running.serve_forever, args=(0.01,))
        serving.start()
        yield running
        running.ended.set()
        running.shutdown()
        serving.join()


@pytest.mark.parametrize("double", ["nothing"], indirect=True)
def test_of_many_volumes_each_is_told(double: HangingEngine, tmp_path: Path) -> None:
    uses = Engine(tmp_path / "docker.sock", tmp_path).uses_of(NAMES)
    assert uses == {NAMES[0]: EngineUse.NONE, **dict.fromkeys(NAMES[1:], EngineUse.STOPPED)}
    assert double.asked.count("/containers/json") == double.asked.count("/volumes") == 1


@pytest.mark.parametrize("double", STEPS, indirect=True)
def test_an_engine_that_hangs_is_waited_for_once_however_many_volumes_there_are(
    double: HangingEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "ANSWER_SECONDS", 1)
    asked = Engine(tmp_path / "docker.sock", tmp_path)
    began = time.monotonic()
    if double.hangs_at == "/containers/v":  # what it says nothing of may be about to start
        uses = asked.uses_of(NAMES)
        assert uses == {NAMES[0]: EngineUse.NONE, **dict.fromkeys(NAMES[1:], EngineUse.BUSY)}
    else:
        with pytest.raises(EngineAway):
            asked.uses_of(NAMES)
    assert time.monotonic() - began < 3 * engine.ANSWER_SECONDS + 5, "alone each takes 1 s"


class PausingEngine(EngineConnection):
    """An engine whose containers `web` and `db` have the volumes of their names."""

    def __init__(self) -> None:
        self.paused: set[str] = set()
        self.is_away = False

    def call(self, method: str, path: str, within: float) -> tuple[int, Any]:
        assert within > 0
        if self.is_away:
            raise EngineAway("no answer")
        if method == "GET":
            asked = [each for each in ("web", "db") if each in path]
            return 200, [
                {
                    "Id": each,
                    "Names": [each],
                    "State": "paused" if each in self.paused else "running",
                    "Mounts": [{"Name": each}],
                }
                for each in asked
            ]
        _, _, container, verb = path.split("/")
        (self.paused.add if verb == "pause" else self.paused.discard)(container)
        return 204, None


def test_a_container_that_an_engine_left_paused_is_not_forgotten_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The note of what is paused has both, until both go on."""
    double = PausingEngine()
    monkeypatch.setattr(engine, "EngineConnection", lambda _: double)
    asked = Engine(tmp_path / "docker.sock", tmp_path)
    with asked.paused(["web"]):
        double.is_away = True  # until the block is over
    assert double.paused == {"web"}
    double.is_away = False
    with asked.paused(["db"]):
        assert double.paused == {"web", "db"}
    assert double.paused == set()
