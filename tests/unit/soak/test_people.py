"""People choose among all work, and what becomes of it is counted; the nodes are stand-ins."""

from __future__ import annotations

from collections import Counter

from acceptance.base.waiting import eventually
from flocker.base.errors import Refused
from judge.chance import seeded
from tests.soak.people import People, Work, everyday

NAMES = ["node1", "node2", "node3"]


class Nodes:
    """Stand-ins that take notes."""

    def __init__(self) -> None:
        self.names = NAMES
        self.done: list[tuple[str, str, str]] = []
        self.refuses: set[str] = set()

    def run_container(self, node: str, volume: str) -> None:
        self.done.append(("run", node, volume))

    def end_container(self, node: str, volume: str) -> None:
        self.done.append(("end", node, volume))
        if node in self.refuses:
            raise Refused("no")

    def promote(self, node: str, volume: str, *, here: bool) -> None:
        """Nothing is asked of it."""

    def cancel_move(self, node: str, volume: str) -> None:
        """Nothing is asked of it."""

    def snapshot(self, node: str, volume: str) -> None:
        """Nothing is asked of it."""


def people(works: list[Work], count: int = 1) -> People:
    return People(NAMES, ["first", "second"], works, seed=1, count=count, pause_seconds=0.001)


def test_all_work_comes_on_every_node_with_every_volume_as_often_as_it_weighs() -> None:
    some, random = people(everyday(Nodes())), seeded("chosen")
    chosen = [some.choose(random) for _ in range(5000)]
    works = Counter(work.name for work, _, _ in chosen)
    assert works.keys() == {"move", "start", "stop", "promote", "choose", "cancel", "snapshot"}
    assert works["move"] > 4 * works["promote"] > 4 * works["cancel"]
    assert {(node, volume) for _, node, volume in chosen} == {
        (node, volume) for node in NAMES for volume in ("first", "second")
    }


def test_the_same_seed_chooses_the_same() -> None:
    some = people(everyday(Nodes()))
    first, second = ([some.choose(seeded(7)) for _ in range(20)] for _ in range(2))
    assert first == second


def test_a_move_stops_the_container_elsewhere_even_if_one_node_does_not_answer() -> None:
    nodes = Nodes()
    nodes.refuses = {"node1"}
    [move] = [work for work in everyday(nodes) if work.name == "move"]
    move.do("node2", "first")
    assert nodes.done == [
        ("end", "node1", "first"),
        ("end", "node3", "first"),
        ("run", "node2", "first"),
    ]


def test_what_was_done_and_refused_is_counted() -> None:
    def refuse(node: str, volume: str) -> None:
        raise Refused(f"{volume} on {node}")

    some = people([Work("easy", 1, lambda *_: None), Work("hard", 1, refuse)], count=2)
    some.start()
    eventually(some.done.keys, is_={"easy done", "hard refused"}, within=10)
    assert some.stop(10) == []


def test_a_defect_is_told_of() -> None:
    def break_down(node: str, volume: str) -> None:
        raise ZeroDivisionError(f"{volume} on {node}")

    some = people([Work("broken", 1, break_down)])
    some.start()
    eventually(lambda: bool(some.defects), is_=True, within=10)
    assert "ZeroDivisionError" in some.stop(10)[0]
