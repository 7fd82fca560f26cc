"""Every bad surrounding gets its one line, and good ones none."""

from dataclasses import replace
from ipaddress import IPv4Network
from pathlib import Path

import pytest

from host import nodes, surroundings
from host.nodes import Container, Network
from host.surroundings import GIB, Disk, Facts, Route

HERE = Path("/home/me/demo")
GOOD = Facts(
    checkout=HERE,
    is_root=True,
    routes=(
        Route("eth0", IPv4Network("0.0.0.0/0")),
        Route("eth0", IPv4Network("192.0.2.0/24")),
    ),
    networks=(Network("bridge", "docker0", (IPv4Network("172.17.0.0/16"),)),),
    containers=(),
    disks=(Disk(HERE, 100 * GIB, 9 * GIB),),
    missing_programs=(),
    engine_answers=True,
    engine_last_line="",
    has_machines=False,
)
OURS = Network(nodes.NETWORK, "br-0123456789ab", (nodes.SUBNET,))
ALL = (*surroundings.BEFORE_INSTALLING, *surroundings.BEFORE_NODES)


def node(name: str, checkout: Path | None) -> Container:
    return Container(f"volume-plugins-demo-{name}", checkout, 1, (), ())


def only_problem(facts: Facts) -> str:
    found = surroundings.problems(facts, ALL)
    assert len(found) == 1, found
    assert "\n" not in found[0]
    return found[0]


def test_a_good_machine_has_no_problem() -> None:
    assert surroundings.problems(GOOD, ALL) == []


def test_our_own_running_nodes_are_no_problem() -> None:
    running = replace(
        GOOD,
        routes=(*GOOD.routes, Route(OURS.bridge, nodes.SUBNET)),
        networks=(*GOOD.networks, OURS),
        containers=(node("node1", HERE), node("node2", HERE)),
        has_machines=True,
    )
    assert surroundings.problems(running, ALL) == []


@pytest.mark.parametrize("interface", ["virbr1", "vboxnet0"])
def test_the_network_of_our_own_virtual_machines_is_no_problem(interface: str) -> None:
    route = Route(interface, nodes.SUBNET)
    running = replace(GOOD, routes=(*GOOD.routes, route), has_machines=True)
    assert surroundings.problems(running, ALL) == []
    assert interface in only_problem(replace(running, has_machines=False))


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
    assert surroundings.problems(replace(GOOD, routes=(route,)), ALL) == []


def test_a_docker_network_that_overlaps_the_subnet_is_named_once() -> None:
    other = Network("shop_default", "br-ffffffffffff", (IPv4Network("172.16.0.0/16"),))
    facts = replace(
        GOOD,
        networks=(*GOOD.networks, other),
        routes=(*GOOD.routes, Route(other.bridge, other.subnets[0])),
    )
    assert "docker network rm shop_default" in only_problem(facts)


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


def test_several_problems_get_a_line_each() -> None:
    facts = replace(GOOD, engine_answers=False, missing_programs=("chromium",))
    assert len(surroundings.problems(facts, ALL)) == 2


def test_an_engine_need_not_answer_who_is_not_root() -> None:
    assert "root" in only_problem(replace(GOOD, is_root=False, engine_answers=False))


def test_routes_are_read_from_the_kernels_table() -> None:
    table = (
        "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
        "eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n"
        "br-1\t004E10AC\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
        "*\t004E10AC\t00000000\t0201\t0\t0\t0\t80FFFFFF\t0\t0\t0\n"
    )
    assert surroundings.read_routes(table) == (
        Route("eth0", IPv4Network("0.0.0.0/0")),
        Route("br-1", IPv4Network("172.16.78.0/24")),
        Route("*", IPv4Network("172.16.78.0/25")),
    )


def test_one_file_system_has_to_hold_what_both_folders_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(surroundings, "ENGINE_DATA", tmp_path / "not" / "there" / "yet")
    monkeypatch.setattr(surroundings, "ROOT", tmp_path)
    (disk,) = surroundings.read_disks()
    assert disk.needed_bytes == surroundings.ENGINE_BYTES + surroundings.CHECKOUT_BYTES
    assert disk.free_bytes > 0
