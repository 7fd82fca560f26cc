"""Nodes that come back: after a power cut, and after their disk was thrown away."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually, eventually_true
from tests.nodes.conftest import need_container

ROOT = Path(__file__).parents[2]
NODE = "node3"  # the last one: `vagrant up` of it waits for the whole cluster
CONTAINER = f"volume-plugins-demo-{NODE}"
OTHER = "volume-plugins-demo-node2"
UP_SECONDS = 300
KERNEL_FREES_A_LOOP_DEVICE_SECONDS = 30

pytestmark = pytest.mark.nodes


def output(*command: str) -> str:
    return subprocess.run(
        command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=UP_SECONDS
    ).stdout


def pools_attached() -> int:
    """Loop devices of the host that hold a node's pool."""
    listed = output("losetup", "--list", "--json", "--output", "NAME,BACK-FILE")
    devices = json.loads(listed)["loopdevices"] if listed else []
    return sum(str(device["back-file"]).endswith("/pool.img") for device in devices)


@pytest.fixture
def running_node() -> None:
    need_container(NODE)


@pytest.mark.usefixtures("running_node")
def test_a_node_that_lost_power_frees_its_loop_device_and_comes_back_with_its_pool() -> None:
    before = pools_attached()
    output("docker", "exec", CONTAINER, "btrfs", "subvolume", "create", "/var/lib/flocker/kept")
    output("docker", "exec", CONTAINER, "btrfs", "filesystem", "sync", "/var/lib/flocker")
    try:
        output("docker", "kill", CONTAINER)
        eventually(pools_attached, is_=before - 1, within=KERNEL_FREES_A_LOOP_DEVICE_SECONDS)
    finally:
        output("vagrant", "up", NODE)
    output("docker", "exec", CONTAINER, "btrfs", "subvolume", "delete", "/var/lib/flocker/kept")
    assert pools_attached() == before


def asking() -> set[str]:
    """The process ids of the questions that the new node asks etcd's members at this moment."""
    found = subprocess.run(
        ["docker", "exec", CONTAINER, "pgrep", "--exact", "etcdctl"],
        check=False, capture_output=True, text=True,
    )  # fmt: skip
    return set(found.stdout.split())


def wait_until_it_asks_again() -> None:
    """Wait until the new node has had no answer, which is when it asks for the second time."""
    first = eventually_true(asking, bool, what="the new node to ask", within=UP_SECONDS)
    eventually_true(
        asking, lambda now: bool(now - first), what="it to ask again", within=UP_SECONDS
    )


@pytest.mark.usefixtures("running_node")
def test_a_node_made_anew_joins_the_cluster_again_when_that_has_a_quorum() -> None:
    output("vagrant", "destroy", "--force", NODE)
    output("docker", "exec", OTHER, "systemctl", "stop", "etcd")
    with ThreadPoolExecutor() as threads:
        up = threads.submit(output, "vagrant", "up", NODE)
        try:
            wait_until_it_asks_again()
        finally:
            output("docker", "exec", OTHER, "systemctl", "start", "etcd")
        up.result()  # fails unless its etcd has a quorum and its driver answers
    members = output(
        "vagrant", "ssh", NODE, "-c",
        "sudo sh -c 'cd /etc/flocker/certs/etcd && etcdctl --endpoints=https://127.0.0.1:2379"
        " --cacert=ca.pem --cert=cert.pem --key=key.pem member list'",
    )  # fmt: skip
    assert members.count(", started, ") == len(members.splitlines()) == 3, members
