"""Local volumes that have the name of one of the cluster's, as an engine that may be away tells."""

from __future__ import annotations

import threading

from acceptance.waiting import eventually
from flocker.errors import EngineAway
from flocker.hidden import Hidden


class Engine:
    """Lists local volumes, or does not answer."""

    def __init__(self, *local: str) -> None:
        self.local = set(local)
        self.is_away = False

    def read(self) -> set[str]:
        if self.is_away:
            raise EngineAway("no answer")
        return self.local


def test_only_names_that_both_have_are_hidden() -> None:
    known = {"demo", "notes"}
    hidden = Hidden("node2", Engine("demo", "mine").read, lambda: known)
    hidden.look()
    assert hidden.names() == ["demo"]
    assert "containers on node2 get a local volume" in str(hidden.problem("demo"))
    assert hidden.problem("notes") is None
    known.add("mine")
    assert hidden.names() == ["demo", "mine"]


def test_nothing_is_hidden_any_more_when_the_local_volume_is_gone() -> None:
    engine = Engine("demo")
    hidden = Hidden("node2", engine.read, lambda: {"demo"})
    hidden.look()
    engine.local.clear()
    assert hidden.names() == ["demo"]
    hidden.look()
    assert hidden.names() == []
    assert hidden.problem("demo") is None


def test_an_engine_that_is_away_takes_nothing_back() -> None:
    engine = Engine("demo")
    hidden = Hidden("node2", engine.read, lambda: {"demo"})
    hidden.look()
    engine.is_away = True
    hidden.look()
    assert hidden.names() == ["demo"]


def test_it_looks_by_itself_when_it_starts() -> None:
    hidden, stopping = Hidden("node2", Engine("demo").read, lambda: {"demo"}), threading.Event()
    hidden.start(stopping)
    try:
        eventually(hidden.names, is_=["demo"], within=5)
    finally:
        stopping.set()
