"""Questions about many volumes to a double of the engine, which hangs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from urllib.parse import urlsplit

import pytest

from flocker.base.errors import EngineAway
from flocker.engine import client as engine
from flocker.engine.client import Engine, EngineUse

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
    monkeypatch.setattr(engine, "ANSWER_SECONDS", 3)
    asked = Engine(tmp_path / "docker.sock", tmp_path)
    began = time.monotonic()
    if double.hangs_at == "/containers/v":  # what it says nothing of may be about to start
        uses = asked.uses_of(NAMES)
        assert uses == {NAMES[0]: EngineUse.NONE, **dict.fromkeys(NAMES[1:], EngineUse.BUSY)}
    else:
        with pytest.raises(EngineAway):
            asked.uses_of(NAMES)
    assert time.monotonic() - began < 3 * engine.ANSWER_SECONDS + 5, "alone each takes 2 s or 3 s"
