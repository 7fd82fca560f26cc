"""Commands are typed as a person types them; the nodes are stand-ins that answer by a list."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from acceptance.base.command import Typed
from acceptance.nodes.access import NodeAway
from flocker.base.errors import FlockerError, Refused
from tests.soak.on_nodes.accounts import Accounts
from tests.soak.on_nodes.keyboards import Gates, Keyboards

LINE = "node1.0a1b2c3d.1"


class Cluster:
    """Answers the commands that hold a text with what is listed for it, once each."""

    def __init__(self) -> None:
        self.nodes = [SimpleNamespace(name="node1"), SimpleNamespace(name="node2")]
        self.typed: list[str] = []
        self.answers: list[tuple[str, Any]] = []

    def type(self, node: str, command: str) -> Typed:
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

    def count(self, text: str) -> int:
        return sum(text in command for command in self.typed)


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


@pytest.fixture
def accounts() -> Accounts:
    return Accounts()


@pytest.fixture
def keyboards(cluster: Cluster, accounts: Accounts) -> Keyboards:
    return Keyboards([cluster], accounts)  # type: ignore[list-item]


def test_a_command_that_fails_is_refused_with_what_it_said(
    keyboards: Keyboards, cluster: Cluster
) -> None:
    cluster.answers = [("docker start", ("volume 'first' is in use\n", 1))]
    with pytest.raises(FlockerError, match=r"^volume 'first' is in use$"):
        keyboards.run_container("node1", "first")


@pytest.mark.parametrize("error", [NodeAway("it is off"), RuntimeError("no notes could be made")])
def test_a_node_that_is_away_is_refused_and_the_connections_can_be_used_again(
    keyboards: Keyboards, cluster: Cluster, error: Exception
) -> None:
    cluster.answers = [("docker stop", error)]
    with pytest.raises(FlockerError, match=str(error)):
        keyboards.end_container("node1", "first")
    keyboards.end_container("node1", "first")


def test_what_a_container_was_told_is_kept_when_it_is_removed(
    keyboards: Keyboards, cluster: Cluster, accounts: Accounts
) -> None:
    cluster.answers = [("docker logs", (f"{LINE}\n", 0))]
    keyboards.remove_container("node1", "first")
    assert accounts.judge("first", [], {}, was_promoted=False) == [
        f"first: 1 acknowledged lines are lost: ['{LINE}']"
    ]


def test_a_volume_that_was_removed_is_brought_back_when_that_is_possible(
    keyboards: Keyboards, cluster: Cluster
) -> None:
    cluster.answers = [("undelete", ("etcd does not answer", 1))]
    keyboards.remove_and_bring_back("node2", "first")
    assert cluster.count("docker rm first") == 2
    assert cluster.count("docker volume rm first") == 1
    assert cluster.count("flocker undelete first") == 2


def test_one_that_could_not_be_removed_needs_not_be_brought_back(
    keyboards: Keyboards, cluster: Cluster
) -> None:
    cluster.answers = [
        ("docker volume rm", ("it is in use", 1)),
        ("undelete", ("no removed volume 'first' is kept", 1)),
    ]
    with pytest.raises(FlockerError, match="it is in use"):
        keyboards.remove_and_bring_back("node2", "first")
    assert cluster.count("undelete") == 1


def test_no_container_is_started_with_a_volume_that_is_removed() -> None:
    gates = Gates()
    with gates.removed("first"):
        with pytest.raises(Refused), gates.starting("first"):
            pass
        with gates.starting("second"):
            pass
    with gates.starting("first"):
        pass


def test_no_volume_is_removed_while_a_container_is_started_with_it() -> None:
    gates = Gates()
    with gates.starting("first"), gates.starting("first"):
        with pytest.raises(Refused), gates.removed("first"):
            pass
        with gates.removed("second"), pytest.raises(Refused), gates.removed("second"):
            pass
    with gates.removed("first"):
        pass
