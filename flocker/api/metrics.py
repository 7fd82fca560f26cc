"""Prometheus metrics and the health of a node.

Gauges are read from the node's status when they are asked for; counters are in base/counters.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from flocker.base.counters import Counters

Status = dict[str, Any]  # what GET /flocker/status answers


def text(counters: Counters, status: Status) -> bytes:
    """All metrics in the text format of Prometheus; gauges tell of the status."""
    gauges = CollectorRegistry()
    gauges.register(_StatusGauges(status))
    return generate_latest(gauges) + generate_latest(counters.registry)


def health(status: Status) -> tuple[int, dict[str, Any]]:
    """HTTP status and what is behind it: 200 when nothing is wrong, else 503 and the problems."""
    problems = []
    if not status["is_connected"]:
        problems.append(
            "etcd does not answer: containers keep running, but new mounts and moves are refused"
        )
    if _pool(status) is None:
        problems.append("it is not known how full the pool is")
    if status["pool_problem"]:
        problems.append(status["pool_problem"])
    problems += status["problems"]
    if status["is_connected"]:  # or each volume would say that etcd is away
        problems += [
            f"volume '{volume['name']}': {volume['problem']}"
            for volume in _owned(status)
            if volume["problem"]
        ]
    answer = {"node": status["node"], "is_healthy": not problems, "problems": problems}
    return 503 if problems else 200, answer


class _StatusGauges(Collector):
    """Gauges of what a status says; what is not known is left out."""

    def __init__(self, status: Status) -> None:
        self._status = status

    def collect(self) -> Iterator[GaugeMetricFamily]:
        status = self._status
        owned = _owned(status)
        yield GaugeMetricFamily(
            "flocker_connected", "1 if etcd answers, else 0.", value=status["is_connected"]
        )
        yield GaugeMetricFamily(
            "flocker_fence_watching",
            "1 if flocker-fence watches; else no volume with failover=auto is mounted.",
            value=status["is_fence_watching"],
        )
        if pool := _pool(status):
            used_bytes, total_bytes, free_bytes = pool
            yield GaugeMetricFamily(
                "flocker_pool_used_bytes", "Used space of the pool.", value=used_bytes
            )
            yield GaugeMetricFamily(
                "flocker_pool_total_bytes", "Size of the pool.", value=total_bytes
            )
            yield GaugeMetricFamily(
                "flocker_pool_free_bytes", "Free space of the pool.", value=free_bytes
            )
        yield GaugeMetricFamily(
            "flocker_pool_problem",
            "1 if the pool has a problem; /health gives the reason.",
            value=status["pool_problem"] is not None,
        )
        yield GaugeMetricFamily(
            "flocker_pool_writable",
            "1 if the pool can be written to, else 0.",
            value=status["is_writable"],
        )
        if etcd := status["etcd"]:
            yield GaugeMetricFamily(
                "flocker_etcd_bytes",
                "Size of etcd's file beside this node.",
                value=etcd["db_bytes"],
            )
            yield GaugeMetricFamily(
                "flocker_etcd_quota_bytes",
                "Size of etcd's file at which it refuses writes.",
                value=etcd["quota_bytes"],
            )
            yield GaugeMetricFamily(
                "flocker_etcd_alarm", "1 if etcd refuses writes, else 0.", value=etcd["has_alarm"]
            )
        ends = _gauge(
            "certificate_ends_timestamp_seconds", "When a certificate ends.", "certificate"
        )
        for each in status["certificates"]:
            ends.add_metric([each["certificate"]], datetime.fromisoformat(each["ends"]).timestamp())
        yield ends
        yield GaugeMetricFamily(
            "flocker_problems",
            "Number of problems on this node; /health lists them.",
            value=len(status["problems"]),
        )
        yield GaugeMetricFamily(
            "flocker_volumes_owned", "Volumes this node owns.", value=len(owned)
        )
        yield from _gauges_of(owned, status["node"])
        yield from _gauges_of_verified(status["verified"])


def _gauges_of(owned: list[dict[str, Any]], node: str) -> Iterator[GaugeMetricFamily]:
    mounted = _gauge("volume_mounted", "1 if containers use an owned volume.", "volume")
    problem = _gauge(
        "volume_problem", "1 if an owned volume has a problem; /health gives the reason.",
        "volume",
    )  # fmt: skip
    size = _gauge("volume_size_bytes", "Size limit of an owned volume.", "volume")
    used = _gauge("volume_used_bytes", "Space that an owned volume uses.", "volume")
    lag = _gauge(
        "replica_lag_seconds", "Seconds by which a replica of an owned volume may lag.",
        "volume", "node",
    )  # fmt: skip
    stuck = _gauge(
        "replica_stuck", "1 for each replica of an owned volume that makes no progress.",
        "volume", "node",
    )  # fmt: skip
    for volume in owned:
        name = volume["name"]
        mounted.add_metric([name], volume["mounted_on"] == node)
        problem.add_metric([name], volume["problem"] is not None)
        if volume["size_bytes"] is not None:
            size.add_metric([name], volume["size_bytes"])
        if volume["used_bytes"] is not None:
            used.add_metric([name], volume["used_bytes"])
        for copy in volume["copies"]:
            lag.add_metric([name, copy["node"]], _lag_seconds(copy))
        for each in volume["stuck"]:
            stuck.add_metric([name, each], 1)
    return iter((mounted, problem, size, used, lag, stuck))


def _gauges_of_verified(results: list[dict[str, Any]]) -> Iterator[GaugeMetricFamily]:
    at = _gauge(
        "volume_verified_timestamp_seconds", "When an owned volume's copies were compared last.",
        "volume",
    )  # fmt: skip
    bad = _gauge(
        "copy_bad", "1 if a copy could not be read, or differed when last compared.",
        "volume", "node",
    )  # fmt: skip
    for result in results:
        at.add_metric([result["volume"]], datetime.fromisoformat(result["at"]).timestamp())
        for copy in result["copies"]:
            bad.add_metric(
                [result["volume"], copy["node"]], copy["result"] in ("differs", "unreadable")
            )
    return iter((at, bad))


def _owned(status: Status) -> list[dict[str, Any]]:
    return [volume for volume in status["volumes"] if volume["owner"] == status["node"]]


def _gauge(name: str, text: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"flocker_{name}", text, labels=labels)


def _lag_seconds(copy: dict[str, Any]) -> float:
    behind = datetime.now(UTC) - datetime.fromisoformat(copy["complete_until"])
    return max(0, behind.total_seconds())


def _pool(status: Status) -> tuple[int, int, int] | None:
    """Used, total and free bytes of this node's pool; None before it has announced itself."""
    for node in status["nodes"]:
        if node["name"] == status["node"] and node["pool_total_bytes"]:
            return node["pool_used_bytes"], node["pool_total_bytes"], node["pool_free_bytes"]
    return None
