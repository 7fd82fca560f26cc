"""A node's users, its containers and its services, and what they may not do there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from tests.nodes.conftest import need_container

ROOT = Path(__file__).parents[2]
NODES = {"node1": "172.16.78.250", "node2": "172.16.78.251"}
NODE = "node1"
CONTROL_PLANE = (2379, 2380, 4523)  # what nodes listen at
ENGINE = 2376  # where an engine listens that somebody else has set up to
UNITS = ("flocker", "flocker-fence")
# In tenths of systemd's measure, by the systemd of Debian 13.
EXPOSURE = {"flocker": 50, "flocker-fence": 33, "flocker-firewall": 20, "flocker-pool": 39}
SECONDS = 60

pytestmark = pytest.mark.nodes


def typed(node: str, script: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", "exec", f"volume-plugins-demo-{node}", "sh", "-c", script],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=SECONDS,
    )  # fmt: skip


def told(node: str, script: str) -> str:
    done = typed(node, script)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _running_nodes() -> None:
    for node in NODES:
        need_container(node)


def reached(address: str, port: int, *options: str) -> bool:
    """Tell whether a container on NODE gets a connection."""
    container = f"docker run --rm {' '.join(options)} busybox nc -w 3 {address} {port} </dev/null"
    return typed(NODE, container).returncode == 0


# --- Users


def test_nobody_reads_what_the_driver_and_its_package_wrote() -> None:
    nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups"
    places = "/var/lib/flocker /var/lib/flocker-disk /var/lib/flocker-node /run/flocker"
    found = typed(NODE, f"{nobody} find {places} /etc/flocker -type f -readable")
    assert found.stdout == "/etc/flocker/daemon.json\n"  # the engine's settings, without a secret
    sockets = typed(NODE, f"{nobody} find /run/docker/plugins -type s -writable")
    assert sockets.stdout == ""


def test_a_node_sees_of_the_checkout_what_it_needs_and_changes_nothing() -> None:
    inspected = subprocess.run(
        ["docker", "inspect", f"volume-plugins-demo-{NODE}"],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    [facts] = json.loads(inspected.stdout)
    shown = [each for each in facts["Mounts"] if each["Type"] == "bind"]
    here = [each for each in shown if each["Destination"].startswith("/vagrant")]
    assert here
    assert [each["Source"] for each in here if each["RW"]] == []
    assert sorted(told(NODE, "ls -A /vagrant").split()) == [
        "acceptance", "app", "bench", "build", "provision",
    ]  # fmt: skip
    assert typed(NODE, "touch /vagrant/app/mine").returncode != 0


# --- Containers


@pytest.mark.parametrize("port", CONTROL_PLANE)
@pytest.mark.parametrize("node", NODES)
def test_a_container_reaches_nothing_of_the_control_plane(node: str, port: int) -> None:
    assert not reached(NODES[node], port)


@pytest.fixture
def bridge() -> Iterator[str]:
    """A network as Compose makes it, and what its containers know the node as."""
    told(NODE, "docker network create --subnet 10.99.0.0/24 other")
    yield "10.99.0.1"
    told(NODE, "docker network rm other")


@pytest.mark.parametrize("port", CONTROL_PLANE)
def test_nor_does_it_by_a_network_of_its_own(bridge: str, port: int) -> None:
    assert not reached(bridge, port, "--network=other")
    assert not reached(NODES[NODE], port, "--network=other")
    assert not reached(NODES["node2"], port, "--network=other")


def test_nor_does_it_reach_an_engine_that_listens(bridge: str) -> None:
    listens = f"systemd-socket-activate --accept --listen={ENGINE} /bin/cat"
    connects = f"timeout 3 bash -c '</dev/tcp/{NODES[NODE]}/{ENGINE}'"
    told(NODE, f"systemd-run --unit=listening {listens}")
    try:
        eventually(lambda: typed("node2", connects).returncode, is_=0, within=SECONDS)
        assert not reached(NODES[NODE], ENGINE)
        assert not reached(bridge, ENGINE, "--network=other")
        told("node2", connects)  # it listened all the time
    finally:
        told(NODE, "systemctl stop listening")


def test_what_an_app_publishes_is_reached() -> None:
    told(NODE, "docker run -d --name web -p 8080:80 busybox httpd -f -p 80")
    try:
        eventually(lambda: reached(NODES[NODE], 8080), is_=True, within=SECONDS)
    finally:
        told(NODE, "docker rm -f web")


def test_the_rules_outlive_the_engine_and_are_what_refuses() -> None:
    told(NODE, "systemctl restart docker")
    assert not reached(NODES["node2"], 4523)
    told(NODE, "systemctl stop flocker-firewall")
    try:
        assert reached(NODES["node2"], 4523), "nothing else keeps containers away"
        assert reached(NODES[NODE], 4523)
        told(NODE, "systemctl restart docker")
    finally:
        told(NODE, "systemctl start flocker-firewall")
    assert not reached(NODES["node2"], 4523)
    assert not reached(NODES[NODE], 4523)


# --- Services


@pytest.mark.parametrize("unit", EXPOSURE)
def test_a_unit_may_do_no_more_than_it_needs(unit: str) -> None:
    told(NODE, f"systemd-analyze security --threshold={EXPOSURE[unit]} {unit}")


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_sees_the_nodes_own_mounts(unit: str) -> None:
    process = told(NODE, f"systemctl show --property=MainPID --value {unit}")
    assert told(NODE, f"readlink /proc/{process}/ns/mnt") == told(NODE, "readlink /proc/1/ns/mnt")
