"""Work on several servers at once; the servers are names only."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.machines.protocol import NodesNotUp
from acceptance.machines.remote import on_all

REMOTES: Any = [SimpleNamespace(name=f"node{number}") for number in (1, 2, 3)]


def test_every_server_gets_its_turn() -> None:
    done: set[str] = set()
    on_all(lambda remote: done.add(remote.name), REMOTES)
    assert done == {"node1", "node2", "node3"}


def test_every_server_that_fails_is_a_line() -> None:
    def fail(remote: Any) -> None:
        if remote.name != "node2":
            raise NodesNotUp(f"{remote.name}: no")

    with pytest.raises(NodesNotUp, match=r"^node1: no\nnode3: no$"):
        on_all(fail, REMOTES)


def test_an_error_of_ours_is_not_taken_for_a_servers() -> None:
    def fail(remote: Any) -> None:
        raise KeyError(remote.name) if remote.name == "node3" else NodesNotUp("no")

    with pytest.raises(KeyError):
        on_all(fail, REMOTES)
