"""Where the copies of a volume are and how far they follow, as the `flocker` command says."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from acceptance.base import evidence
from acceptance.base.waiting import eventually, eventually_true
from acceptance.cluster.cluster import Cluster
from acceptance.nodes.node import Node

COPIED_SECONDS = 30
MOVING_SECONDS = 20
SAMPLES = 5


def holders(cluster: Cluster, volume: str) -> set[str]:
    """The nodes besides the owner that hold a copy."""
    status = cluster.well_nodes[0].flocker("status")
    return {copy["node"] for copy in _find(status, volume)["copies"]}


def wait_for_all(cluster: Cluster, volume: str) -> None:
    """Wait until every other node holds what is in the volume now.

    A snapshot is taken for it: of anything else nobody could say whether it holds the last write.

    Raises:
        NeverCame: some node does not.
    """
    node = cluster.well_nodes[0]
    [taken] = node.flocker(f"snapshot {volume}")["snapshots"]
    expected = {known.name for known in cluster.nodes}

    def holding() -> set[str]:
        listed = node.flocker(f"snapshots {volume}")["snapshots"]
        return set(next(each["nodes"] for each in listed if each["number"] == taken["number"]))

    eventually(holding, is_=expected, within=COPIED_SECONDS)


def seconds_behind(cluster: Cluster, volume: str) -> list[float]:
    """The age of the oldest copy, several times in a row.

    The volume must be written to all the time: then a copy lacks what came after its snapshot.
    """
    behind = [_behind(cluster, volume) for _ in range(SAMPLES)]
    evidence.measured(f"seconds behind: {', '.join(f'{seconds:.1f}' for seconds in behind)}")
    return behind


def begin_move(node: Node, volume: str) -> None:
    """Have a node fetch a volume, and return while it copies.

    Raises:
        NeverCame: no copy was seen under way; the last reading is the move then.
    """
    node.run(f"setsid --fork sudo flocker move {volume} </dev/null >/dev/null 2>&1")
    move = eventually_true(
        lambda: _find(node.flocker("status"), volume)["move"],
        lambda move: move is not None and move["bytes_done"] > 0,
        what=f"{node.name} to copy '{volume}'",
        within=MOVING_SECONDS,
    )
    evidence.measured(f"{move['bytes_done']} of {move['bytes_total']} bytes copied")


def taken_over_at(cluster: Cluster, volume: str) -> datetime:
    """When another node last continued the volume without its owner."""
    events = cluster.well_nodes[0].flocker(f"history {volume}")["events"]
    times = [event["at"] for event in events if event["what"] == "promoted"]
    assert times, f"nobody took '{volume}' over: {events}"
    return datetime.fromisoformat(times[-1])


def _find(status: dict[str, Any], volume: str) -> dict[str, Any]:
    [found] = [known for known in status["volumes"] if known["name"] == volume]
    return dict(found)


def _behind(cluster: Cluster, volume: str) -> float:
    # The node's own clock, read after the answer: the age is never understated.
    printed = cluster.well_nodes[0].run("sudo flocker status --json; date +%s.%N")
    status, _, now = printed.strip().rpartition("\n")
    found = _find(json.loads(status), volume)["copies"]
    taken = [datetime.fromisoformat(copy["taken_at"]).timestamp() for copy in found]
    assert len(taken) == len(cluster.nodes) - 1, f"copies: {found}"
    return float(now) - min(taken)
