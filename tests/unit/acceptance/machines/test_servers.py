"""What the suite needs to know of servers without asking them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import pytest

from acceptance.machines.protocol import Ability
from acceptance.machines.servers import Servers, interface_to
from acceptance.machines.upload import below
from host.routes import Route

ROUTES = (
    Route("eth0", IPv4Network("0.0.0.0/0")),
    Route("tun0", IPv4Network("10.0.0.0/8")),
    Route("br0", IPv4Network("10.0.7.0/24")),
)
POWER = ", power: {off: 'true', on: 'true'}"
HOLD = ", power: {hold: 'true', let_go: 'true'}"


def servers(folder: Path, *extras: str) -> Servers:
    entries = [f"node{n}: {{address: 10.0.0.{n}{extra}}}" for n, extra in enumerate(extras, 1)]
    file = folder / "servers.yml"
    file.write_text("nodes: {" + ", ".join(entries) + "}")
    return Servers(file)


@pytest.mark.parametrize(
    ("address", "interface"), [("10.0.7.1", "br0"), ("10.9.9.9", "tun0"), ("192.0.2.1", "eth0")]
)
def test_packets_leave_by_the_narrowest_route(address: str, interface: str) -> None:
    assert interface_to(IPv4Address(address), ROUTES) == interface


def test_without_a_route_they_do_not_leave() -> None:
    assert interface_to(IPv4Address("192.0.2.1"), ROUTES[1:]) is None


@pytest.mark.parametrize(
    ("extras", "abilities"),
    [
        (("", ""), set()),
        ((POWER, ""), set()),
        ((POWER, POWER), {Ability.POWER, Ability.FORGET}),
        ((HOLD, HOLD), {Ability.HOLD}),
    ],
)
def test_what_can_be_done_to_servers_is_what_all_have_a_switch_for(
    tmp_path: Path, extras: tuple[str, ...], abilities: set[Ability]
) -> None:
    assert servers(tmp_path, *extras).abilities == abilities


def test_keys_lie_beside_the_inventory(tmp_path: Path) -> None:
    assert servers(tmp_path, "", "").certificates == tmp_path / "servers.certs" / "operator"


def test_a_switch_that_fails_is_an_error(tmp_path: Path) -> None:
    broken = servers(tmp_path, ", power: {off: 'false', on: 'false'}", POWER)
    with pytest.raises(Exception, match="non-zero exit status 1"):
        broken.power_off("node1")


def test_what_python_compiled_is_not_uploaded(tmp_path: Path) -> None:
    for path in ("app/__pycache__/a.pyc", "app/a.py", "app/web/b.py", "other/c"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    assert sorted(below(tmp_path, "app/**/*")) == ["app/a.py", "app/web/b.py"]
