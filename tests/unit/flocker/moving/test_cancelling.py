"""A move fetches most of a volume before it locks it, and anybody can end it."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import FlockerError, InUse, MoveCancelled, Refused, StillCopying
from flocker.base.records import Event
from flocker.moving import handoff, transfer
from tests.unit.flocker.cluster import Machine, MemoryCluster


@pytest.fixture
def films(cluster: MemoryCluster) -> MemoryCluster:
    """A volume on node1 that no other node has anything of."""
    cluster["node1"].driver.create("films", {"replicas": "0"})
    cluster["node1"].write("films", "a film")
    return cluster


def with_replicas(cluster: MemoryCluster) -> None:
    """Have films be a volume that other nodes may copy."""
    volume = cluster.volume("films")
    event = Event(volume.id, "films", volume.created_at, "node1", "changed")
    cluster.ownership.change(volume, replace(volume, replicas=2), event)


@pytest.fixture(autouse=True)
def _told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handoff, "REPORT_SECONDS", 0)


def while_it_is_fetched(machine: Machine, monkeypatch: pytest.MonkeyPatch, happens: Any) -> None:
    """Have something happen in the middle of the first stream to a machine."""
    stream = machine.peers.stream

    def watched(*arguments: Any) -> Iterator[bytes]:
        monkeypatch.setattr(machine.peers, "stream", stream)
        first, *others = stream(*arguments)
        yield first
        happens()
        yield from others

    monkeypatch.setattr(machine.peers, "stream", watched)


def test_the_owner_may_use_the_volume_while_most_of_it_is_fetched(
    films: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_it_is_fetched(
        films["node2"], monkeypatch, lambda: films["node1"].write("films", "a longer film")
    )
    films["node2"].operations.moves.move("films", None)
    assert films.volume("films").owner == "node2"
    assert films["node2"].read("films") == "a longer film"


def test_a_volume_that_is_in_use_by_then_stays(
    films: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    while_it_is_fetched(films["node2"], monkeypatch, lambda: films["node1"].run("films"))
    with pytest.raises(InUse):
        films["node2"].operations.moves.move("films", None)
    assert films.volume("films").owner == "node1"
    assert films.state.moves == {}


def test_a_move_can_be_ended_at_any_node(
    films: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[dict[str, Any]] = []
    while_it_is_fetched(
        films["node2"],
        monkeypatch,
        lambda: answers.append(films["node3"].operations.moves.cancel("films")),
    )
    with pytest.raises(MoveCancelled, match="the move of volume 'films' to node2 was cancelled"):
        films["node2"].operations.moves.move("films", None)
    assert [answer["target"] for answer in answers] == ["node2"]
    assert films.volume("films").owner == "node1"
    history = films.ownership.history(films.volume("films").id)
    assert history[-1].what == "move cancelled"
    assert films["node3"].read("films") == "a film", "it can be moved elsewhere"


def test_who_is_refused_because_of_a_move_is_told_how_to_end_it(films: MemoryCluster) -> None:
    films.ownership.begin_move(films.volume("films"), "node2")
    with pytest.raises(FlockerError, match="`flocker move --cancel films` ends the move"):
        films["node3"].driver.mount("films", "reader")
    films["node3"].operations.moves.cancel("films")
    assert films["node3"].read("films") == "a film"


def test_there_must_be_a_move_to_end(films: MemoryCluster) -> None:
    with pytest.raises(Refused, match="'films' is not on its way anywhere; it is on node1"):
        films["node2"].operations.moves.cancel("films")


def test_a_move_that_was_faster_is_not_ended(films: MemoryCluster) -> None:
    node2, node3 = films["node2"], films["node3"]
    films.ownership.begin_move(films.volume("films"), "node2")
    node3.etcd.before["abandon_move"] = lambda: node2.operations.moves.move("films", None)
    with pytest.raises(Refused, match="has arrived on node2 already"):
        node3.operations.moves.cancel("films")
    assert films.volume("films").owner == "node2"


@contextmanager
def a_replica_being_fetched(cluster: MemoryCluster) -> Iterator[None]:
    """Within, node2 fetches a replica of films, and nothing of it comes."""
    with_replicas(cluster)
    node2, begun, over = cluster["node2"], threading.Event(), threading.Event()
    volume, stream = cluster.volume("films"), node2.peers.stream
    snapshot = cluster["node1"].departures.prepare("films")

    def silent(*arguments: Any) -> Iterator[bytes]:
        begun.set()
        assert over.wait(20)
        yield from stream(*arguments)

    node2.peers.stream = silent
    with ThreadPoolExecutor(1) as replica:
        coming = replica.submit(node2.transfers.fetch, volume.id, "node1", [snapshot])
        assert begun.wait(10)
        try:
            yield
        finally:
            over.set()
            coming.result(10)


def test_a_move_that_waits_for_a_replica_says_so_and_can_be_ended(
    films: MemoryCluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transfer, "WAIT_SECONDS", 0.01)
    with a_replica_being_fetched(films), ThreadPoolExecutor(1) as threads:
        moving = threads.submit(films["node2"].operations.moves.move, "films", None)

        def waits_for() -> list[str]:
            return [move.waits_for for move in films.state.moves.values()]

        eventually(waits_for, is_=["node1"], within=10)
        with pytest.raises(StillCopying, match=r"as soon as the copy from node1 .* has come"):
            films["node2"].arrivals.bring(films.volume("films"), "asked for", within=0)
        films["node3"].operations.moves.cancel("films")
        with pytest.raises(MoveCancelled):
            moving.result(10)
    assert films.volume("films").owner == "node1"
    assert films["node2"].read("films") == "a film"
