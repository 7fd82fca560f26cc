"""Clients choose by their seed alone, and all they ask is in the record with its answer."""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest

from judge.chance import seeded
from judge.clients.client import SIZES, WEIGHTS, Client, Shared
from judge.clients.cluster import Content, Refused, Request, Unanswered
from judge.clients.gates import Gates
from judge.history import Action, Answered, AnyEvent, Asked, Outcome, Read, Sample, Segment
from judge.recorder import Recorder

NAMES = ("node1", "node2", "node3")
SEEN = (Segment(run="r", first=1, last=3),)


class Nodes:
    """Stand-ins that take notes, and answer what they are told to."""

    nodes = NAMES

    def __init__(self, answers: dict[Action, Exception] | None = None) -> None:
        self.done: list[Request] = []
        self.answers = answers or {}

    def do(self, request: Request) -> str:
        self.done.append(request)
        if request.action in self.answers:
            raise self.answers[request.action]
        return f"{request.volume}@{len(self.done)}" if request.action is Action.SNAPSHOT else ""

    def read(self, node: str, volume: str) -> Content:
        self.do(Request(action=Action.READ, node=node, volume=volume))
        return Content(seen=SEEN)

    def sample(self, _: str) -> list[Sample]:
        return []


def run(
    nodes: Nodes, steps: int, *, seed: int = 1, weights: dict[Action, float] = WEIGHTS
) -> list[AnyEvent]:
    clock = count()
    recorder = Recorder(lambda: float(next(clock)))
    shared = Shared(nodes, recorder, ("first", "second"), lambda _: None, weights)
    client = Client("one", seeded(seed), shared)
    for _ in range(steps):
        client.step()
    return recorder.history()


def test_every_action_comes_on_every_node_with_every_volume_as_often_as_it_weighs() -> None:
    nodes = Nodes()
    run(nodes, 5000)
    done = Counter(request.action for request in nodes.done)
    assert done[Action.START] > 4 * done[Action.PROMOTE] > 4 * done[Action.CANCEL_MOVE] > 0
    assert {*WEIGHTS} - {Action.MOVE} <= done.keys()
    assert {(each.node, each.volume) for each in nodes.done} == {
        (node, volume) for node in NAMES for volume in ("first", "second")
    }


def test_the_same_seed_asks_the_same() -> None:
    first, second, other = (run(Nodes(), 100, seed=seed) for seed in (7, 7, 8))
    assert first == second != other


def test_a_move_stops_the_container_elsewhere_even_if_a_node_refuses() -> None:
    nodes = Nodes({Action.STOP: Refused("no")})
    run(nodes, 1, weights={Action.MOVE: 1})
    *stops, start = nodes.done
    assert [each.action for each in stops] == [Action.STOP, Action.STOP]
    assert start.action is Action.START
    assert {each.node for each in nodes.done} == set(NAMES)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(Refused("no"), Outcome.REFUSED), (Unanswered("who knows"), Outcome.UNKNOWN)],
)
def test_a_refusal_is_told_from_silence(error: Exception, outcome: Outcome) -> None:
    asked, answered = run(Nodes({Action.STOP: error}), 1, weights={Action.STOP: 1})
    assert isinstance(asked, Asked)
    assert isinstance(answered, Answered)
    assert (answered.call, answered.outcome, answered.message) == (asked.call, outcome, str(error))


def test_a_read_says_since_when_it_looked() -> None:
    [asked, read, answered] = run(Nodes(), 1, weights={Action.READ: 1})
    assert isinstance(read, Read)
    assert asked.at <= read.began < read.at <= answered.at
    assert read.seen == SEEN


def test_only_snapshots_that_were_taken_are_restored() -> None:
    weights: dict[Action, float] = {Action.SNAPSHOT: 1, Action.RESTORE: 1, Action.PRUNE: 1}
    events = run(Nodes(), 200, weights=weights)
    taken = {each.reference for each in events if isinstance(each, Answered)}
    used = [each for each in events if isinstance(each, Asked) and each.detail]
    assert {each.action for each in used} == {Action.RESTORE, Action.PRUNE}
    for each in used:
        assert each.detail in taken
        assert each.detail.startswith(f"{each.volume}@")


def test_a_removed_volume_is_asked_for_until_it_is_back() -> None:
    nodes = Nodes()
    run(nodes, 1, weights={Action.REMOVE: 1})
    *stops, remove, undelete = (each.action for each in nodes.done)
    assert (stops, remove, undelete) == ([Action.STOP] * 3, Action.REMOVE, Action.UNDELETE)
    nodes = Nodes({Action.UNDELETE: Refused("not yet")})
    run(nodes, 1, weights={Action.REMOVE: 1})
    assert Counter(each.action for each in nodes.done)[Action.UNDELETE] > 10


def test_volumes_are_resized_and_cloned_only_where_the_driver_can() -> None:
    weights: dict[Action, float] = {Action.SNAPSHOT: 1, Action.CLONE: 1, Action.RESIZE: 1}
    nodes = Nodes()
    run(nodes, 100, weights=weights)
    done = Counter(request.action for request in nodes.done)
    assert min(done[Action.CLONE], done[Action.RESIZE]) > 10
    assert {each.detail for each in nodes.done if each.action is Action.RESIZE} == {*SIZES}
    nodes = Nodes()
    run(nodes, 1000)
    done = Counter(request.action for request in nodes.done)
    assert done[Action.CLONE] == done[Action.RESIZE] == done[Action.CREATE] == 0


def test_nobody_passes_the_gate_of_a_volume_that_is_removed() -> None:
    gates = Gates()
    with gates.removing("a") as is_free:
        assert is_free
        with gates.using("a") as is_there, gates.using("b") as is_other_there:
            assert (is_there, is_other_there) == (False, True)
        with gates.removing("a") as is_free_twice:
            assert not is_free_twice
    with gates.using("a") as is_there:
        assert is_there
        with gates.removing("a") as is_free:
            assert not is_free
    with gates.removing("a") as is_free:
        assert is_free
