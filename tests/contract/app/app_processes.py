"""A real Redis and the real web app, as processes that a test may stop, kill and start again."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import cast

import httpx
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError

from acceptance.waiting import eventually

WEB = Path(__file__).parents[3] / "app" / "web"
READY_SECONDS = 20.0
STOP_SECONDS = 5.0  # half of what Docker grants before it kills


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Process:
    """One process with a log file; starting again appends to it."""

    def __init__(self, directory: Path) -> None:
        self.log = directory / f"{type(self).__name__}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def is_ready(self) -> bool:
        raise NotImplementedError

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                self.command(),
                cwd=WEB,
                env=os.environ | self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        eventually(self._is_ready_or_dead, is_=True, within=READY_SECONDS)
        assert self._process.poll() is None, f"ended at once:\n{self.log.read_text()}"

    def environment(self) -> dict[str, str]:
        return {}

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def stop(self) -> float:
        """End it as Docker does; the seconds that took."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def end(self) -> None:
        """End it whatever state a test left it in."""
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _end(self, number: signal.Signals) -> float:
        assert self._process is not None
        started = time.monotonic()
        self.send(number)
        self._process.wait(STOP_SECONDS)
        return time.monotonic() - started

    def _is_ready_or_dead(self) -> bool:
        assert self._process is not None
        return self._process.poll() is not None or self.is_ready()


class RedisServer(Process):
    """Debian's redis-server with the arguments of app/docker-compose.yml."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.directory = directory / "data"
        self.directory.mkdir()
        self.port = free_port()
        self.client = Redis(port=self.port, decode_responses=True)

    def command(self) -> list[str]:
        arguments = ["--dir", str(self.directory), "--protected-mode", "no"]
        return ["redis-server", *arguments, "--port", str(self.port), "--bind", "127.0.0.1"]

    def is_ready(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisConnectionError:
            return False

    def persistence(self) -> str:
        """What Redis says about its saving, as lines of `name:value`."""
        info = cast(dict[str, object], self.client.info("persistence"))
        return "\n".join(f"{name}:{value}" for name, value in info.items())

    def whales(self) -> list[str]:
        return cast(list[str], self.client.lrange("whales", 0, -1))


class WebApp(Process):
    """`python3 -m moby_counter`, serving as node "node7"."""

    def __init__(self, directory: Path, redis_port: int) -> None:
        super().__init__(directory)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.url, timeout=30)
        self._redis_port = redis_port
        self._node_file = directory / "node"
        self._node_file.write_text("node7\n")

    def command(self) -> list[str]:
        return [sys.executable, "-m", "moby_counter"]

    def environment(self) -> dict[str, str]:
        return {
            "REDIS_HOST": "127.0.0.1",
            "REDIS_PORT": str(self._redis_port),
            "PORT": str(self.port),
            "NODE_FILE": str(self._node_file),
        }

    def is_ready(self) -> bool:
        try:
            return self.http.get("/").is_success
        except httpx.ConnectError:
            return False

    def is_connected(self) -> bool:
        return bool(self.http.get("/v1/ping").json()["connected"])

    def whales(self) -> list[str]:
        return list(self.http.get("/v1/whales").raise_for_status().json())

    def post(self, whale: str) -> httpx.Response:
        return self.http.post("/v1/whales", content=whale)
