"""The driver's use of a node: processor, memory and network."""

from __future__ import annotations

from dataclasses import dataclass

from acceptance.base import evidence
from acceptance.nodes.node import DRIVER, Node

MEASURED_SECONDS = 5
TICKS_PER_SECOND = 100  # of /proc/PID/stat, on every Linux with the usual USER_HZ


@dataclass(frozen=True)
class Usage:
    """`cpu_percent` is of one core, programs it ran included; `memory_bytes` is resident."""

    cpu_percent: float
    memory_bytes: int


def of_driver(node: Node) -> Usage:
    """The use of the driver's daemon, measured over some seconds."""
    # Fields 14 to 17 of stat are the daemon's time and that of the programs it waited for.
    printed = node.run(
        f"pid=$(systemctl show --property=MainPID --value {DRIVER}); "
        "ticks() { awk '{ print $14 + $15 + $16 + $17 }' /proc/$pid/stat; }; "
        f"ticks; sleep {MEASURED_SECONDS}; ticks; "
        "awk '/^VmRSS/ { print $2 }' /proc/$pid/status"
    )
    before, after, resident_kib = map(int, printed.split())
    share = (after - before) / (MEASURED_SECONDS * TICKS_PER_SECOND)
    evidence.measured(f"{100 * share:.1f} % of a core, {resident_kib / 1024:.0f} MiB")
    return Usage(100 * share, resident_kib * 1024)


class Received:
    """Counts what a node receives over the nodes' network from now on, whatever it is for."""

    def __init__(self, node: Node) -> None:
        self._node = node
        self._before = self._read()

    def count(self) -> int:
        """Bytes so far."""
        return self._read() - self._before

    def _read(self) -> int:
        found = f"ip -o -4 addr show to {self._node.address} | awk '{{ print $2 }}'"
        return int(self._node.run(f"cat /sys/class/net/$({found})/statistics/rx_bytes"))
