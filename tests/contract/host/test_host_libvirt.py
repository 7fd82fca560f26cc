"""Starting and stopping a real libvirt leaves the machine as it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from host import libvirt
from tests.contract.host.conftest import Machine

pytestmark = [pytest.mark.contract, pytest.mark.vm]

START = "from host import libvirt; libvirt.start()"
STOP = "from host import libvirt; libvirt.stop()"
GUARD = ("OUTPUT", "-d", "172.16.0.0/12", "-o", "lo", "-j", "REJECT")
NETWORK = """<network>
  <name>vagrant-libvirt</name>
  <bridge name="virbr7"/>
  <forward mode="nat"/>
  <ip address="192.168.121.1" netmask="255.255.255.0">
    <dhcp><range start="192.168.121.2" end="192.168.121.254"/></dhcp>
  </ip>
</network>"""
# It has no disk to boot from, and runs.
MACHINE = """<domain type="qemu">
  <name>{name}</name>
  <description>{description}</description>
  <memory unit="MiB">16</memory>
  <os><type arch="x86_64">hvm</type></os>
</domain>"""


def surroundings(machine: Machine) -> tuple[str, ...]:
    """The rules and chains, the interfaces' names, and whether packets are forwarded."""
    saved = machine.get("iptables-save").splitlines()
    rules = [line for line in saved if line.startswith("-A") or "LIBVIRT" in line]
    links = [line.split()[0] for line in machine.get("ip", "-br", "link").splitlines()]
    return (*rules, *links, machine.get("cat", "/proc/sys/net/ipv4/ip_forward"))


def daemons(machine: Machine) -> list[str]:
    """`PID NAME` of what belongs to libvirt."""
    return machine.run("pgrep", "--list-name", "virt|dnsmasq|qemu").stdout.splitlines()


def virsh(machine: Machine, command: str, definition: str) -> None:
    file = machine.checkout / "definition.xml"
    file.write_text(definition)
    machine.get(*libvirt.VIRSH, command, str(file))


def start_network(machine: Machine) -> None:
    virsh(machine, "net-create", NETWORK)
    assert "virbr7" in machine.get("ip", "-br", "link")


def test_libvirt_is_started_once_and_taken_back_whole(machine: Machine) -> None:
    machine.get("iptables", "-I", *GUARD)
    before = surroundings(machine)
    machine.python(START)
    running = daemons(machine)
    assert {line.split()[1] for line in running} == {"virtlogd", "libvirtd"}
    machine.python(START)
    assert daemons(machine) == running
    start_network(machine)
    assert surroundings(machine) != before
    machine.python(STOP)
    assert daemons(machine) == []
    assert surroundings(machine) == before
    machine.python(STOP)


def test_libvirt_that_was_there_is_used_and_left_up(machine: Machine) -> None:
    machine.python(START)
    start_network(machine)
    running = daemons(machine)
    second = machine.clone(machine.checkout.parent / "second")
    second.python(START)
    second.python(STOP)
    assert daemons(machine) == running


def test_libvirt_that_was_killed_is_started_again_and_taken_back_whole(machine: Machine) -> None:
    before = surroundings(machine)
    machine.python(START)
    start_network(machine)
    machine.get("pkill", "-KILL", "libvirtd")
    machine.python(START)
    machine.python(STOP)
    assert daemons(machine) == []
    assert surroundings(machine) == before


def test_libvirt_others_started_after_ours_was_killed_keeps_its_network(machine: Machine) -> None:
    machine.python(START)
    machine.get("pkill", "-KILL", "libvirtd")
    machine.clone(machine.checkout.parent / "second").python(START)
    start_network(machine)
    running, theirs = daemons(machine), surroundings(machine)
    machine.python(STOP)
    assert daemons(machine) == running
    assert surroundings(machine) == theirs


def test_libvirt_stays_up_for_others_machines_and_ours_are_told_from_them(machine: Machine) -> None:
    machine.python(START)
    whose = libvirt.DESCRIPTION + "/home/me/demo"
    virsh(machine, "create", MACHINE.format(name="shop", description=whose))
    virsh(
        machine, "define", MACHINE.format(name="volume-plugins-demo-node1", description=whose)
    )  # fmt: skip
    found = "from host import libvirt; print([(m.name, m.checkout) for m in libvirt.machines()])"
    expected = [("volume-plugins-demo-node1", Path("/home/me/demo"))]
    assert machine.python(found).strip() == str(expected)
    assert "shop of others runs in it" in machine.python(STOP)
    machine.get(*libvirt.VIRSH, "destroy", "shop")
    machine.python(STOP)
    assert daemons(machine) == []


def test_the_copy_of_a_box_goes_with_the_last_node(machine: Machine) -> None:
    machine.python(START)
    machine.get(*libvirt.VIRSH, "pool-create-as", libvirt.POOL, "dir", "--target", "/run")
    for name in (libvirt.BOX_VOLUMES + "0_1_box.img", "shop.img"):
        machine.get(*libvirt.VIRSH, "vol-create-as", libvirt.POOL, name, "1M")
    node = MACHINE.format(name="volume-plugins-demo-node1", description="")
    virsh(machine, "define", node)
    remove = "from host import libvirt; libvirt.remove_box_volumes()"

    def volumes() -> list[str]:
        listed = machine.get(*libvirt.VIRSH, "vol-list", libvirt.POOL).splitlines()
        return [line.split()[0] for line in listed if line.strip().endswith(".img")]

    machine.python(remove)
    assert len(volumes()) == 2
    machine.get(*libvirt.VIRSH, "undefine", "volume-plugins-demo-node1")
    machine.python(remove)
    assert volumes() == ["shop.img"]


def test_libvirt_that_cannot_start_is_one_line_with_its_reason(machine: Machine) -> None:
    before = surroundings(machine)
    machine.get("sh", "-c", "echo not a folder > /run/libvirt")
    done = machine.run("/usr/bin/python3", "-c", START)
    assert done.returncode == 1
    reason = done.stderr.splitlines()[-1]
    assert "virtlogd does not start: " in reason
    assert "/run/libvirt" in reason
    assert daemons(machine) == []
    assert surroundings(machine) == before
