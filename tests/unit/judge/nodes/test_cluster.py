"""Requests are typed as a person types them; the nodes are stand-ins that answer by a list."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.base.command import TIMED_OUT, Typed
from acceptance.nodes.access import NodeAway
from judge.clients.cluster import Refused, Request, Unanswered
from judge.history import Action, Outcome, WriterStarted, WriterStopped, Wrote
from judge.nodes.clock import Clock
from judge.nodes.cluster import Nodes
from judge.recorder import Recorder

ENDED = "2026-01-01T00:00:00.123456789Z\n"


class Connection:
    """Answers the commands that hold a text with what is listed for it, once each."""

    def __init__(self) -> None:
        self.typed: list[str] = []
        self.answers: list[tuple[str, Any]] = []
        self.nodes = [self.node(name) for name in ("node1", "node2")]

    def node(self, name: str) -> Any:
        return SimpleNamespace(name=name, type=lambda command: self._type(name, command))

    def _type(self, node: str, command: str) -> Typed:
        self.typed.append(f"{node}$ {command}")
        for each in self.answers:
            text, answer = each
            if text in command:
                self.answers.remove(each)
                if isinstance(answer, Exception):
                    raise answer
                output, status = answer
                return Typed("vagrant", node, command, output, status, 0.1)
        return Typed("vagrant", node, command, "", 0, 0.1)


@pytest.fixture
def connection() -> Connection:
    return Connection()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> Recorder:
    return Recorder(clock.now)


@pytest.fixture
def nodes(connection: Connection, recorder: Recorder, clock: Clock) -> Nodes:
    return Nodes([connection], recorder, clock)  # type: ignore[list-item]


def request(action: Action, detail: str = "") -> Request:
    return Request(action=action, node="node1", volume="a", detail=detail)


@pytest.mark.parametrize(
    ("action", "detail", "command"),
    [
        (Action.MOVE, "", "sudo flocker move a"),
        (Action.CANCEL_MOVE, "", "sudo flocker move --cancel a"),
        (Action.PROMOTE, "", "sudo flocker promote a"),
        (Action.PROMOTE_HERE, "", "sudo flocker promote --here a"),
        (Action.PRUNE, "a@3", "sudo flocker prune a@3"),
        (Action.RESTORE, "a@3", "sudo flocker restore a@3"),
        (Action.CLONE, "b@3", "sudo flocker clone b@3 a"),
        (Action.RESIZE, "1GiB", "sudo flocker resize a 1GiB"),
        (Action.REMOVE, "", "docker volume rm a"),
        (Action.UNDELETE, "", "sudo flocker undelete a"),
        (Action.PURGE, "", "sudo flocker purge a"),
    ],
)
def test_a_request_is_typed(
    action: Action, detail: str, command: str, nodes: Nodes, connection: Connection
) -> None:
    nodes.do(request(action, detail))
    assert connection.typed == [f"node1$ {command}"]


def test_a_snapshot_has_a_reference(nodes: Nodes, connection: Connection) -> None:
    connection.answers = [("snapshot", ('{"snapshots": [{"volume": "a", "number": 3}]}', 0))]
    assert nodes.do(request(Action.SNAPSHOT)) == "a@3"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (("no", 1), Refused),
        (("no end", TIMED_OUT), Unanswered),
        (NodeAway("it is gone"), Unanswered),
    ],
)
def test_a_refusal_is_told_from_silence(
    answer: Any, error: type[Exception], nodes: Nodes, connection: Connection
) -> None:
    connection.answers = [("move", answer)]
    with pytest.raises(error):
        nodes.do(request(Action.MOVE))


def test_a_container_that_runs_is_not_started_again(nodes: Nodes, connection: Connection) -> None:
    connection.answers = [("State.Status", ("running\n", 0))]
    nodes.do(request(Action.START))
    assert len(connection.typed) == 1


def test_a_stopped_container_tells_its_lines_and_is_removed(
    nodes: Nodes, connection: Connection, recorder: Recorder, clock: Clock
) -> None:
    connection.answers = [("State.Status", ("none\n", 0))] * 2
    nodes.do(request(Action.START))
    uptime = clock.now() - clock.of_uptime(0)
    printed = f"B {uptime}\nE {uptime}\nW 1 {uptime} {uptime}\n"
    connection.answers = [
        *[("State.Status", ("running\n", 0))] * 2,
        ("docker logs", (printed, 0)),
        ("FinishedAt", (ENDED, 0)),
    ]
    nodes.do(request(Action.STOP))
    assert connection.typed[-1] == "node1$ docker rm a"
    told = [each for each in recorder.history() if not isinstance(each, WriterStopped)]
    [started, _, wrote] = told
    assert isinstance(started, WriterStarted)
    assert isinstance(wrote, Wrote)
    assert (started.run, wrote.run, wrote.sequence) == ("a.node1.1", "a.node1.1", 1)
    [stopped] = [each for each in recorder.history() if isinstance(each, WriterStopped)]
    assert stopped.at >= wrote.at


def test_the_run_of_a_container_that_is_gone_is_known(
    nodes: Nodes, connection: Connection, recorder: Recorder
) -> None:
    connection.answers = [("State.Status", ("none\n", 0))] * 2
    nodes.do(request(Action.START))
    nodes.note_lost()
    [started] = recorder.history()
    assert isinstance(started, WriterStarted)
    assert (started.run, started.node, started.volume) == ("a.node1.1", "node1", "a")


def test_a_reader_sees_what_is_there(
    nodes: Nodes, connection: Connection, recorder: Recorder
) -> None:
    connection.answers = [("cat", ("r 1 9.00 5c55bf2f\nrubbish\n", 0))]
    assert recorder.read("one", nodes, "node2", "a").outcome is Outcome.DONE
    [read] = [each for each in recorder.history() if each.kind == "read"]
    assert read.damaged[-1:] == ("rubbish",)
    assert "-v a:/data" in connection.typed[0]


def test_a_driver_that_does_not_answer_says_nothing(nodes: Nodes, connection: Connection) -> None:
    connection.answers = [("status", NodeAway("it is gone"))]
    assert nodes.sample("node1") == []
