"""What is wrong after a run is told, and all of the run is removed; the nodes are stand-ins."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.base import speed
from acceptance.base.command import Typed
from acceptance.nodes.engine import Thing
from acceptance.operator import Operator
from tests.soak.on_nodes.accounts import Accounts
from tests.soak.on_nodes.keyboards import Keyboards
from tests.soak.on_nodes.settling import RESCUED, Settling
from tests.soak.outcome import Outcome

NAMES = ["node1", "node2", "node3"]
RUN = "node1.0a1b2c3d"
ASIDE = "first@node1-20261127T220000Z"
READ = re.compile(r"docker run .*-v (\S+):/data")
CLONE = re.compile(r"flocker clone (\S+) (\S+)")
REMOVE = re.compile(r"docker volume rm (\S+)")
PURGE = re.compile(r"flocker purge (\S+)")


class Cluster:
    """Nodes that answer as real ones do when all is well.

    Attributes:
        volumes: the lines in each.
        asides: the lines in each copy that was put aside.
        logs: what the container on node1 with each volume was told.
        fails: exit status 1 and a reason, for commands on a node that hold a text.
    """

    def __init__(self) -> None:
        self.nodes = [self._node(name) for name in NAMES]
        self.volumes = {"first": [f"{RUN}.1", f"{RUN}.2"]}
        self.asides: dict[str, list[str]] = {}
        self.logs = {"first": [f"{RUN}.1"]}
        self.owners = {"first": "node1"}
        self.trash: set[str] = set()
        self.events: list[dict[str, str]] = []
        self.journal = ""
        self.problems: list[str] = []
        self.fails: dict[tuple[str, str], str] = {}
        self.is_clean = False

    def type(self, node: str, command: str) -> Typed:
        for (where, text), reason in self.fails.items():
            if where == node and text in command:
                return Typed("vagrant", node, command, reason, 1, 0.1)
        output = self._do(node, command)
        return Typed("vagrant", node, command, output, 0, 0.1)

    def clean(self) -> None:
        self.is_clean = True

    def _do(self, node: str, command: str) -> str:
        if read := READ.search(command):
            self.owners[read[1]] = node
            return "\n".join(self.volumes[read[1]])
        if "docker logs" in command:
            return "\n".join(self.logs.get(command.split()[-3], [])) if node == "node1" else ""
        if clone := CLONE.search(command):
            self.volumes[clone[2]] = self.asides[clone[1]]
        elif remove := REMOVE.search(command):
            self.volumes.pop(remove[1], None)
            self.trash.add(remove[1])
        elif purge := PURGE.search(command):
            self.trash.discard(purge[1])
            self.asides.pop(purge[1], None)
        return ""

    def _node(self, name: str) -> Any:
        return SimpleNamespace(
            name=name,
            engine=SimpleNamespace(volume_owners=lambda names: {n: self.owners[n] for n in names}),
            flocker=self._flocker,
            type=lambda command: Typed("vagrant", name, command, "", 0, 0.1),
            run=lambda command: self.journal if "-u flocker " in command else "",
            things=frozenset,
        )

    def _flocker(self, command: str) -> Any:
        asides = [{"reference": each, "node": "node1", "volume": "first"} for each in self.asides]
        volume = {
            "name": "first", "id": "b4c5", "epoch": 7, "replicas": 0, "mounted_on": None,
            "move": None, "problem": None, "stuck": {}, "copies": [],
        }  # fmt: skip
        return {
            "conflicts": {"asides": asides, "silent": []},
            "history first": {"events": self.events},
            "trash": {"removed": [{"name": name} for name in self.trash], "asides": asides},
            "status": {
                "is_connected": True, "pool_problem": None, "problems": self.problems, "nodes": [],
                "volumes": [volume],
            },
        }[command]  # fmt: skip


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    healthy = Typed(None, "your machine", "curl", "{}", 0, 0.1)
    monkeypatch.setattr(Operator, "ask_driver", lambda *_, **__: healthy)
    monkeypatch.setattr(speed.NODES, "factor", 0.001)  # nothing that is missing will come
    return Cluster()


def settled(cluster: Cluster) -> Outcome:
    outcome, accounts = Outcome(1, 900), Accounts()
    keyboards = Keyboards([cluster], accounts)  # type: ignore[list-item]
    run = Settling(cluster, keyboards, ["first"], outcome, "0")  # type: ignore[arg-type]
    run.check(accounts)
    run.clear()
    return outcome


def test_all_may_be_well_and_nothing_is_left(cluster: Cluster) -> None:
    outcome = settled(cluster)
    assert outcome.wrong == []
    assert (outcome.lines, outcome.epochs, outcome.put_aside) == (1, {"first": 7}, 0)
    assert cluster.is_clean
    assert cluster.volumes == {}
    assert cluster.trash == set()


def test_a_line_that_is_lost_is_told(cluster: Cluster) -> None:
    cluster.logs["first"].append(f"{RUN}.3")
    [wrong] = settled(cluster).wrong
    assert "1 acknowledged lines are lost" in wrong


def test_lines_are_looked_for_in_what_was_put_aside_and_that_is_removed_too(
    cluster: Cluster,
) -> None:
    cluster.logs["first"].append(f"{RUN}.3")
    cluster.asides = {ASIDE: [f"{RUN}.{number}" for number in (1, 2, 3)]}
    cluster.events = [{"what": "promoted"}]
    outcome = settled(cluster)
    assert outcome.wrong == []
    assert outcome.put_aside == 1
    assert cluster.asides == {}
    assert RESCUED not in cluster.trash


def test_a_volume_that_a_node_cannot_have_is_stuck(cluster: Cluster) -> None:
    cluster.fails = {("node2", "docker run"): "it is on its way to node3"}
    [wrong] = settled(cluster).wrong
    assert wrong.startswith("first on node2: ")
    assert "it is on its way to node3" in wrong


def test_nodes_that_disagree_about_an_owner_are_told(cluster: Cluster) -> None:
    cluster.nodes[1].engine.volume_owners = lambda _: {"first": "node1"}
    [wrong] = settled(cluster).wrong
    assert wrong.startswith("owners as node2 names them: ")


def test_a_node_that_is_not_well_is_told(cluster: Cluster) -> None:
    cluster.problems = ["the fence does not look"]
    assert [each.split(":")[0] for each in settled(cluster).wrong] == [
        f"{name} is well" for name in NAMES
    ]


def test_a_defect_in_a_journal_is_told(cluster: Cluster) -> None:
    cluster.journal = "Traceback (most recent call last):\n  File\nKeyError: 1\n"
    wrong = settled(cluster).wrong
    assert len(wrong) == len(NAMES)
    assert "node1 flocker: " in wrong[0]


def test_a_container_that_is_left_is_told(cluster: Cluster) -> None:
    left = Thing("container", "soak-first", "0a1b")
    cluster.nodes[2].things = lambda: frozenset([left])
    [wrong] = settled(cluster).wrong
    assert wrong.startswith("things on node3: ")
