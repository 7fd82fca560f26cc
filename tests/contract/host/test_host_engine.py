"""Starting and stopping a real engine leaves the machine as it was."""

from __future__ import annotations

import pytest

from tests.contract.host.conftest import Machine

pytestmark = pytest.mark.contract

START = "from host import engine; engine.start()"
STOP = "from host import engine; engine.stop()"
GUARD = ("OUTPUT", "-d", "172.16.0.0/12", "-o", "lo", "-j", "REJECT")


def network(machine: Machine) -> tuple[str, ...]:
    """The rules without Docker's, which must not be there, and the interfaces' names."""
    rules = [line for line in machine.get("iptables-save").splitlines() if line.startswith("-A")]
    links = [line.split()[0] for line in machine.get("ip", "-br", "link").splitlines()]
    return (*rules, *links, machine.get("cat", "/proc/sys/net/ipv4/ip_forward"))


def engines(machine: Machine) -> list[str]:
    return machine.run("pgrep", "--list-name", "dockerd|containerd").stdout.split()


def is_recorded(machine: Machine) -> bool:
    return (machine.checkout / "build/engine/started.json").exists()


def test_an_engine_is_started_once_and_taken_back_whole(machine: Machine) -> None:
    machine.get("iptables", "-I", *GUARD)
    before = network(machine)
    machine.python(START)
    running = engines(machine)
    assert "dockerd" in running
    machine.python(START)
    assert engines(machine) == running
    assert "docker0" in " ".join(network(machine))
    machine.python(STOP)
    assert engines(machine) == []
    assert network(machine) == before
    assert not is_recorded(machine)
    machine.python(STOP)


def test_an_engine_that_was_there_is_used_and_left_up(machine: Machine) -> None:
    machine.python(START)
    running = engines(machine)
    second = machine.clone(machine.checkout.parent / "second")
    second.python(START)
    second.python(STOP)
    assert engines(machine) == running


def test_an_engine_that_was_killed_is_started_again_and_taken_back_whole(machine: Machine) -> None:
    before = network(machine)
    machine.python(START)
    machine.get("pkill", "-KILL", "dockerd")
    machine.python(START)
    machine.python(STOP)
    assert network(machine) == before


def test_an_engine_others_started_after_ours_was_killed_keeps_its_network(machine: Machine) -> None:
    machine.python(START)
    machine.get("pkill", "-KILL", "dockerd")
    machine.clone(machine.checkout.parent / "second").python(START)
    running, its_network = engines(machine), network(machine)
    assert "docker0" in " ".join(its_network)
    machine.python(STOP)
    assert engines(machine) == running
    assert network(machine) == its_network
    assert not is_recorded(machine)


def test_a_later_process_with_the_engines_number_is_left_alone(machine: Machine) -> None:
    machine.python(START)
    machine.get("pkill", "-KILL", "dockerd")
    pretend = (
        "import dataclasses, json, os, subprocess; from host import engine;"
        "other = subprocess.Popen(['cat'], stdin=subprocess.PIPE);"
        "record = json.loads(engine.RECORD.read_text()) | {'pid': other.pid};"
        "engine.RECORD.write_text(json.dumps(record)); engine.stop();"
        "assert other.poll() is None, 'ended a process of somebody else'"
    )
    machine.python(pretend)


def test_an_engine_that_cannot_start_is_one_line_with_its_reason(machine: Machine) -> None:
    before = network(machine)
    machine.get("sh", "-c", "echo not a folder > /var/lib/docker")
    done = machine.run("/usr/bin/python3", "-c", START)
    assert done.returncode == 1
    reason = done.stderr.splitlines()[-1]
    assert "Docker's engine does not start" in reason
    assert "/var/lib/docker" in reason
    assert engines(machine) == []
    assert network(machine) == before
