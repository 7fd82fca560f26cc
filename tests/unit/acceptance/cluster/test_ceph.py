"""Clients of shared volumes are found in what Ceph prints."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.cluster import ceph

LEDGER, OTHER = "172.16.78.250:0/11", "172.16.78.251:0/22"


def node(*clients: tuple[str, str], refused: str = "") -> Any:
    """A node whose Ceph has these clients: (entity, address)."""
    listed = [
        {"inst": f"client.1 {address}", "client_metadata": {"entity_id": entity}}
        for entity, address in clients
    ]
    printed = {ceph.CLIENTS: listed, ceph.MAP: {"blocklist": {refused: "2036-11-25"}}}
    return SimpleNamespace(
        engine=SimpleNamespace(volume_status=lambda _: {"id": "abc"}),
        run=lambda command: json.dumps(printed[command]),
    )


def test_the_client_of_a_volume_is_told_from_others() -> None:
    found = node(("flocker-node", OTHER), ("flocker.abcd.1", OTHER), ("flocker.abc.3", LEDGER))
    assert ceph.client(found, "ledger") == LEDGER


def test_a_volume_without_a_client_is_a_failure() -> None:
    with pytest.raises(AssertionError, match="clients of 'ledger'"):
        ceph.client(node(("flocker-node", OTHER)), "ledger")


def test_refused_clients_are_read_from_the_map() -> None:
    assert ceph.refused(node(refused=LEDGER)) == {LEDGER}
