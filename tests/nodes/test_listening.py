"""The ports and sockets of the nodes are those that docs/architecture.md lists."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.nodes.conftest import need_container

ROOT = Path(__file__).parents[2]
NODES = {
    "node1": "172.16.78.250",
    "node2": "172.16.78.251",
    "node3": "172.16.78.252",
}
PREFIX = "volume-plugins-demo-"
PUBLISHED = 8080  # by a container of this test; whatever the containers there publish is theirs
CONTAINERS_PORT = "docker-proxy"
CEPHS = re.compile(r"ceph-(mon|osd|mds|mgr)")
CEPHS_PORTS = {3300, *range(6800, 7569)}
OURS = re.compile(r"docker|containerd|flocker|etcd")

EVERYWHERE = "every address"
OWN = "the node's address"
ITSELF = "127.0.0.1"

pytestmark = pytest.mark.nodes

Listening = tuple[str, ...]


def on(node: str, command: str) -> str:
    return subprocess.run(
        ["docker", "exec", f"{PREFIX}{node}", "sh", "-c", command],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip


@pytest.fixture(params=NODES, scope="module")
def node(request: pytest.FixtureRequest) -> Iterator[str]:
    """A node on which a container publishes a port."""
    name = str(request.param)
    need_container(name)
    on(name, f"docker run --detach --name listens --publish {PUBLISHED}:80 busybox sleep 300")
    yield name
    on(name, "docker rm --force listens")


def table(heading: str) -> set[Listening]:
    """The rows of a table in docs/architecture.md, up to the column that says what for."""
    text = (ROOT / "docs" / "architecture.md").read_text()
    lines = text.partition(f"\n| {heading} |")[2].splitlines()[2:]
    rows = set()
    for line in lines:
        if not line.startswith("|"):
            break
        cells = [cell.strip().strip("`") for cell in line.strip("|").split("|")]
        rows.add(tuple(cells[:-1]))
    assert rows, f"docs/architecture.md has no table that begins with {heading}"
    return rows


def where(address: str, node: str) -> str:
    if address in ("0.0.0.0", "[::]", "*"):  # noqa: S104 - what is looked for
        return EVERYWHERE
    return OWN if address == NODES[node] else address


def program_of(node: str, users: str) -> str:
    """Its name in `users:(("etcd",pid=770,fd=6))`; python3 is called after the module it runs."""
    found = re.match(r'users:\(\("([^"]+)",pid=(\d+)', users)
    assert found, users
    if found[1] != "python3":
        return found[1]
    command = on(node, f"tr '\\0' ' ' </proc/{found[2]}/cmdline").split()
    return command[command.index("-m") + 1]


def ports(node: str) -> set[Listening]:
    """(port, address, program) of everything that takes TCP connections."""
    found = set()
    for line in on(node, "ss -Hltnp").splitlines():
        _, _, _, local, _, *users = line.split()
        address, _, port = local.rpartition(":")
        program = program_of(node, users[0]) if users else "the engine outside"
        if program == CONTAINERS_PORT:
            port = "published"
        elif address.startswith("127.") and int(port) >= 32768:
            port = "any"
        found.add((port, where(address, node), program))
    return found


def sockets(node: str) -> set[Listening]:
    """(path, mode and owner) of what takes connections on the node itself and is not Debian's."""
    found = set()
    for line in on(node, "ss -Hlx").splitlines():
        path = line.split()[4]
        if path.startswith("/") and OURS.search(path):
            mode = on(node, f"stat --format '%a %U:%G' {path}").strip()
            found.add((re.sub(r"[0-9a-f]{12,}", "*", path.replace("/var/run/", "/run/")), mode))
    return found


def test_the_table_of_ports_is_what_listens(node: str) -> None:
    assert {row for row in ports(node) if not CEPHS.fullmatch(row[2])} == table("port")


def test_a_ceph_listens_at_the_nodes_address_only(node: str) -> None:
    found = [row for row in ports(node) if CEPHS.fullmatch(row[2])]
    assert [row for row in found if int(row[0]) not in CEPHS_PORTS or row[1] != OWN] == []


def test_the_table_of_sockets_is_what_listens(node: str) -> None:
    assert sockets(node) == table("socket")


def test_the_engine_listens_on_no_network(node: str) -> None:
    programs = {program for _, _, program in ports(node)}
    assert "dockerd" not in programs
    assert on(node, "ls /etc/docker").split() == ["daemon.json"], "no keys for it"


def test_nobody_takes_datagrams_for_the_driver_etcd_or_the_engine(node: str) -> None:
    listening = on(node, "ss -Hlunp").splitlines()
    assert [line for line in listening if re.search(r'"(dockerd|etcd|python3)"', line)] == []
