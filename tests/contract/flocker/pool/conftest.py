"""Pools of every kind there is: memory, btrfs, CephFS."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from flocker.pool.protocol import Pool
from tests.contract.flocker.ceph.fixtures import (  # noqa: F401  fixtures of this folder
    SharedNodes,
    ceph,
    monitors,
    mount_as,
    shared_nodes,
    top,
)

MakeAnyPool = Callable[..., Pool]


@pytest.fixture(params=["memory", "btrfs", "ceph"])
def make_any_pool(request: pytest.FixtureRequest) -> MakeAnyPool:
    """Makes a pool: one suite for all that every pool can do."""
    if request.param == "ceph":
        nodes: SharedNodes = request.getfixturevalue("shared_nodes")
        return nodes.pool
    make: MakeAnyPool = request.getfixturevalue(f"make_{request.param}_pool")
    return make
