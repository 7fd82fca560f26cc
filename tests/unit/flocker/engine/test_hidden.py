"""Local volumes that have the name of one of the cluster's, as an engine that may be away tells."""

from __future__ import annotations

import threading

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import EngineAway
from flocker.base.troubles import Troubles
from flocker.engine.hidden import Hidden


class Engine:
    """Lists local volumes, or does not answer."""

    def __init__(self, *local: str) -> None:
        self.local = set(local)
        self.is_away = False

    def read(self) -> set[str]:
        if self.is_away:
            raise EngineAway("no answer")
        return self.local


@pytest.fixture
def troubles() -> Troubles:
    return Troubles()


def test_only_a_name_that_both_have_is_a_problem(troubles: Troubles) -> None:
    known = {"demo", "notes"}
    hidden = Hidden(Engine("demo", "mine").read, lambda: known, troubles)
    hidden.look()
    [problem] = troubles.all()
    assert problem.startswith("volume 'demo': containers on this node get a local volume")
    assert problem.endswith("docker volume rm demo")
    known.add("mine")
    hidden.look()
    assert [problem.partition(":")[0] for problem in troubles.all()] == [
        "volume 'demo'",
        "volume 'mine'",
    ]


def test_the_problem_ends_with_the_local_volume(troubles: Troubles) -> None:
    engine = Engine("demo")
    hidden = Hidden(engine.read, lambda: {"demo"}, troubles)
    hidden.look()
    engine.local.clear()
    hidden.look()
    assert troubles.all() == []


def test_an_engine_that_is_away_takes_nothing_back(troubles: Troubles) -> None:
    engine = Engine("demo")
    hidden = Hidden(engine.read, lambda: {"demo"}, troubles)
    hidden.look()
    engine.is_away = True
    hidden.look()
    assert len(troubles.all()) == 1


def test_it_looks_by_itself_when_it_starts(troubles: Troubles) -> None:
    stopping = threading.Event()
    Hidden(Engine("demo").read, lambda: {"demo"}, troubles).start(stopping)
    try:
        eventually(lambda: len(troubles.all()), is_=1, within=5)
    finally:
        stopping.set()
