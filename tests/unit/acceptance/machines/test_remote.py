"""Work on one server that fails, and on several at once, which are names only."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from invoke import Result
from invoke.exceptions import UnexpectedExit
from paramiko import SSHException

from acceptance.machines import remote as module
from acceptance.machines.inventory import Server
from acceptance.machines.protocol import NodesNotUp
from acceptance.machines.remote import Remote, on_all

REMOTES: Any = [SimpleNamespace(name=f"node{number}") for number in (1, 2, 3)]


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Remote:
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "LOGS", tmp_path)
    return Remote("node1", Server.model_validate({"address": "203.0.113.10", "user": "admin"}))


def failing(error: Exception) -> Any:
    def run(*_: object, **__: object) -> None:
        raise error

    return SimpleNamespace(run=run)


@pytest.mark.parametrize("error", [OSError("reset"), EOFError(), SSHException("no session")])
def test_a_server_that_goes_away_meanwhile_is_named(server: Remote, error: Exception) -> None:
    server.shell = failing(error)
    with pytest.raises(NodesNotUp, match=r"^node1: `true` was cut off: "):
        server.run_as_root("true")
    with pytest.raises(NodesNotUp, match=r"^node1: files could not be put on it: "):
        server.mirror({}, "/vagrant")


def test_a_server_without_room_for_files_is_named(server: Remote) -> None:
    said = "mkdir: cannot create directory: No space left on device\n"
    server.shell = failing(UnexpectedExit(Result(stderr=said, exited=1)))
    with pytest.raises(NodesNotUp, match=r"^node1: files could .* it said: mkdir: .* device$"):
        server.mirror({}, "/vagrant")


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
