"""The ports at which a node answers, besides those that containers publish."""

from __future__ import annotations

DRIVER_PORT = 4523
ETCD_PORT = 2379
ETCD_PEER_PORT = 2380
