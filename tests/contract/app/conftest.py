"""A storage and the web app for each test, both gone afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.app.app_processes import (
    POSTGRES_ENTRYPOINT,
    PostgresServer,
    RedisServer,
    StorageServer,
    postgres_environment,
    running_redis,
)
from tests.contract.app.web_app import WebApp, running_app


@pytest.fixture(scope="session")
def open_folder() -> Iterator[Path]:
    """A folder that every user may enter: Postgres does not run as root, pytest's are root's."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@pytest.fixture(scope="session")
def entrypoint(open_folder: Path) -> Path:
    """Where the user postgres can read it too: the checkout may be in a folder of root's."""
    return Path(shutil.copy(POSTGRES_ENTRYPOINT, open_folder))


@pytest.fixture(scope="session")
def new_cluster(open_folder: Path, entrypoint: Path) -> Path:
    """What the first start of a container makes, to be copied: making it takes two seconds."""
    data = open_folder / "new"
    subprocess.run(
        [entrypoint, "postgres", "--version"],
        cwd=open_folder,
        env=os.environ | postgres_environment(data),
        check=True,
        capture_output=True,
    )
    return data


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path) as server:
        yield server


@pytest.fixture
def postgres(open_folder: Path, entrypoint: Path, new_cluster: Path) -> Iterator[PostgresServer]:
    with tempfile.TemporaryDirectory(dir=open_folder) as folder:
        Path(folder).chmod(0o755)
        server = PostgresServer(entrypoint, Path(folder))
        subprocess.run(["cp", "-a", new_cluster, server.data], check=True)
        try:
            server.start()
            yield server
        finally:
            server.end()


@pytest.fixture(params=["redis", "postgres"])
def storage(request: pytest.FixtureRequest) -> StorageServer:
    """Each of the servers that may keep the whales."""
    server: StorageServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def app(tmp_path: Path, storage: StorageServer) -> Iterator[WebApp]:
    with running_app(tmp_path, storage.settings()) as web:
        yield web
