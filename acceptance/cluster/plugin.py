"""Docker's volume plugin protocol, spoken to the driver of one node as its engine speaks it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass
from statistics import median
from typing import Any

from acceptance.base import evidence
from acceptance.base.speed import Limit
from acceptance.cluster.cluster import Cluster
from acceptance.nodes.node import DRIVER, Node

SOCKET = f"/run/docker/plugins/{DRIVER}.sock"
ANSWER_SECONDS = 60
LIST, CREATE, MOUNT, UNMOUNT = (
    f"VolumeDriver.{name}" for name in ("List", "Create", "Mount", "Unmount")
)


@dataclass(frozen=True)
class Answer:
    """An answer of the driver: HTTP status, the text as it came, seconds until it was whole."""

    status: int
    text: str
    seconds: float

    def json(self) -> dict[str, Any]:
        """The answer's fields.

        Raises:
            ValueError: it is not a JSON object.
        """
        fields = json.loads(self.text)
        if not isinstance(fields, dict):
            raise ValueError(f"expected an object, got {self.text!r}")
        return fields

    @property
    def error(self) -> str:
        """The error that the engine would show; empty if there is none."""
        return str(self.json().get("Err", ""))


def post(cluster: Cluster, node: Node, call: str, body: str) -> Answer:
    """Have the driver of a node answer one call, e.g. MOUNT.

    Args:
        body: sent as it is, whether it is JSON or not.
    """
    most_seconds = Limit(ANSWER_SECONDS).seconds
    typed = cluster.type(
        node.name,
        f"sudo curl --silent --show-error --unix-socket {SOCKET} --max-time {most_seconds:.0f} "
        f"--data-binary {shlex.quote(body)} --write-out '\\n%{{http_code}} %{{time_total}}' "
        f"http://driver/{call}",
    )
    evidence.typed(typed)
    assert typed.exit_status == 0, typed.output
    text, _, figures = typed.output.strip().rpartition("\n")
    status, seconds = figures.split()
    return Answer(int(status), text, float(seconds))


def list_seconds(cluster: Cluster, node: Node, times: int = 9) -> float:
    """The time in which the driver lists its volumes: the median of some tries."""
    return median(post(cluster, node, LIST, "{}").seconds for _ in range(times))
