"""Every bad surrounding gets its one line, and good ones none."""

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from host import nodes, preflight
from host.facts import GIB, Disk, Facts
from host.libvirt import Machine
from host.nodes import Container, Network
from host.routes import Route

HERE = Path("/home/me/demo")
GOOD = Facts(
    checkout=HERE,
    provider="docker",
    is_root=True,
    routes=(
        Route("eth0", IPv4Network("0.0.0.0/0")),
        Route("eth0", IPv4Network("192.0.2.0/24")),
    ),
    masking_rules=(),
    networks=(Network("bridge", "docker0", (IPv4Network("172.17.0.0/16"),)),),
    containers=(),
    machines=(),
    disks=(Disk(HERE, 100 * GIB, 9 * GIB),),
    free_memory_bytes=16 * GIB,
    missing_programs=(),
    engine_answers=True,
    engine_last_line="",
    nodes_of=frozenset(),
    wanted_size="3",
    made_size=None,
    closed=(),
    wanted_ceph="",
    with_ceph=False,
)
VIRTUAL = replace(GOOD, provider="libvirt", engine_answers=False)
OURS = Network(nodes.NETWORK, "br-0123456789ab", (nodes.SUBNET,))
ALL = (*preflight.BEFORE_INSTALLING, *preflight.BEFORE_NODES)


def node(name: str, checkout: Path | None) -> Container:
    return Container(f"volume-plugins-demo-{name}", checkout, 1, (), ())


def only_problem(facts: Facts) -> str:
    found = preflight.problems(facts, ALL)
    assert len(found) == 1, found
    assert "\n" not in found[0]
    return found[0]


def test_a_good_machine_has_no_problem() -> None:
    assert preflight.problems(GOOD, ALL) == []


def test_our_own_running_nodes_are_no_problem() -> None:
    running = replace(
        GOOD,
        routes=(*GOOD.routes, Route(OURS.bridge, nodes.SUBNET)),
        networks=(*GOOD.networks, OURS),
        containers=(node("node1", HERE), node("node2", HERE)),
        nodes_of=frozenset({"docker"}),
        made_size="3",
    )
    assert preflight.problems(running, ALL) == []


@pytest.mark.parametrize("interface", ["virbr1", "vboxnet0"])
def test_the_network_of_our_own_virtual_machines_is_no_problem(interface: str) -> None:
    route = Route(interface, nodes.SUBNET)
    running = replace(
        VIRTUAL, routes=(*GOOD.routes, route), nodes_of=frozenset({"libvirt"}),
        machines=(Machine("volume-plugins-demo-node1", "u", HERE),),
    )  # fmt: skip
    assert preflight.problems(running, ALL) == []
    assert interface in only_problem(replace(running, nodes_of=frozenset()))


def test_virtual_machines_need_no_engine() -> None:
    assert preflight.problems(VIRTUAL, ALL) == []


def test_the_other_nodes_of_this_checkout_are_taken_away_first() -> None:
    line = only_problem(replace(VIRTUAL, nodes_of=frozenset({"docker"})))
    assert "nodes made with docker; before PROVIDER=libvirt type: make down" in line


@pytest.mark.parametrize("size", ["0", "1", "4", "many"])
def test_a_number_of_nodes_that_there_is_no_cluster_for(size: str) -> None:
    assert only_problem(replace(GOOD, wanted_size=size)) == f"NODES must be 2 or 3, not '{size}'"


def test_a_cluster_keeps_its_size() -> None:
    assert "made with NODES=2" in only_problem(replace(GOOD, made_size="2"))
    assert preflight.problems(replace(GOOD, wanted_size="2", made_size="2"), ALL) == []


def test_a_ceph_needs_three_containers_that_were_made_with_it() -> None:
    asked = replace(GOOD, wanted_ceph="yes", with_ceph=True)
    assert preflight.problems(asked, ALL) == []
    assert preflight.problems(replace(asked, wanted_ceph="", made_size="3"), ALL) == []
    assert "CEPH=yes needs three nodes" in only_problem(replace(asked, wanted_size="2"))
    virtual = replace(VIRTUAL, wanted_ceph="yes", with_ceph=True)
    assert "CEPH=yes needs three nodes" in only_problem(virtual)
    assert "made without Ceph; before CEPH=yes type: make down" in only_problem(
        replace(asked, with_ceph=False, made_size="3")
    )
    assert only_problem(replace(GOOD, wanted_ceph="no")) == "CEPH must be yes or nothing, not 'no'"


def test_too_little_memory_for_virtual_machines() -> None:
    little = replace(VIRTUAL, free_memory_bytes=4 * GIB)
    line = only_problem(little)
    assert "4.0 GiB of memory are free, 3 virtual machines need 6.0 GiB" in line
    assert "choose NODES=2" in line
    assert preflight.problems(replace(little, wanted_size="2"), ALL) == []
    assert "NODES=2" not in only_problem(replace(little, wanted_size="2", free_memory_bytes=GIB))
    assert preflight.problems(replace(GOOD, free_memory_bytes=GIB), ALL) == []


def test_virtual_machines_that_are_there_have_their_memory() -> None:
    running = replace(VIRTUAL, free_memory_bytes=GIB, nodes_of=frozenset({"libvirt"}))
    assert preflight.problems(running, ALL) == []


def test_virtualbox_has_to_be_installed_by_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    facts = replace(VIRTUAL, provider="virtualbox")
    assert "VBoxManage not found" in only_problem(facts)
    (tmp_path / "VBoxManage").touch(mode=0o755)
    assert preflight.problems(facts, ALL) == []


def test_a_route_over_the_network_vagrant_reaches_machines_by() -> None:
    lan = Route("eth1", IPv4Network("192.168.121.0/24"))
    line = only_problem(replace(VIRTUAL, routes=(*GOOD.routes, lan)))
    assert "taken by the route 192.168.121.0/24 on interface eth1" in line
    own = Route("virbr0", IPv4Network("192.168.121.0/24"))
    assert preflight.problems(replace(VIRTUAL, routes=(*GOOD.routes, own)), ALL) == []
    assert preflight.problems(replace(GOOD, routes=(*GOOD.routes, lan)), ALL) == []


def test_neither_root_nor_sudo() -> None:
    assert "log in as root" in only_problem(replace(GOOD, is_root=False))


def test_an_engine_that_does_not_answer_is_shown_with_the_end_of_its_log() -> None:
    line = only_problem(replace(GOOD, engine_answers=False, engine_last_line="no cgroups"))
    assert "no cgroups" in line
    assert "docker version" in line


@pytest.mark.parametrize(
    ("interface", "destination"),
    [("eth1", "172.16.78.0/24"), ("tun0", "172.16.0.0/12"), ("*", "172.16.78.128/25")],
)
def test_a_route_that_overlaps_the_subnet(interface: str, destination: str) -> None:
    route = Route(interface, IPv4Network(destination))
    line = only_problem(replace(GOOD, routes=(*GOOD.routes, route)))
    assert f"taken by the route {destination} on interface {interface}" in line


@pytest.mark.parametrize("destination", ["172.16.79.0/24", "172.17.0.0/16", "0.0.0.0/0"])
def test_a_route_next_to_the_subnet_is_no_problem(destination: str) -> None:
    route = Route("eth1", IPv4Network(destination))
    assert preflight.problems(replace(GOOD, routes=(route,)), ALL) == []


def test_a_docker_network_that_overlaps_the_subnet_is_named_once() -> None:
    other = Network("shop_default", "br-ffffffffffff", (IPv4Network("172.16.0.0/16"),))
    facts = replace(
        GOOD,
        networks=(*GOOD.networks, other),
        routes=(*GOOD.routes, Route(other.bridge, other.subnets[0])),
    )
    assert "docker network rm shop_default" in only_problem(facts)


def test_a_rule_that_a_killed_engine_left_for_the_nodes_addresses() -> None:
    command = "iptables -t nat -D POSTROUTING -s 172.16.78.0/24 ! -o br-1 -j MASQUERADE"
    assert only_problem(replace(GOOD, masking_rules=(command,))).endswith(f"; type: {command}")


def test_too_little_disk_says_how_much_and_where() -> None:
    line = only_problem(replace(GOOD, disks=(Disk(Path("/my var"), GIB * 5 // 2, 6 * GIB),)))
    assert "2.5 GiB are free at /my var, 6 GiB are needed" in line
    assert "du -xh --max-depth=2 '/my var' | sort -h" in line


def test_a_missing_browser_is_named() -> None:
    assert "chromedriver not found" in only_problem(
        replace(GOOD, missing_programs=("chromedriver",))
    )


def test_nodes_of_another_checkout_are_removed_by_that_checkout(tmp_path: Path) -> None:
    another = tmp_path / "the other"
    another.mkdir()
    (another / "Makefile").touch()
    facts = replace(GOOD, containers=(node("node2", another), node("node1", another)))
    line = only_problem(facts)
    assert f"nodes of the checkout {another} are up" in line
    assert "volume-plugins-demo-node1 volume-plugins-demo-node2" in line
    assert f"make -C '{another}' down" in line


def test_nodes_of_a_checkout_that_is_gone_are_removed_by_hand(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    line = only_problem(replace(GOOD, containers=(node("node1", gone),)))
    assert "docker rm --force --volumes volume-plugins-demo-node1" in line


def test_virtual_machines_of_a_checkout_that_is_gone_are_removed_by_hand(tmp_path: Path) -> None:
    lost = Machine("volume-plugins-demo-node1", "u", tmp_path / "gone")
    line = only_problem(replace(VIRTUAL, machines=(lost,)))
    assert "virsh undefine --remove-all-storage $n" in line
    assert "for n in volume-plugins-demo-node1; do" in line


def test_several_problems_get_a_line_each() -> None:
    facts = replace(GOOD, engine_answers=False, missing_programs=("chromium",))
    assert len(preflight.problems(facts, ALL)) == 2


def test_an_engine_need_not_answer_who_is_not_root() -> None:
    assert "root" in only_problem(replace(GOOD, is_root=False, engine_answers=False))


def test_a_checkout_that_nodes_cannot_read_is_said_with_what_to_type() -> None:
    closed = replace(GOOD, checkout=Path("/my demo"), closed=(Path("/my demo/app"),))
    said = only_problem(closed)
    assert said.endswith("type: chmod -R o+rX '/my demo/app' '/my demo/bench'")
    assert preflight.problems(replace(VIRTUAL, closed=closed.closed), ALL) == []
