"""Whether anything uses a volume: counts first, the kernel last, names if the engine has them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from flocker.errors import EngineAway, InUse, Refused
from flocker.holders import Holders
from flocker.records import Volume
from flocker.uses import Uses
from tests.unit.flocker.cluster import Containers

DEMO = Volume("demo", "id", "node2", 1, "")


@pytest.fixture
def containers() -> Containers:
    return Containers()


@pytest.fixture
def holders(tmp_path: Path) -> Holders:
    return Holders(tmp_path / "holders.json")


@pytest.fixture
def uses(holders: Holders, containers: Containers) -> Uses:
    return Uses("node1", holders, containers, containers)


@pytest.mark.parametrize(
    ("is_counted", "is_former", "is_mounted", "is_used"),
    [
        (False, False, False, False),
        (True, False, False, True),  # a container that is about to start
        (True, False, True, True),
        (False, False, True, True),  # the counts were lost
        (True, True, False, False),  # the engine died, and its containers with it
        (True, True, True, True),  # the engine died, its containers live on
    ],
)
def test_counts_and_the_kernel_decide_together(
    uses: Uses,
    holders: Holders,
    containers: Containers,
    is_counted: bool,
    is_former: bool,
    is_mounted: bool,
    is_used: bool,
) -> None:
    if is_counted:
        holders.add("id", "container")
    if is_former:
        holders.new_engine()
    if is_mounted:
        containers.mounted.add("id")
    with uses.locked(DEMO):
        if is_used:
            with pytest.raises(InUse, match="volume 'demo' is in use on node1"):
                uses.refuse_if_any(DEMO)
        else:
            uses.refuse_if_any(DEMO)
    uses.reconcile(DEMO)
    assert uses.any(DEMO) == is_used


def test_a_use_the_kernel_told_of_ends_with_the_kernels_word(
    uses: Uses, containers: Containers
) -> None:
    containers.mounted.add("id")
    uses.reconcile(DEMO)
    assert uses.any(DEMO)
    containers.mounted.clear()
    uses.reconcile(DEMO)
    assert not uses.any(DEMO)


def test_containers_are_named_if_the_engine_answers(
    uses: Uses, holders: Holders, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: str) -> list[str]:
        raise EngineAway("no answer")

    holders.add("id", "container")
    containers.running["demo"] = ["app-redis-1"]
    with pytest.raises(InUse, match="by container 'app-redis-1' on node1"):
        uses.refuse_if_any(DEMO)
    monkeypatch.setattr(containers, "containers_using", away)
    with pytest.raises(InUse, match="volume 'demo' is in use on node1; stop what uses it there"):
        uses.refuse_if_any(DEMO)


def test_one_at_a_time(uses: Uses) -> None:
    with uses.locked(DEMO):
        with pytest.raises(Refused, match="'demo' is busy on node1"), uses.locked(DEMO, within=0):
            raise AssertionError
        with uses.locked(Volume("other", "other", "node1", 1, ""), within=0):
            pass
    with uses.locked(DEMO, within=0):
        pass


def test_a_failure_while_it_is_locked_unlocks_it(uses: Uses) -> None:
    with pytest.raises(KeyError), uses.locked(DEMO):
        raise KeyError
    with uses.locked(DEMO, within=0):
        pass


def test_who_waits_has_it_next(uses: Uses) -> None:
    waiting, had = threading.Event(), threading.Event()

    def wait() -> None:
        waiting.set()
        with uses.locked(DEMO):
            had.set()

    with uses.locked(DEMO):
        threading.Thread(target=wait, daemon=True).start()
        assert waiting.wait(10)
        assert not had.is_set()
    assert had.wait(10)


def test_what_uses_a_lost_volume_is_stopped_by_the_engine(
    uses: Uses, containers: Containers
) -> None:
    containers.running["demo"] = ["app-redis-1"]
    containers.mounted.add("id")
    containers.on_stop = lambda _: containers.mounted.discard("id")
    uses.end(DEMO)
    assert containers.stopped == ["app-redis-1"]
    assert containers.killed == ["id"]  # whoever is left


def test_what_the_engine_does_not_stop_is_ended_by_force(
    uses: Uses, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> list[str]:
        raise EngineAway("no answer")

    containers.mounted.add("id")
    monkeypatch.setattr(containers, "stop_using", away)
    uses.end(DEMO)
    assert containers.mounted == set()


def test_nothing_is_stopped_where_nothing_is_mounted(uses: Uses, containers: Containers) -> None:
    containers.running["demo"] = ["of another volume with that name"]
    uses.end(DEMO)
    assert containers.stopped == []
    assert containers.killed == []
