"""The baselines' ssh knows the nodes before it logs in to them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import pytest

from bench import keys


@dataclass
class Node:
    """Keeps what is typed on it."""

    address: str
    typed: list[str] = field(default_factory=list)

    def run(self, command: str) -> str:
        self.typed.append(command)
        return f"ecdsa-sha2-nistp256 KEY-OF-{self.address}" if "ssh_host" in command else "public"

    def type(self, command: str) -> None:
        self.typed.append(command)


class Away(Node):
    """Is there at first, and does not answer at the end."""

    def type(self, command: str) -> None:
        raise ConnectionError(command)


@pytest.mark.parametrize("place", [0, 1])
def test_a_node_that_is_away_at_the_end_leaves_no_key_on_another(place: int) -> None:
    here, away = Node("172.16.78.250"), Away("172.16.78.251")
    nodes: list[Node] = [here]
    nodes.insert(place, away)
    with pytest.raises(ConnectionError), keys.ssh_between(nodes):
        pass
    assert "authorized_keys" in here.typed[-1]
    assert f"/ {keys.MARK}$/d" in here.typed[-1]


def test_each_node_knows_the_host_keys_of_all_and_accepts_no_other() -> None:
    nodes = [Node("172.16.78.250"), Node("172.16.78.251")]
    with keys.ssh_between(nodes):
        for node in nodes:
            known = "\n".join(node.typed)
            for each in nodes:
                assert f"{each.address} ecdsa-sha2-nistp256 KEY-OF-{each.address}\n" in known
    options = dict(re.findall(r"-o (\w+)=(\S+)", keys.SSH))
    assert options["StrictHostKeyChecking"] == "yes"
    assert options["UserKnownHostsFile"].startswith(keys.FOLDER)
    assert options["GlobalKnownHostsFile"] == "/dev/null"
