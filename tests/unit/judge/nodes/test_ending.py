"""Everything that is wrong after a run gets into its history, and all of the run is removed.

The nodes are stand-ins that answer as real ones do when all is well.
"""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.base import speed
from acceptance.base.command import Typed
from acceptance.nodes.engine import Thing
from acceptance.operator import Operator
from judge.checker import judge
from judge.history import Begin, End, FaultsOver, Volume
from judge.nodes import clock as nodes_clock
from judge.nodes import writer
from judge.nodes.cluster import Nodes
from judge.nodes.ending import RESCUED, Ending
from judge.nodes.promotions import History, note_promotions
from judge.recorder import Recorder
from judge.verdict import Judgement, Verdict

MINUTE, HOUR = 60.0, 3600.0
NAMES = ("node1", "node2", "node3")
ASIDE = "first@node1-20261127T220000Z"
READ = re.compile(r"docker run .*-v (\S+):/data")
CLONE = re.compile(r"flocker clone (\S+) (\S+)")
REMOVE = re.compile(r"docker volume rm (\S+)")
PURGE = re.compile(r"flocker purge (\S+)")
WHY = "node1 is away: its lease ran out; what it wrote after {} may be lost"


def line(number: int) -> str:
    return writer.line("r1", number, "10.00")


def wall(seconds_from_now: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds_from_now)).isoformat()


class Clock(nodes_clock.Clock):
    """The clock of a run that began an hour ago."""

    def now(self) -> float:
        return super().now() + HOUR

    def of_uptime(self, uptime: float) -> float:
        return super().of_uptime(uptime) + HOUR

    def of_wall(self, moment: str) -> float:
        return super().of_wall(moment) + HOUR


class Cluster:
    """Three nodes, of which the first has a container that wrote two lines.

    Attributes:
        volumes: the lines in each.
        asides: the lines in each copy that was put aside.
        told: the lines that the container was told are on disk, a minute ago.
        fails: exit status 1 and a reason, for commands on a node that hold a text.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.nodes = [self._node(name) for name in NAMES]
        self.volumes = {"first": [line(1), line(2)]}
        self.asides: dict[str, list[str]] = {}
        self.put_aside_at = wall(0)
        self.told = 2
        self.owner_says = dict.fromkeys(NAMES, "node1")
        self.trash: set[str] = set()
        self.events: list[dict[str, str]] = []
        self.journal = ""
        self.problems: list[str] = []
        self.fails: dict[tuple[str, str], str] = {}
        self.has_container = True

    def node(self, name: str) -> Any:
        return next(node for node in self.nodes if node.name == name)

    def _node(self, name: str) -> Any:
        return SimpleNamespace(
            name=name,
            flocker=lambda command: json.loads(self._flocker(name, command)),
            type=lambda command: self._type(name, command),
            run=lambda command: self.journal if "-u flocker " in command else "",
            things=frozenset,
        )

    def _type(self, node: str, command: str) -> Typed:
        for (where, text), reason in self.fails.items():
            if where == node and text in command:
                return Typed("vagrant", node, command, reason, 1, 0.1)
        return Typed("vagrant", node, command, self._do(node, command), 0, 0.1)

    def _do(self, node: str, command: str) -> str:
        if "State.Status" in command:
            return "exited" if node == "node1" and self.has_container else "none"
        if "docker logs" in command:
            at = f"{self.clock.now() - self.clock.of_uptime(0) - MINUTE:.6f}"
            lines = [f"W {number} {at} {at}" for number in range(1, self.told + 1)]
            return "\n".join([f"B {at}", f"E {at}", *lines])
        if "FinishedAt" in command:
            return "2026-01-01T00:00:00Z"
        if "docker rm" in command:
            self.has_container = False
        if read := READ.search(command):
            return "\n".join(self.volumes[read[1]])
        if clone := CLONE.search(command):
            self.volumes[clone[2]] = self.asides[clone[1]]
        elif remove := REMOVE.search(command):
            self.volumes.pop(remove[1], None)
            self.trash.add(remove[1])
        elif purge := PURGE.search(command):
            self.trash.discard(purge[1])
            self.asides.pop(purge[1], None)
        elif "--json" in command:
            return self._flocker(node, command.removeprefix("sudo flocker ").split(" ")[0])
        return ""

    def _flocker(self, node: str, command: str) -> str:
        asides = [
            {"reference": each, "node": "node1", "volume": "first", "at": self.put_aside_at}
            for each in self.asides
        ]
        volume = {
            "name": "first", "id": "b4c5", "owner": self.owner_says[node], "epoch": 7,
            "replicas": 0, "mounted_on": None, "move": None, "problem": None, "stuck": {},
            "copies": [],
        }  # fmt: skip
        answers: dict[str, Any] = {
            "conflicts": {"asides": asides, "silent": []},
            "snapshots": {"snapshots": []},
            "history": {"events": self.events},
            "trash": {"removed": [{"name": name} for name in self.trash], "asides": asides},
            "status": {
                "is_connected": True, "pool_problem": None, "problems": self.problems, "nodes": [],
                "volumes": [volume],
            },
        }  # fmt: skip
        return json.dumps(answers[command])


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Cluster:
    healthy = Typed(None, "your machine", "curl", "{}", 0, 0.1)
    monkeypatch.setattr(Operator, "ask_driver", lambda *_, **__: healthy)
    monkeypatch.setattr(speed.NODES, "factor", 0.001)  # nothing that is missing will come
    return Cluster(clock)


def ended(cluster: Cluster) -> Judgement:
    """The verdict on a run of which only the end was seen."""
    clock, volumes = cluster.clock, (Volume(name="first"),)
    recorder = Recorder(clock.now)
    begin = Begin(at=0, seed=1, driver="flocker", machine="paper", nodes=NAMES, volumes=volumes)
    recorder.note(begin)
    nodes = Nodes([cluster], recorder, clock)  # type: ignore[list-item]
    nodes.remember("node1", "first", "r1")
    ending = Ending(cluster, nodes, recorder, volumes, 0)  # type: ignore[arg-type]
    recorder.note(FaultsOver(at=clock.now()))
    ending.look()
    note_promotions(nodes, History(), recorder)
    ending.clear()
    recorder.note(End(at=clock.now()))
    return judge(recorder.history())


def test_all_may_be_well_and_nothing_is_left(cluster: Cluster) -> None:
    judgement = ended(cluster)
    assert [str(each) for each in judgement.findings] == []
    assert judgement.lines == 2
    assert cluster.volumes == {}
    assert cluster.trash == set()


def test_a_line_that_is_lost_is_told(cluster: Cluster) -> None:
    cluster.told = 3
    judgement = ended(cluster)
    assert judgement.verdict is Verdict.VIOLATION
    assert (judgement.findings[0].run, judgement.findings[0].sequence) == ("r1", 3)


def promotion() -> dict[str, str]:
    """Half a minute ago, from a copy of an hour ago."""
    at, ago = wall(-30), wall(-HOUR)
    return {
        "volume": "first",
        "at": at,
        "node": "node1",
        "what": "promoted",
        "why": WHY.format(ago),
    }


def test_lines_are_looked_for_in_what_was_put_aside_and_that_is_removed_too(
    cluster: Cluster,
) -> None:
    cluster.volumes["first"] = []
    cluster.asides = {ASIDE: [line(1), line(2)]}
    cluster.events = [promotion()]
    judgement = ended(cluster)
    assert [str(each) for each in judgement.findings] == []
    assert judgement.promotions == 1
    assert cluster.asides == {}
    assert RESCUED not in cluster.trash


def test_copies_of_an_earlier_run_do_not_count(cluster: Cluster) -> None:
    cluster.asides = {ASIDE: [line(1)]}
    cluster.put_aside_at = wall(-2 * HOUR)
    assert [str(each) for each in ended(cluster).findings] == []


def test_what_cannot_be_had_back_is_told(cluster: Cluster) -> None:
    cluster.asides = {ASIDE: [line(1)]}
    cluster.events = [promotion()]
    cluster.fails = {("node1", "flocker clone"): "it is damaged"}
    [finding, *_] = ended(cluster).findings
    assert f"{ASIDE} can be read: it is damaged" in finding.reason


def test_a_volume_that_a_node_cannot_have_is_told(cluster: Cluster) -> None:
    cluster.fails = {("node2", "docker run"): "it is on its way to node3"}
    judgement = ended(cluster)
    assert judgement.verdict is Verdict.UNKNOWN  # a minute is not over
    [finding] = judgement.findings
    assert (finding.volume, finding.node) == ("first", "node2")


def test_nodes_that_disagree_about_an_owner_are_told(cluster: Cluster) -> None:
    cluster.owner_says["node2"] = "node3"
    judgement = ended(cluster)
    assert {each.oracle for each in judgement.findings} == {"the end", "truth"}
    assert "node2" in str(judgement.findings[0])


def test_a_node_that_is_not_well_is_told(cluster: Cluster) -> None:
    cluster.problems = ["the fence does not look"]
    found = [each for each in ended(cluster).findings if "the fence does not look" in each.reason]
    assert [each.node for each in found] == list(NAMES)


def test_a_defect_in_a_journal_is_told(cluster: Cluster) -> None:
    cluster.journal = "Traceback (most recent call last):\n  File\nKeyError: 1\n"
    judgement = ended(cluster)
    assert judgement.verdict is Verdict.DEFECT
    assert [each.node for each in judgement.findings] == list(NAMES)
    assert judgement.findings[0].reason.startswith("flocker: ")


def test_a_container_that_is_left_is_told(cluster: Cluster) -> None:
    left = Thing("container", "soak-first", "0a1b")
    cluster.nodes[2].things = lambda: frozenset([left])
    [finding] = ended(cluster).findings
    assert (finding.oracle, finding.node) == ("leaks", "node3")
    assert "soak-first" in finding.reason
