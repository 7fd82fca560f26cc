"""Counters of events, for the parts in which these happen; api/metrics.py shows them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Histogram

# The engine's calls are milliseconds or, for a mount that fetches, up to 90 s.
CALL_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 90)


class Counters:
    """The counters of one daemon.

    Attributes:
        registry: has them all.
        moves: volumes brought here, by `result`: done, refused or failed.
        promotions: by `kind`: manual or auto.
        received_bytes, sent_bytes: of streams between nodes.
        call_seconds: how long the engine's calls took, by `call`.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.moves = Counter(
            "flocker_moves",
            "Volumes that were to come to this node.",
            ["result"],
            registry=self.registry,
        )
        self.promotions = Counter(
            "flocker_promotions",
            "Volumes this node took over from an owner that was away.",
            ["kind"],
            registry=self.registry,
        )
        self.received_bytes = Counter(
            "flocker_received_bytes",
            "Bytes of volumes received from other nodes.",
            registry=self.registry,
        )
        self.sent_bytes = Counter(
            "flocker_sent_bytes", "Bytes of volumes sent to other nodes.", registry=self.registry
        )
        self.call_seconds = Histogram(
            "flocker_call_seconds",
            "How long calls of the engine took.",
            ["call"],
            buckets=CALL_SECONDS,
            registry=self.registry,
        )
