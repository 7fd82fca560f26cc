"""A volume as `flocker status --json` shows it."""

from __future__ import annotations

from typing import Any


def volume_status(name: str, **changes: Any) -> dict[str, Any]:
    return {
        "name": name,
        "id": f"id-of-{name}",
        "owner": "node1",
        "epoch": 1,
        "created_at": "2026-11-22T19:00:00.000+00:00",
        "size_bytes": None,
        "used_bytes": None,
        "replicas": 2,
        "failover": "manual",
        "made_from": None,
        "mounted_on": None,
        "copies": [],
        "stuck": {},
        "move": None,
        "problem": None,
        "pool": "btrfs",
        **changes,
    }
