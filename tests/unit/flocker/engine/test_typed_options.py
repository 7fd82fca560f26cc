"""What was typed on a node and is otherwise is shown, without asking the engine from within."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import EngineAway
from flocker.base.records import Volume
from flocker.engine import typed_options
from flocker.engine.typed_options import TypedOptions
from tests.unit.flocker.cluster import MemoryCluster

DEMO = Volume("demo", "id", "node1", 1, "", size_bytes=1 << 30)
DIFFERENT = ["size=2GiB was asked for, the volume has 1GiB"]


class Engine:
    """Remembers options, and who asked for them."""

    def __init__(self) -> None:
        self.options: dict[str, str] | None = {"size": "2GiB"}
        self.is_away = False
        self.asked_by: list[threading.Thread] = []
        self.asked = threading.Semaphore(0)

    def read(self, name: str) -> dict[str, str] | None:
        assert name == "demo"
        self.asked_by.append(threading.current_thread())
        self.asked.release()
        if self.is_away:
            raise EngineAway("no answer")
        return self.options


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_options, "LATER_SECONDS", 0.01)


def test_what_was_asked_for_and_is_otherwise_is_told(engine: Engine) -> None:
    told_here = TypedOptions(engine.read)
    assert told_here.differences(DEMO) == []
    told_here.look(DEMO)
    assert told_here.differences(DEMO) == DIFFERENT


@pytest.mark.parametrize("options", [{"size": "1024MiB"}, {}, None])
def test_what_is_as_asked_for_is_not(engine: Engine, options: dict[str, str] | None) -> None:
    told_here = TypedOptions(engine.read)
    told_here.look(DEMO)
    engine.options = options
    told_here.look(DEMO)
    assert told_here.differences(DEMO) == []


def test_an_engine_that_is_away_is_remembered_as_it_was(engine: Engine) -> None:
    told_here = TypedOptions(engine.read)
    told_here.look(DEMO)
    engine.is_away = True
    told_here.look(DEMO)
    assert told_here.differences(DEMO) == DIFFERENT


NEW = replace(DEMO, id="new")


def test_what_was_asked_for_a_removed_volume_is_not_told_of_the_new_one(engine: Engine) -> None:
    """The engine, which remembers by name, did not hear of the removal."""
    told_here = TypedOptions(engine.read)
    told_here.look(DEMO)
    assert told_here.differences(NEW) == []
    told_here.look(NEW)
    assert told_here.differences(NEW) == []
    engine.options = {"size": "3GiB"}
    told_here.look(NEW)
    assert told_here.differences(NEW) == ["size=3GiB was asked for, the volume has 1GiB"]


def test_the_engine_is_asked_about_a_volume_that_another_node_removed(engine: Engine) -> None:
    """To answer it asks the driver, hears that there is none, and forgets the options."""
    told_here = TypedOptions(engine.read)
    told_here.look(DEMO)
    told_here.removed(DEMO)
    assert engine.asked.acquire(timeout=10)
    assert engine.asked.acquire(timeout=10)


def test_a_removal_is_told_to_the_engines_of_all_other_nodes(cluster: MemoryCluster) -> None:
    asked: dict[str, list[str]] = {node: [] for node in cluster.machines}
    cluster["node1"].driver.create("demo", {})
    for node, machine in cluster.machines.items():
        machine.containers.options = Recording(asked[node])
        machine.start()
    cluster["node2"].driver.remove("demo")
    for node in ("node1", "node3"):
        eventually(lambda: asked[node], is_=["demo"], within=10)  # noqa: B023


class Recording(dict[str, dict[str, str]]):
    """The options an engine was told, and what it was asked for."""

    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    def get(self, name: str, default: object = None) -> None:  # type: ignore[override]  # noqa: ARG002
        self._asked.append(name)


def test_options_that_make_no_sense_are_told_as_such(engine: Engine) -> None:
    engine.options = {"colour": "blue"}
    told_here = TypedOptions(engine.read)
    told_here.look(DEMO)
    [problem] = told_here.differences(DEMO)
    assert "unknown option 'colour'" in problem


def test_the_engine_is_asked_later_and_by_another_thread(engine: Engine) -> None:
    """It waits for our answer when it asks us, and to answer it would ask us again."""
    told_here = TypedOptions(engine.read)
    told_here.look_later(DEMO)
    assert engine.asked.acquire(timeout=10)
    assert engine.asked_by != [threading.current_thread()]


def test_a_question_that_the_answer_brings_about_is_not_answered_again(engine: Engine) -> None:
    told_here = TypedOptions(engine.read)
    for _ in range(100):
        told_here.look_later(DEMO)
    assert engine.asked.acquire(timeout=10)
    told_here.look(DEMO)
    assert len(engine.asked_by) == 2


def test_it_is_asked_again_after_a_while(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(typed_options, "AGAIN_SECONDS", -1)
    told_here = TypedOptions(engine.read)
    for _ in range(3):
        told_here.look_later(DEMO)
        assert engine.asked.acquire(timeout=10)


def test_inspect_shows_what_was_asked_for_on_that_node(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"size": "1GiB"})
    node2 = cluster["node2"]
    node2.containers.options["demo"] = {"size": "2GiB", "failover": "auto"}
    demo = cluster.volume("demo")
    assert "asked for here" not in node2.driver.status(demo)
    eventually(
        lambda: node2.driver.status(demo).get("asked for here"),
        is_="size=2GiB was asked for, the volume has 1GiB; "
        "failover=auto was asked for, the volume has manual",
        within=10,
    )
    assert "asked for here" not in cluster["node1"].driver.status(demo)
