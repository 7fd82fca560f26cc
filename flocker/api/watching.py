"""Health and metrics of a node, for those who watch over it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from flocker.api.metrics import Status, health, text
from flocker.base.counters import Counters
from flocker.care.verification import Verification
from flocker.consensus.etcd_quota import EtcdQuota
from flocker.fence.guard import Guard
from flocker.pool.health import PoolHealth
from flocker.volumes.overview import Overview


class Watching:
    """The view of one node from outside."""

    def __init__(
        self,
        overview: Overview,
        *,
        etcd_quota: EtcdQuota,
        verification: Verification,
        guard: Guard,
        pool_health: PoolHealth,
        counters: Counters,
    ) -> None:
        self._overview = overview
        self._etcd_quota = etcd_quota
        self._verification = verification
        self._guard = guard
        self._pool_health = pool_health
        self._counters = counters

    def health(self) -> tuple[int, dict[str, Any]]:
        """HTTP status and what is behind it."""
        return health(self._status())

    def metrics(self) -> bytes:
        """All metrics, in the text format of Prometheus."""
        return text(self._counters, self._status())

    def _status(self) -> Status:
        """The status that operators see, and what only gauges tell; from memory."""
        return {
            **self._overview.status(),
            "etcd": self._etcd_quota.size and asdict(self._etcd_quota.size),
            "verified": self._verification.results(),
            "is_fence_watching": self._guard.is_watched(),
            "is_writable": self._pool_health.problem() is None,
        }
