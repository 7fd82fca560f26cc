"""The journal and the history name who asked for a change."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from flocker.base.audit import Asker, asked
from flocker.base.errors import Refused
from tests.unit.flocker.api.test_plugin import ask, client
from tests.unit.flocker.cluster import MemoryCluster


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Any:
    """The lines of the journal about who asked."""
    caplog.set_level(logging.INFO, "flocker.audit")
    return lambda: [each.getMessage() for each in caplog.records if each.name == "flocker.audit"]


def by(cluster: MemoryCluster, volume: str) -> dict[str, str]:
    events = cluster["node1"].operations.overview.history(volume)["events"]
    return {each["what"]: each["by"] for each in events}


def test_what_the_engine_and_operators_ask_is_told_apart(cluster: MemoryCluster, said: Any) -> None:
    node1 = client(cluster, "node1", [])
    ask(node1, "VolumeDriver.Create", Name="demo")
    ask(node1, "VolumeDriver.Mount", Name="demo", ID="container")
    ask(node1, "VolumeDriver.List")
    node1.get("/flocker/status")
    node1.post("/flocker/snapshot", json={"volumes": ["demo"], "label": "secret"})
    node1.post("/flocker/restore", json={"reference": "demo@1"})
    assert by(cluster, "demo") == {"created": "engine on node1", "snapshot": "operator on node1"}
    *others, refused = said()
    assert others == [
        "engine on node1 asked: create demo: done",
        "engine on node1 asked: mount demo: done",
        "operator on node1 asked: snapshot demo: done",
    ]
    assert refused.startswith("operator on node1 asked: restore demo@1: refused: volume 'demo' is")


def test_a_move_names_who_asked_for_it(cluster: MemoryCluster) -> None:
    """It is done by another thread than the one that was asked."""
    cluster["node1"].driver.create("demo", {})
    client(cluster, "node2", []).post("/flocker/move", json={"volume": "demo"})
    assert by(cluster, "demo") == {"created": "", "moved": "operator on node2"}


def test_what_nobody_asked_for_names_nobody(cluster: MemoryCluster) -> None:
    cluster["node1"].driver.create("demo", {"failover": "manual"})
    assert by(cluster, "demo") == {"created": ""}


def test_a_line_of_the_journal_cannot_be_forged(said: Any) -> None:
    forged = "demo: done\noperator on node1 asked: purge demo"
    with pytest.raises(Refused), asked(Asker("node", "node2", "10.0.0.2"), "remove", forged):
        raise Refused("no\x1b[2J")
    assert said() == [
        "node2 (10.0.0.2) asked: remove demo: done\\noperator on node1 asked: purge demo: "
        "refused: no\\x1b[2J"
    ]


def test_a_defect_is_an_outcome_too(said: Any) -> None:
    with pytest.raises(KeyError), asked(Asker("person", "ann", "10.0.0.2"), "remove", "demo"):
        raise KeyError("surprise")
    assert said() == ["operator ann (10.0.0.2) asked: remove demo: failed: KeyError"]
