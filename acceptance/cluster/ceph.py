"""Clients of shared volumes as Ceph knows them, for nodes that have its administrator's key."""

from __future__ import annotations

import json

from acceptance.nodes.node import Node

CLIENTS = "sudo ceph tell mds.shared:0 client ls --format json 2>/dev/null"
MAP = "sudo ceph osd dump --format json 2>/dev/null"


def client(node: Node, volume: str) -> str:
    """The address of the one client that has a volume mounted, anywhere.

    Raises:
        AssertionError: there is none, or more than one.
    """
    prefix = f"flocker.{node.engine.volume_status(volume)['id']}."
    clients = json.loads(node.run(CLIENTS))
    found = [
        each["inst"].split()[-1]
        for each in clients
        if each["client_metadata"].get("entity_id", "").startswith(prefix)
    ]
    assert len(found) == 1, f"clients of '{volume}': {found} of {clients}"
    return str(found[0])


def refused(node: Node) -> set[str]:
    """The addresses of all clients that Ceph refuses."""
    return set(json.loads(node.run(MAP))["blocklist"])
