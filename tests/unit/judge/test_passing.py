"""Volumes that come and go: a name comes again only when the volume of that name is gone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from judge.chance import seeded
from judge.clients.cluster import Content, Refused, Request, Unanswered
from judge.clients.passing import PassingVolumes
from judge.history import Action, Sample
from judge.recorder import Recorder

SOURCE = "a@1"


class Nodes:
    """A cluster without replicas or faults, unless a test has requests fail."""

    nodes = ("node1", "node2", "node3")

    def __init__(self) -> None:
        self.done: list[Request] = []
        self.there: set[str] = set()
        self.removed: Counter[str] = Counter()
        self.fails: dict[Action, Exception] = {}

    def do(self, request: Request) -> str:
        self.done.append(request)
        if error := self.fails.get(request.action):
            raise error
        volume = request.volume
        match request.action:
            case Action.CREATE | Action.CLONE:
                assert volume not in self.there, "the name is taken"
                self.there.add(volume)
            case Action.REMOVE:
                self.removed[volume] += volume in self.there
                self.there.discard(volume)
            case Action.UNDELETE:
                assert self.removed[volume] == 1, "nobody knows which one comes back"
                self.removed[volume] = 0
                self.there.add(volume)
            case Action.PURGE:
                self.removed[volume] = 0
        return ""

    def read(self, node: str, volume: str) -> Content:
        self.do(Request(action=Action.READ, node=node, volume=volume))
        return Content()

    def sample(self, _: str) -> list[Sample]:
        return []


def live(nodes: Nodes, sources: Sequence[str | None], seed: int = 1) -> None:
    recorder = Recorder(lambda: 0.0)
    passing = PassingVolumes("client1", nodes, recorder, seeded(seed), lambda _: None)
    for source in sources:
        passing.live(source)


def actions(nodes: Nodes) -> Counter[Action]:
    return Counter(each.action for each in nodes.done)


def test_a_volume_is_made_read_written_to_stopped_and_removed() -> None:
    nodes = Nodes()
    live(nodes, [SOURCE])
    first, second, third, *others = nodes.done
    assert (first.action, first.detail) == (Action.CLONE, SOURCE)
    assert (second.action, third.action) == (Action.READ, Action.START)
    assert [each.action for each in others[:4]] == [Action.STOP] * 3 + [Action.REMOVE]
    assert {each.node for each in others[:3]} == set(nodes.nodes)


def test_a_name_comes_again_and_again_and_each_removal_is_undone_or_final_in_some_cases() -> None:
    nodes = Nodes()
    live(nodes, [None, SOURCE] * 50)
    assert {each.volume for each in nodes.done} == {"client1-1"}
    assert nodes.there == set()
    done = actions(nodes)
    assert done[Action.CREATE] == done[Action.CLONE] == 50
    assert 10 < done[Action.UNDELETE] < done[Action.PURGE] < 100


def test_a_name_does_not_come_again_while_the_volume_may_be_there() -> None:
    for action in (Action.CREATE, Action.REMOVE):
        nodes = Nodes()
        nodes.fails = {action: Unanswered("who knows")}
        live(nodes, [None] * 3)
        made = [each.volume for each in nodes.done if each.action is Action.CREATE]
        assert made == ["client1-1", "client1-2", "client1-3"]


def test_what_could_not_be_removed_is_removed_later() -> None:
    nodes = Nodes()
    nodes.fails = {Action.REMOVE: Refused("it is in use")}
    recorder = Recorder(lambda: 0.0)
    passing = PassingVolumes("client1", nodes, recorder, seeded(1), lambda _: None)
    passing.live(None)
    passing.live(None)
    assert nodes.there == {"client1-1", "client1-2"}
    nodes.fails = {}
    passing.live(None)
    assert nodes.there == set()


def test_a_volume_that_was_not_made_is_not_used() -> None:
    nodes = Nodes()
    nodes.fails = {Action.CREATE: Refused("no room")}
    live(nodes, [None])
    assert actions(nodes)[Action.START] == 0
