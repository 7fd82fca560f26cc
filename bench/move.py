"""One move: an app runs on a volume, is stopped, and reads its data on the other node."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from typing import Protocol

from acceptance.nodes.node import Node
from bench.counters import Wire
from bench.disk import on_node
from bench.figures import Moved
from bench.on_node import PROOF
from bench.plan import Data

APP = "bench-app"
STOP_SECONDS = 5
TOKEN_BYTES = 16
ASK_AGAIN = "run the command again"  # the driver, when a copy takes longer than Docker waits
MOVE_SECONDS = 400


class WrongData(Exception):
    """The app did not find on the target what it left on the source."""


class Method(Protocol):
    """A way to bring a volume from `source` to `target`, called in this order."""

    @property
    def name(self) -> str:
        """As in bench.plan."""

    @property
    def source(self) -> Node: ...

    @property
    def target(self) -> Node: ...

    @property
    def mount(self) -> str:
        """`docker run`'s options that give the app its volume at /data, on either node."""

    @property
    def data(self) -> Data:
        """The volume's content."""

    def create(self) -> None:
        """Have the volume on the source."""

    def fill(self) -> None:
        """Have the data in it, on disk and with its replicas. The app runs."""

    def ahead(self) -> None:
        """Do what is done before the last changes, while the app runs."""

    def settle(self) -> None:
        """Wait for whatever follows the last changes by itself, while the app runs."""

    def carry(self) -> float | None:
        """Bring the volume over; the seconds of it that went into the target's disk."""

    def folder_on(self, node: Node) -> str:
        """Where the data is on a node while the app runs there."""

    def remove(self) -> None:
        """Leave both nodes as they were."""


def measure(method: Method, expected: Callable[[str], str] | None) -> Moved:
    """Make one move.

    Args:
        expected: the digest of this data after the changes that belong to a token; None to compare
            no more than what the app reads.

    Raises:
        WrongData: what arrived is not what was left.
        RuntimeError: a command failed; the message says which and what it printed.
    """
    source, target, data = method.source, method.target, method.data
    wire = Wire(target, source)
    method.create()
    start_app(source, method.mount)
    method.fill()
    folder = method.folder_on(source)
    for node in (source, target):
        on_node(node, "forget-peak")

    ahead_started, wire_started = time.monotonic(), wire.bytes()
    method.ahead()
    ahead_seconds, wire_ahead = time.monotonic() - ahead_started, wire.bytes()

    cpu_started = _cpu_seconds(source, target)
    token = secrets.token_hex(TOKEN_BYTES)
    changed_bytes = on_node(source, "change", folder, token)
    method.settle()
    stopped = time.monotonic()
    stop_app(source)
    flush_seconds = method.carry()
    found = _read(target, method.mount)
    gap_seconds = time.monotonic() - stopped

    wire_done, cpu_done = wire.bytes(), _cpu_seconds(source, target)
    peaks = [on_node(node, "used")["daemon_peak_bytes"] for node in (source, target)]
    if found != token:
        raise WrongData(f"{method.name}, {data.title}: expected {token}, read {found!r}")
    if expected is not None:
        remove_app(source)
        start_app(target, method.mount)
        if on_node(target, "digest", method.folder_on(target)) != expected(token):
            raise WrongData(f"{method.name}, {data.title}: {target.name} has other files")
    return Moved(
        method=method.name,
        data=data,
        gap_seconds=gap_seconds,
        wire_bytes=wire_done - wire_ahead,
        cpu_seconds=cpu_done - cpu_started,
        changed_bytes=changed_bytes,
        ahead_seconds=ahead_seconds,
        wire_bytes_ahead=wire_ahead - wire_started,
        flush_seconds=flush_seconds,
        daemon_peak_bytes=max(peaks),
    )


def start_app(node: Node, mount: str) -> None:
    """Start a container that does nothing but have the volume."""
    node.run(f"docker run --detach --init --name {APP} {mount} busybox sleep 86400")


def stop_app(node: Node) -> None:
    """Stop it, as one does before a move."""
    node.run(f"docker stop --time {STOP_SECONDS} {APP}")


def remove_app(node: Node) -> None:
    """Remove it, running or not, if it is there."""
    node.run(f"docker rm --force {APP} 2>/dev/null || true")


def _read(node: Node, mount: str) -> str:
    deadline = time.monotonic() + MOVE_SECONDS
    while True:
        done = node.type(f"docker run --rm {mount} busybox cat /data/{PROOF}")
        if done.exit_status == 0:
            return done.output.strip()
        if ASK_AGAIN not in done.output or time.monotonic() > deadline:
            raise RuntimeError(f"the app does not start on {node.name}: {done.output}")


def _cpu_seconds(*nodes: Node) -> float:
    return sum(float(on_node(node, "used")["cpu_seconds"]) for node in nodes)
