"""All nodes' logs are read after a failure, and one that cannot be had is said to be missing."""

from __future__ import annotations

import pytest

from acceptance.cluster import logs
from acceptance.nodes.access import NodeAway


class Engine:
    """Has one container, unless the engine is broken."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def container_logs(self) -> dict[str, str]:
        if self.error is not None:
            raise self.error
        return {"writer": "wrote 1"}


class Node:
    """Answers every command with its name; `asked` counts them."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.engine = Engine()
        self.is_away = False
        self.asked = 0

    def run(self, command: str) -> str:
        self.asked += 1
        if self.is_away:
            raise NodeAway(f"{self.name} does not answer")
        return f"{command.split()[1]} of {self.name}"


@pytest.fixture
def nodes() -> list[Node]:
    return [Node("node1"), Node("node2")]


def test_each_node_has_a_journal_its_containers_logs_and_the_records(nodes: list[Node]) -> None:
    read = logs.read(nodes)
    assert read["node2 journal"] == "journalctl of node2"
    assert read["node2 container writer"] == "wrote 1"
    assert "node2 etcd" in read
    assert len(read) == 2 * 3


def test_a_log_that_cannot_be_had_hides_no_other(nodes: list[Node]) -> None:
    nodes[0].engine.error = ValueError("no such container")
    read = logs.read(nodes)
    assert "could not be read: ValueError" in read["node1 containers"]
    assert "node1 etcd" in read
    assert "node2 container writer" in read


def test_a_node_that_is_away_is_waited_for_once(nodes: list[Node]) -> None:
    nodes[0].is_away = True
    read = logs.read(nodes)
    assert nodes[0].asked == 1
    assert read["node1 journal"] == "could not be read: NodeAway('node1 does not answer')"
    assert "node2 journal" in read
