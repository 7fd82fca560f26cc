"""Intervals in which nodes could write, for the models of the protocol."""

from __future__ import annotations

from tests.unit.flocker.writers import Interval, Writers


class Clock:
    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


def test_one_node_after_the_other_never_meets_it() -> None:
    clock = Clock()
    writers = Writers(clock)
    for node in ("node1", "node2", "node1"):
        writers.begin(node)
        clock.seconds += 5
        writers.end(node)

    assert writers.meetings() == []


def test_nodes_that_write_at_the_same_time_meet_also_when_both_have_ended() -> None:
    clock = Clock()
    writers = Writers(clock)
    writers.begin("node1")
    clock.seconds = 5
    writers.begin("node2")
    clock.seconds = 6
    writers.end("node1")
    writers.end("node2")

    assert writers.meetings() == [(Interval("node1", 0, 6), Interval("node2", 5, 6))]


def test_a_node_that_goes_on_meets_who_began_meanwhile() -> None:
    clock = Clock()
    writers = Writers(clock)
    writers.begin("node1")
    writers.end("node1")
    clock.seconds = 5
    writers.begin("node2")
    writers.begin("node1")

    assert writers.meetings() == [(Interval("node2", 5), Interval("node1", 5))]


def test_what_is_told_twice_counts_once() -> None:
    clock = Clock()
    writers = Writers(clock)
    writers.begin("node1")
    clock.seconds = 5
    writers.begin("node1")
    writers.end("node1")
    writers.end("node1")
    writers.begin("node2")

    assert writers.meetings() == []
