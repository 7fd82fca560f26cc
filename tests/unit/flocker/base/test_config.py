"""The settings of a node are read as they are meant, or refused with what would do."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import pytest

from flocker.base.config import Ceph, Config
from flocker.base.errors import BadRequest
from flocker.daemon import shared_pool
from flocker.engine.pool_mounts import PoolMounts
from flocker.node.client_records import ClientRecords
from flocker.pool.references import Names

NODE = {
    "FLOCKER_NODE": "node1",
    "FLOCKER_ADDRESS": "172.16.78.250",
    "FLOCKER_ETCD_ENDPOINTS": "https://node1:2379,https://node2:2379",
    "FLOCKER_CERTS": "/etc/flocker/certs",
}


def ceph(environment: Mapping[str, str]) -> Ceph | None:
    return Config.from_environment({**NODE, **environment}).ceph


def test_a_node_needs_no_ceph() -> None:
    assert ceph({}) is None


def test_the_file_system_is_all_that_has_to_be_said_of_a_ceph() -> None:
    assert ceph({"FLOCKER_CEPH_FILESYSTEM": "shared"}) == Ceph(
        "shared",
        folder="/flocker",
        identity="client.flocker-node",
        conf=Path("/etc/ceph/ceph.conf"),
        keyring=Path("/etc/ceph/ceph.client.flocker-node.keyring"),
    )


def test_everything_of_a_ceph_can_be_said() -> None:
    given = {
        "FLOCKER_CEPH_FILESYSTEM": "fs",
        "FLOCKER_CEPH_FOLDER": "/a/b",
        "FLOCKER_CEPH_IDENTITY": "client.node",
        "FLOCKER_CEPH_CONF": "/c",
        "FLOCKER_CEPH_KEYRING": "/k",
    }
    assert ceph(given) == Ceph("fs", "/a/b", "client.node", Path("/c"), Path("/k"))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"FLOCKER_CEPH_FOLDER": "/f"}, "FLOCKER_CEPH_FOLDER set without FLOCKER_CEPH_FILESYSTEM"),
        ({"FLOCKER_CEPH_FILESYSTEM": ""}, "`ceph fs ls` names the file systems"),
        ({"FLOCKER_CEPH_FILESYSTEM": "f", "FLOCKER_CEPH_FOLDER": "f"}, "as in /flocker"),
        ({"FLOCKER_CEPH_FILESYSTEM": "f", "FLOCKER_CEPH_FOLDER": "/"}, "as in /flocker"),
        (
            {"FLOCKER_CEPH_FILESYSTEM": "f", "FLOCKER_CEPH_IDENTITY": "admin"},
            "identity of a client",
        ),
        ({"FLOCKER_CEPH_FILESYSTEM": "f", "FLOCKER_CEPH_IDENTITY": "client.a.b"}, "identity of a"),
    ],
)
def test_settings_that_cannot_be_are_refused(given: dict[str, str], said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        ceph(given)


def test_a_node_without_the_programs_of_ceph_says_how_to_get_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    config = Config.from_environment({**NODE, "FLOCKER_CEPH_FILESYSTEM": "shared"})
    for module in ("flocker.shared_storage", "flocker.ceph.monitors"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, "rados", None)
    with pytest.raises(BadRequest, match="apt-get install ceph-fuse python3-rados"):
        shared_pool(
            config, tmp_path, cast(ClientRecords, None), PoolMounts(lambda _: tmp_path), Names()
        )
