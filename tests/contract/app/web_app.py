"""The real web app, as a process that a test may stop, kill and start again."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2

from judge.machine.ports import free_port
from tests.contract.app.app_processes import Process


class WebApp(Process):
    """`python3 -m moby_counter`, serving as node "node7"."""

    def __init__(self, directory: Path, storage: dict[str, str]) -> None:
        super().__init__(directory)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.http = httpx2.Client(base_url=self.url, timeout=30)
        self._storage = storage
        self._node_file = directory / "node"
        self._node_file.write_text("node7\n")

    def command(self) -> list[str]:
        return [sys.executable, "-m", "moby_counter"]

    def environment(self) -> dict[str, str]:
        return self._storage | {"PORT": str(self.port), "NODE_FILE": str(self._node_file)}

    def is_ready(self) -> bool:
        try:
            return self.http.get("/").is_success
        except httpx2.ConnectError:
            return False

    def is_connected(self) -> bool:
        return bool(self.http.get("/v1/ping").json()["connected"])

    def whales(self) -> list[str]:
        return list(self.http.get("/v1/whales").raise_for_status().json())

    def post(self, whale: str) -> httpx2.Response:
        return self.http.post("/v1/whales", content=whale)


@contextmanager
def running_app(directory: Path, storage: dict[str, str]) -> Iterator[WebApp]:
    """The web app on a storage.

    Args:
        storage: the settings that name it.
    """
    web = WebApp(directory, storage)
    try:
        web.start()
        yield web
    finally:
        web.end()
        web.http.close()
