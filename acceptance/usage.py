"""What the driver takes of a node: processor and memory."""

from __future__ import annotations

from dataclasses import dataclass

from acceptance.cluster import DRIVER, Node

MEASURED_SECONDS = 5
TICKS_PER_SECOND = 100  # of /proc/PID/stat, on every Linux with the usual USER_HZ


@dataclass(frozen=True)
class Usage:
    """`cpu_percent` is of one core, programs it ran included; `memory_bytes` is resident."""

    cpu_percent: float
    memory_bytes: int


def of_driver(node: Node) -> Usage:
    """What the driver's daemon takes, measured over some seconds."""
    # Fields 14 to 17 of stat are the daemon's time and that of the programs it waited for.
    printed = node.ask(
        f"pid=$(systemctl show --property=MainPID --value {DRIVER}); "
        "ticks() { awk '{ print $14 + $15 + $16 + $17 }' /proc/$pid/stat; }; "
        f"ticks; sleep {MEASURED_SECONDS}; ticks; "
        "awk '/^VmRSS/ { print $2 }' /proc/$pid/status"
    )
    before, after, resident_kib = map(int, printed.split())
    share = (after - before) / (MEASURED_SECONDS * TICKS_PER_SECOND)
    return Usage(100 * share, resident_kib * 1024)
