"""What is wrong with a server is one line that says what to do; the facts are of a real one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from acceptance.machines.facts import Facts, parse
from acceptance.machines.preflight import (
    BEFORE_INSTALLING,
    BEFORE_SCENARIOS,
    GIB,
    Wanted,
    problems,
)

PRINTED = """\
system debian 12
architecture amd64
has systemd
has btrfs
address 127.0.0.1
address 10.0.0.1
listener 22 users:(("sshd",pid=114,fd=3))
listener 33039
free 77000650752
"""
NEW = parse(PRINTED)
WANTED = Wanted("node1", "10.0.0.1", "ssh admin@10.0.0.1", "amd64", frozenset({"cafe", "new"}), 3)
NODE = replace(
    NEW,
    node="node1",
    authorities=frozenset({"cafe"}),
    etcd_members=3,
    listeners={2379: "etcd (process 7)"},
)


def only_problem(facts: Facts, wanted: Wanted = WANTED) -> str:
    [line] = problems(facts, wanted, BEFORE_SCENARIOS)
    return line


def test_what_a_server_tells_is_understood() -> None:
    assert NEW.system == "debian 12"
    assert NEW.addresses == ("127.0.0.1", "10.0.0.1")
    assert NEW.listeners == {22: "sshd (process 114)", 33039: "somebody"}
    told = parse(
        f"{PRINTED}node node1\nendpoints https://10.0.0.1:2379,https://10.0.0.2:2379\n"
        "authority -----BEGIN CERTIFICATE-----\nauthority ca\nauthority fe\n"
        "authority -----END CERTIFICATE-----\nauthority -----BEGIN CERTIFICATE-----\n"
        "authority old\nauthority -----END CERTIFICATE-----\nhas scenarios\nhas work\n"
        "container running app-web-1\ncontainer exited old\nvolume demo\n"
    )
    assert (told.node, told.authorities) == ("node1", {"cafe", "old"})
    assert told.etcd_members == 2
    assert told.containers == {"app-web-1": "running", "old": "exited"}
    assert told.volumes == ("demo",)
    assert told.is_used_by_scenarios
    assert told.is_working


@pytest.mark.parametrize("system", ["debian 12", "debian 13", "ubuntu 24.04"])
def test_a_new_server_will_do(system: str) -> None:
    assert problems(replace(NEW, system=system), WANTED, BEFORE_SCENARIOS) == []


def test_so_will_a_node_of_the_cluster() -> None:
    assert problems(replace(NODE, free_bytes=0), WANTED, BEFORE_SCENARIOS) == []


@pytest.mark.parametrize(
    ("facts", "said"),
    [
        (replace(NEW, system="debian 11"), "runs debian 11, not Debian 12 or Debian 13 or Ubuntu"),
        (replace(NEW, system=" "), "runs an unknown system"),
        (replace(NEW, architecture="arm64"), "is arm64, and this machine builds for amd64"),
        (replace(NEW, has=frozenset({"btrfs"})), "was not started by systemd"),
        (replace(NEW, has=frozenset({"systemd"})), "has a kernel without btrfs"),
        (replace(NEW, addresses=("127.0.0.1", "10.9.9.9")), "has 10.9.9.9, not 10.0.0.1"),
        (replace(NEW, addresses=("127.0.0.1",)), "has none, not 10.0.0.1"),
        (replace(NODE, node="node2"), "is node2 already"),
        (replace(NODE, authorities=frozenset({"beef"})), "is node1 of another cluster already"),
        (
            replace(NODE, etcd_members=1),
            "was made for two servers, and this inventory has three or more servers",
        ),
        (
            replace(NEW, listeners={2379: "a (process 1)", 4523: "b (process 2)"}),
            "port 2379 (for etcd) is taken by a (process 1); "
            "port 4523 (for the driver) is taken by b (process 2); stop that first",
        ),
        (replace(NEW, has=NEW.has | {"other-settings"}), "has an /etc/docker/daemon.json"),
        (replace(NEW, has=NEW.has | {"other-folder"}), "has something else in /vagrant"),
        (replace(NEW, free_bytes=GIB), "has 1.0 GiB free at /var/lib, and needs 3 GiB"),
        (replace(NEW, listeners={80: "nginx (process 9)"}), "port 80 (for the app) is taken by n"),
        (replace(NODE, containers={"shop": "exited"}), "has containers shop, and scenarios remove"),
        (replace(NODE, volumes=("a", "b")), "has volumes a, b, and scenarios remove"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_line(facts: Facts, said: str) -> None:
    assert said in only_problem(facts)


def test_containers_of_others_are_not_stopped_unasked() -> None:
    facts = replace(NEW, containers={"shop": "running", "old": "exited"})
    [line] = problems(facts, WANTED, BEFORE_INSTALLING)
    assert "runs shop, which would stop" in line
    assert "docker stop shop" in line


def test_a_node_with_containers_can_be_brought_up_to_date() -> None:
    facts = replace(NODE, containers={"shop": "running"}, volumes=("orders",))
    assert problems(facts, WANTED, BEFORE_INSTALLING) == []


def test_what_scenarios_left_is_theirs() -> None:
    facts = replace(
        NODE,
        containers={"app-web-1": "running"},
        volumes=("demo",),
        listeners={80: "docker-proxy (process 5)"},
        has=NODE.has | {"scenarios"},
    )
    assert problems(facts, WANTED, BEFORE_SCENARIOS) == []
