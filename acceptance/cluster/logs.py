"""The nodes' logs, which are read after a failure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

from acceptance.cluster.etcd import ETCD_ACCESS
from acceptance.nodes.access import NodeAway


class Engine(Protocol):
    """An engine, as far as its containers print something."""

    def container_logs(self) -> dict[str, str]:
        """Container name -> the end of what it printed, of all containers here."""


class Place(Protocol):
    """A node, as far as it tells something."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def engine(self) -> Engine:
        """Its engine."""

    def run(self, command: str) -> str:
        """Return the output of a command; raises NodeAway."""


def read(nodes: Iterable[Place]) -> dict[str, str]:
    """Name -> text, of everything that may explain a failure.

    A log that cannot be had is said to be missing. Of a node that is away this is said once: each
    log would take as long as the first to be missing.
    """
    logs: dict[str, str] = {}
    for node in nodes:
        with suppress(NodeAway):
            _read_one(node, logs)
    return logs


def _read_one(node: Place, logs: dict[str, str]) -> None:
    with _noted(logs, f"{node.name} journal"):
        logs[f"{node.name} journal"] = node.run("sudo journalctl --no-pager -n 2000 --since -15min")
    with _noted(logs, f"{node.name} containers"):
        for name, text in node.engine.container_logs().items():
            logs[f"{node.name} container {name}"] = text
    with _noted(logs, f"{node.name} etcd"):
        logs[f"{node.name} etcd"] = node.run(f"sudo env {ETCD_ACCESS} etcdctl get --prefix ''")


@contextmanager
def _noted(logs: dict[str, str], name: str) -> Iterator[None]:
    """Say of a log that cannot be had that it is missing, instead of hiding the failure itself."""
    try:
        yield
    except Exception as error:
        logs[name] = f"could not be read: {error!r}"
        if isinstance(error, NodeAway):
            raise
