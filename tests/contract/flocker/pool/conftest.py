"""Pools of every kind there is: memory, btrfs, CephFS."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from flocker.pool.protocol import Pool
from flocker.pool.references import Names
from tests.contract.flocker.ceph.fixtures import (  # noqa: F401  fixtures of this folder
    SharedNodes,
    ceph,
    monitors,
    mount_as,
    shared_nodes,
    top,
)
from tests.twins.memory_remote import MemoryStorage
from tests.twins.memory_sessions import MemorySessions

MakeAnyPool = Callable[..., Pool]


@pytest.fixture
def make_remote_memory_pool(tmp_path: Path) -> MakeAnyPool:
    """Makes pools that share nothing, as those of a node each."""

    def made(
        is_mounted: Callable[[str], bool] = lambda _: False, names: Names | None = None
    ) -> Pool:
        storage = MemoryStorage(tmp_path / str(uuid.uuid4()))
        return storage.way(names or Names(), MemorySessions(), is_mounted)

    return made


@pytest.fixture(params=["memory", "btrfs", "remote_memory", "ceph"])
def make_any_pool(request: pytest.FixtureRequest) -> MakeAnyPool:
    """Makes a pool: one suite for all that every pool can do."""
    if request.param == "ceph":
        nodes: SharedNodes = request.getfixturevalue("shared_nodes")
        return nodes.pool
    make: MakeAnyPool = request.getfixturevalue(f"make_{request.param}_pool")
    return make
