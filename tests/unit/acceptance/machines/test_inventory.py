"""An inventory with mistakes is refused with a line for each, which names the file and the key."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path

import pytest

from acceptance.machines.inventory import BadInventory, home, own_name, read

TWO = "nodes: {node1: {address: 10.0.0.1}, node2: {address: 10.0.0.2%s}}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "servers.yml"


@pytest.fixture(autouse=True)
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SUDO_USER", raising=False)
    return tmp_path


def mistakes(file: Path, text: str) -> list[str]:
    file.write_text(text)
    with pytest.raises(BadInventory) as refused:
        read(file)
    lines = str(refused.value).splitlines()
    assert all(line.startswith(f"{file}: ") for line in lines), lines
    return [line.removeprefix(f"{file}: ") for line in lines]


def test_what_is_left_out_is_as_ssh_has_it(file: Path, at_home: Path) -> None:
    (at_home / ".ssh").mkdir()
    (at_home / ".ssh" / "id_ed25519").touch()
    file.write_text(TWO % "")
    nodes = read(file).nodes
    assert list(nodes) == ["node1", "node2"]
    server = nodes["node2"]
    assert (server.address, server.user, server.port) == (IPv4Address("10.0.0.2"), own_name(), 22)
    assert server.key is None
    assert server.keys == [at_home / ".ssh" / "id_ed25519"]
    assert server.login == f"ssh {own_name()}@10.0.0.2"


def test_everything_can_be_said(file: Path, at_home: Path) -> None:
    (at_home / "key").touch()
    file.write_text(
        TWO % ", user: admin, port: 2222, key: ~/key, power: {off: a, on: b, pause: c, resume: d}"
    )
    server = read(file).nodes["node2"]
    assert server.login == f"ssh -i {at_home}/key -p 2222 admin@10.0.0.2"
    assert server.keys == [at_home / "key"]
    assert (server.power.off, server.power.on) == ("a", "b")


def test_nodes_are_in_order_whatever_the_file_says(file: Path) -> None:
    entries = [f"node{n}: {{address: 10.0.0.{n}}}" for n in (10, *range(1, 10))]
    file.write_text("nodes: {" + ", ".join(entries) + "}")
    assert list(read(file).nodes) == [f"node{n}" for n in range(1, 11)]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("", ["expected keys with values"]),
        ("- node1", ["expected keys with values"]),
        ("nodes: {}", ["nodes: expected node1, node2, not none"]),
        ("servers: {}", ["nodes: field required", "servers: there is no such key"]),
        (
            "nodes: {node1: {address: 10.0.0.1}}",
            ["nodes: expected node1, node2, not node1"],
        ),
        (
            "nodes: {node1: {address: 10.0.0.1}, node3: {address: 10.0.0.3}}",
            ["nodes: expected node1, node2, not node1, node3"],
        ),
        (
            "nodes: {node1: {address: 10.0.0.1}, node2: {address: 10.0.0.1}}",
            ["nodes: node1 and node2 have the same address"],
        ),
        (
            "nodes: {node1: {address: localhost}, node2: {adress: 10.0.0.2}}",
            [
                "nodes.node1.address: input is not a valid IPv4 address",
                "nodes.node2.address: field required",
                "nodes.node2.adress: there is no such key",
            ],
        ),
        (
            "nodes: {node1: {address: 127.0.0.1}, node2: 10.0.0.2}",
            [
                "nodes.node1.address: no other server can reach that address",
                "nodes.node2: expected keys with values",
            ],
        ),
        (TWO % ", port: 0", ["nodes.node2.port: input should be greater than or equal to 1"]),
        (TWO % ", user: ''", ["nodes.node2.user: string should have at least 1 character"]),
        (TWO % ", power: {off: a}", ["nodes.node2.power: off and on belong together"]),
        (TWO % ", power: {resume: a}", ["nodes.node2.power: pause and resume belong together"]),
        ("nodes:\n  node1: {}\n  node1: {}", ["line 3: node1 is there twice"]),
        ("nodes: {node1: [", ["line 1: expected the node content, but found '<stream end>'"]),
        ("nodes: {[node1]: {}}", ["line 1: found unhashable key"]),
        ("\0", ["is not YAML: unacceptable character #x0000: special characters are not allowed"]),
    ],
)  # fmt: skip
def test_a_mistake_is_a_line(file: Path, text: str, lines: list[str]) -> None:
    assert mistakes(file, text) == lines


def test_a_key_that_is_not_there_is_named_in_full(file: Path, at_home: Path) -> None:
    assert mistakes(file, TWO % ", key: ~/key") == [
        f"nodes.node2.key: there is no such file: {at_home}/key"
    ]


def test_a_file_that_cannot_be_read(file: Path) -> None:
    with pytest.raises(BadInventory, match="there is no such file"):
        read(file)
    file.mkdir()
    with pytest.raises(BadInventory, match="cannot be read"):
        read(file)


def test_behind_sudo_it_is_about_the_person_who_typed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SUDO_USER", "nobody")
    assert own_name() == "nobody"
    assert home() == Path("/nonexistent")
