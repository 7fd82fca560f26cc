"""Docker's volume plugin protocol, spoken to the driver of one node as its engine speaks it."""

from __future__ import annotations

from statistics import median

from acceptance.base import evidence
from acceptance.base.speed import Limit
from acceptance.cluster.cluster import Cluster
from acceptance.nodes.node import DRIVER, Node

SOCKET = f"/run/docker/plugins/{DRIVER}.sock"
ANSWER_SECONDS = 60
ANSWERED = "200"


def list_seconds(cluster: Cluster, node: Node, times: int = 9) -> float:
    """Time a list of all volumes, in seconds: the median of some tries."""
    return median(_time_list(cluster, node) for _ in range(times))


def _time_list(cluster: Cluster, node: Node) -> float:
    most_seconds = Limit(ANSWER_SECONDS).seconds
    typed = cluster.type(
        node.name,
        f"sudo curl --silent --show-error --unix-socket {SOCKET} --max-time {most_seconds:.0f} "
        "--data-binary '{}' --output /dev/null --write-out '%{http_code} %{time_total}' "
        "http://driver/VolumeDriver.List",
    )
    evidence.typed(typed)
    assert typed.exit_status == 0, typed.output
    status, seconds = typed.output.split()
    assert status == ANSWERED, typed.output
    return float(seconds)
