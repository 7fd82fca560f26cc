"""Only what scenarios made may be removed; the next run knows it as well."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest

from acceptance.cluster.made import RECORD, Made, NotOurs
from acceptance.nodes.engine import LOCAL, EngineSilent, Thing

WRITER = Thing("container", "writer", "c0ffee")
LEDGER = Thing("volume", "ledger", "2026-11-27T10:00:00Z")
SCRATCH = Thing("volume", "scratch", LOCAL)
NETWORK = Thing("network", "app_default", "4e7")


class Node:
    """A node with things, and with one file that `run` reads, appends to or removes."""

    def __init__(self, name: str = "node1") -> None:
        self.name = name
        self.there: set[Thing] = set()
        self.is_silent = False
        self.record = ""

    def things(self) -> frozenset[Thing]:
        if self.is_silent:
            raise EngineSilent("no engine answers")
        return frozenset(self.there)

    def run(self, command: str) -> str:
        if command.startswith("cat "):
            return self.record
        if command == f"sudo rm -f {RECORD}":
            self.record = ""
            return ""
        _, _, printf = command.partition(" && ")
        printed, _, target = printf.partition(" | ")
        assert target == f"sudo tee --append {RECORD} >/dev/null"
        self.record += "".join(f"{line}\n" for line in shlex.split(printed)[2:])
        return ""


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
def made() -> Made:
    return Made()


def type_on(made: Made, node: Node, does: Callable[[], object]) -> None:
    """Type a command on a node that does something."""
    before = made.inspect(node)
    does()
    made.note(node, before)


def refusal(made: Made, *nodes: Node) -> str:
    with pytest.raises(NotOurs) as refused:
        made.refuse_others({node.name: node.things() for node in nodes})
    return str(refused.value)


def test_what_a_scenario_made_is_the_suites(made: Made, node: Node) -> None:
    type_on(made, node, lambda: node.there.update({WRITER, LEDGER, SCRATCH, NETWORK}))
    made.refuse_others({"node1": node.things()})
    assert made.of("node1", node.things()) == {WRITER, LEDGER, SCRATCH, NETWORK}


def test_what_was_there_before_a_command_is_not(made: Made, node: Node) -> None:
    node.there.add(WRITER)
    type_on(made, node, lambda: node.there.add(LEDGER))
    said = refusal(made, node)
    assert "did not make container 'writer' on node1;" in said
    assert "ledger" not in said
    assert made.of("node1", node.things()) == {LEDGER}


def test_what_a_person_made_between_two_commands_is_not(made: Made, node: Node) -> None:
    type_on(made, node, lambda: None)
    node.there.add(SCRATCH)
    type_on(made, node, lambda: None)
    assert "volume 'scratch' on node1" in refusal(made, node)


def test_another_container_of_that_name_is_another(made: Made, node: Node) -> None:
    type_on(made, node, lambda: node.there.add(WRITER))
    node.there = {Thing("container", "writer", "f00")}
    assert "container 'writer' on node1" in refusal(made, node)


def test_a_volume_that_all_nodes_show_is_named_once(made: Made, node: Node) -> None:
    other = Node("node2")
    node.there, other.there = {LEDGER}, {LEDGER}
    assert "volume 'ledger' on node1, node2;" in refusal(made, node, other)


def test_a_network_of_a_person_stops_nobody_and_stays(made: Made, node: Node) -> None:
    node.there.add(NETWORK)
    made.refuse_others({"node1": node.things()})
    assert made.of("node1", node.things()) == set()


def test_the_next_run_knows_what_an_earlier_one_made(made: Made, node: Node) -> None:
    type_on(made, node, lambda: node.there.update({WRITER, LEDGER}))
    type_on(made, node, lambda: node.there.add(SCRATCH))
    assert len(node.record.splitlines()) == 3
    next_run = Made()
    next_run.read([Node("node2"), node])
    next_run.refuse_others({"node1": node.things()})
    node.there.clear()
    next_run.forget([node])
    assert node.record == ""


def test_what_is_known_already_is_written_down_once(made: Made, node: Node) -> None:
    other = Node("node2")
    type_on(made, node, lambda: node.there.add(LEDGER))
    type_on(made, other, lambda: other.there.add(LEDGER))
    assert (node.record, other.record) == (f"{LEDGER}\n", "")


def test_where_nobody_could_look_all_that_is_found_counts(made: Made, node: Node) -> None:
    """Its engine was killed, or the command was still running when its time was up."""
    node.is_silent = True
    type_on(made, node, lambda: node.there.add(WRITER))
    node.is_silent = False
    made.refuse_others({"node1": node.things()})
    assert made.of("node1", node.things()) == {WRITER}
    made.forget([node])
    assert "writer" in refusal(made, node)
