"""Nodes that come back: after a power cut, and after their disk was thrown away."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from tests.nodes.conftest import need_container

ROOT = Path(__file__).parents[2]
NODE = "node3"  # the last one: `vagrant up` of it waits for the whole cluster
CONTAINER = f"volume-plugins-demo-{NODE}"
OTHER = "volume-plugins-demo-node2"
WITHOUT_QUORUM_SECONDS = 30  # the new node asks for the members before that
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


@pytest.mark.usefixtures("running_node")
def test_a_node_made_anew_joins_the_cluster_again_when_that_has_a_quorum() -> None:
    output("vagrant", "destroy", "--force", NODE)
    output("docker", "exec", OTHER, "systemctl", "stop", "etcd")
    output(
        *("docker", "exec", OTHER),
        *("systemd-run", f"--on-active={WITHOUT_QUORUM_SECONDS}", "systemctl", "start", "etcd"),
    )
    output("vagrant", "up", NODE)  # fails unless its etcd has a quorum and its driver answers
    members = output(
        "vagrant", "ssh", NODE, "-c",
        "sudo sh -c 'cd /etc/flocker/certs/etcd && etcdctl --endpoints=https://127.0.0.1:2379"
        " --cacert=ca.pem --cert=cert.pem --key=key.pem member list'",
    )  # fmt: skip
    assert members.count(", started, ") == len(members.splitlines()) == 3, members
