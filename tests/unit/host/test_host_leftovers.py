"""What is ours among containers, networks, loop devices and rules of the packet filter."""

import json
import os
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from host import firewall, libvirt, loops, nodes
from host.loops import Loop
from host.nodes import Container, Network

HERE = Path("/home/me/demo")


def inspected(name: str, checkout: str) -> dict[str, object]:
    return {
        "Name": f"/{name}",
        "State": {"Pid": 42},
        "Mounts": [
            {
                "Type": "bind",
                "Source": f"{checkout}/provision",
                "Destination": "/vagrant/provision",
            },
            {"Type": "volume", "Name": "abc", "Source": "/v/abc", "Destination": "/var/lib/docker"},
        ],
    }


def test_node_containers_are_told_from_others_by_name_and_from_each_other_by_checkout() -> None:
    printed = json.dumps(
        [
            inspected("volume-plugins-demo-node1", str(HERE)),
            inspected("volume-plugins-demo-node2", "/home/you/demo"),
            inspected("shop-volume-plugins-demo-node1", str(HERE)),
            inspected("volume-plugins-demo-nodes", str(HERE)),
            inspected("volume-plugins-demo-node1-backup", str(HERE)),
        ]
    )
    found = nodes.read_containers(printed)
    assert [container.name for container in found] == [
        "volume-plugins-demo-node1",
        "volume-plugins-demo-node2",
    ]
    assert nodes.ours(found, HERE) == (
        Container("volume-plugins-demo-node1", HERE, 42, ("abc",), (Path("/v/abc"),)),
    )


def test_somebody_elses_container_that_goes_away_meanwhile_hides_no_node(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    there = {"1": inspected("volume-plugins-demo-node1", str(HERE)), "3": inspected("shop", "/x")}

    def docker(*command: str) -> str | None:
        ids = command[3:]
        gone = not set(ids) <= set(there)  # then docker prints the others, and fails
        return None if gone else json.dumps([there[each] for each in ids])

    monkeypatch.setattr(nodes, "docker_lines", lambda *_: ["1", "2", "3"])
    monkeypatch.setattr(nodes, "attempt", docker)
    assert [each.name for each in nodes.containers()] == ["volume-plugins-demo-node1"]


def test_a_node_container_without_a_checkout_is_nobodys() -> None:
    printed = json.dumps(
        [{"Name": "/volume-plugins-demo-node1", "State": {"Pid": 0}, "Mounts": []}]
    )
    assert nodes.ours(nodes.read_containers(printed), HERE) == ()


def test_networks_are_read_with_the_bridge_that_carries_them() -> None:
    printed = json.dumps(
        [
            {
                "Name": "bridge",
                "Id": "f" * 64,
                "Options": {"com.docker.network.bridge.name": "docker0"},
                "IPAM": {"Config": [{"Subnet": "172.17.0.0/16"}, {"Subnet": "fd00::/64"}]},
            },
            {"Name": "x", "Id": "0123456789abcdef", "Options": {}, "IPAM": {"Config": None}},
        ]
    )
    assert nodes.read_networks(printed) == (
        Network("bridge", "docker0", (IPv4Network("172.17.0.0/16"),)),
        Network("x", "br-0123456789ab", ()),
    )


def test_loop_devices_are_read_as_losetup_prints_them() -> None:
    printed = json.dumps(
        {
            "loopdevices": [
                {
                    "name": "/dev/loop3",
                    "back-file": "/var/lib/pool.img (deleted)",
                    "back-maj:min": "254:0",
                    "back-ino": 77,
                }
            ]
        }
    )
    assert loops.read(printed) == (Loop("/dev/loop3", "/var/lib/pool.img", "254:0", 77),)
    assert loops.read("") == ()


def test_a_loop_device_is_ours_by_the_very_file_and_not_by_its_name(tmp_path: Path) -> None:
    pool = tmp_path / "pool.img"
    pool.touch()
    status = pool.stat()
    device = f"{os.major(status.st_dev)}:{os.minor(status.st_dev)}"
    ours = Loop("/dev/loop1", "/pool.img", device, status.st_ino)
    another = Loop("/dev/loop2", "/pool.img", device, status.st_ino + 1)
    elsewhere = Loop("/dev/loop3", "/pool.img", "0:0", status.st_ino)
    gone = Loop("/dev/loop4", "/gone.img", device, status.st_ino)
    container = Container("volume-plugins-demo-node1", HERE, 0, ("abc",), (tmp_path,))
    assert loops.of((container,), (ours, another, elsewhere, gone)) == (ours,)
    assert loops.of((), (ours,)) == ()


BEFORE = """*filter
:INPUT ACCEPT [0:0]
:FORWARD ACCEPT [0:0]
:OUTPUT ACCEPT [12:3456]
-A OUTPUT -d 172.16.0.0/12 -o eth0 -j REJECT --reject-with icmp-port-unreachable
COMMIT
"""
AFTER = """*filter
:INPUT ACCEPT [0:0]
:FORWARD DROP [0:0]
:OUTPUT ACCEPT [99:9999]
:DOCKER - [0:0]
:DOCKER-USER - [0:0]
:OTHERS - [0:0]
-A OUTPUT -d 172.16.0.0/12 -o eth0 -j REJECT --reject-with icmp-port-unreachable
-A INPUT -i eth0 -m comment --comment "added meanwhile" -j ACCEPT
-A FORWARD -j DOCKER-USER
-A FORWARD -o docker0 -j DOCKER
-A FORWARD -i br-0123456789ab -m comment --comment "two words" -j ACCEPT
-A DOCKER-USER -j RETURN
COMMIT
*nat
:DOCKER - [0:0]
-A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE
COMMIT
"""


def test_dockers_rules_go_before_their_chains_and_all_others_stay() -> None:
    assert [" ".join(arguments) for arguments in firewall.undo(BEFORE, AFTER, firewall.DOCKER)] == [
        "-t filter -D FORWARD -j DOCKER-USER",
        "-t filter -D FORWARD -o docker0 -j DOCKER",
        "-t filter -D FORWARD -i br-0123456789ab -m comment --comment two words -j ACCEPT",
        "-t filter -D DOCKER-USER -j RETURN",
        "-t nat -D POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "-t filter -X DOCKER",
        "-t filter -X DOCKER-USER",
        "-t nat -X DOCKER",
        "-t filter -P FORWARD ACCEPT",
    ]


def test_rules_that_were_there_before_stay() -> None:
    assert firewall.undo(AFTER, AFTER, firewall.DOCKER) == []


LIBVIRTS = BEFORE.replace(
    "COMMIT",
    """:LIBVIRT_INP - [0:0]
:LIBVIRT_FWO - [0:0]
-A INPUT -j LIBVIRT_INP
-A INPUT -i virbr0 -p udp -j ACCEPT
-A FORWARD -o docker0 -j DOCKER
COMMIT""",
).replace(":FORWARD ACCEPT", ":FORWARD DROP")


@pytest.mark.parametrize(
    ("source", "bridge", "is_left"),
    [
        ("172.16.78.0/24", "br-gone", True),
        ("172.16.0.0/12", "br-gone", True),
        ("172.16.78.0/24", "br-here", False),
        ("172.17.0.0/16", "br-gone", False),
    ],
)
def test_a_masking_rule_of_a_bridge_that_is_gone_is_found(
    source: str, bridge: str, is_left: bool
) -> None:
    rule = f"POSTROUTING -s {source} ! -o {bridge} -j MASQUERADE"
    saved = f"*nat\n:POSTROUTING ACCEPT [1:2]\n-A {rule}\nCOMMIT\n"
    found = firewall.masking(saved, nodes.SUBNET, {"lo", "br-here"})
    assert found == ([f"iptables -t nat -D {rule}"] if is_left else [])


def test_libvirts_rules_go_and_the_policy_of_somebody_else_stays() -> None:
    undone = firewall.undo(BEFORE, LIBVIRTS, firewall.LIBVIRT)
    assert [" ".join(arguments) for arguments in undone] == [
        "-t filter -D INPUT -j LIBVIRT_INP",
        "-t filter -D INPUT -i virbr0 -p udp -j ACCEPT",
        "-t filter -X LIBVIRT_INP",
        "-t filter -X LIBVIRT_FWO",
    ]


def test_a_machines_description_says_whose_it_is() -> None:
    described = f"{libvirt.DESCRIPTION}/home/me/my demo\n"
    assert libvirt.read_checkout(described) == Path("/home/me/my demo")
    assert libvirt.read_checkout("No description for domain: x") is None
