"""A real Ceph for the tests of this folder, and clients of it."""

from tests.contract.flocker.ceph.fixtures import (  # noqa: F401  fixtures of this folder
    ceph,
    live,
    monitors,
    mount_as,
    shared_nodes,
    top,
    volume,
)
