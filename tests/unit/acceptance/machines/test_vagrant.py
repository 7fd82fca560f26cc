"""Vagrant's nodes are known by the keys that were noted when they were made."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from paramiko import BadHostKeyException, ECDSAKey

from acceptance.machines import vagrant
from acceptance.machines.protocol import NodesNotUp
from acceptance.machines.vagrant import VagrantMachines
from tests.unit.acceptance.nodes.sshd import ADDRESS, USER, Sshd, log_in, sshd


@pytest.fixture
def vagrants(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> VagrantMachines:
    """Machines with node1 alone, a container; Vagrant says where it is."""
    monkeypatch.setattr(vagrant, "ROOT", tmp_path)
    monkeypatch.setattr(vagrant, "UP_LOG", tmp_path / "vagrant-up.log")
    identity = tmp_path / ".vagrant" / "machines" / "node1" / "docker" / "id"
    identity.parent.mkdir(parents=True)
    identity.write_text("0123")
    return VagrantMachines()


def says(made: VagrantMachines, node: Sshd, key: Path) -> None:
    """Have Vagrant say what it says of node1; nobody is to be asked for its host key."""
    config = (
        f"Host node1\n  HostName {ADDRESS}\n  User {USER}\n  Port {node.port}\n"
        "  UserKnownHostsFile /dev/null\n  StrictHostKeyChecking no\n"
        f"  IdentityFile {key}\n"
    )
    made._vagrant = SimpleNamespace(ssh_config=lambda: config)


def note(folder: Path, line: str) -> Path:
    """Leave what the Vagrantfile does."""
    noted = folder / ".vagrant" / "machines" / "node1" / "docker" / "known_hosts"
    noted.write_text(line)
    return noted


def line_of(key: ECDSAKey) -> str:
    return f"node1 {key.get_name()} {key.get_base64()}\n"


def test_a_node_is_logged_in_to_by_the_key_that_was_noted(
    vagrants: VagrantMachines, tmp_path: Path
) -> None:
    with sshd(tmp_path / "none.sock") as node:
        log_in(node, tmp_path, None)  # makes the user's key
        says(vagrants, node, tmp_path / "id_ecdsa")
        note(tmp_path, line_of(node.host_key))
        [access] = vagrants.access()
        with access.shell as shell:
            shell.open()
    assert node.logins == 1


def test_who_answers_with_another_key_is_told_nothing_and_where_the_right_one_is(
    vagrants: VagrantMachines, tmp_path: Path
) -> None:
    with sshd(tmp_path / "none.sock") as node:
        log_in(node, tmp_path, None)
        says(vagrants, node, tmp_path / "id_ecdsa")
        noted = note(tmp_path, line_of(ECDSAKey.generate()))
        [access] = vagrants.access()
        with pytest.raises(BadHostKeyException) as caught:
            access.shell.open()
    assert node.logins == 0
    said = str(access.away(caught.value))
    assert said.startswith(f"who answers for node1 at {ADDRESS} shows another host key")
    assert str(noted) in said


def test_a_node_whose_key_was_not_noted_is_not_asked_for_it(
    vagrants: VagrantMachines, tmp_path: Path
) -> None:
    with sshd(tmp_path / "none.sock") as node:
        says(vagrants, node, tmp_path / "id_ecdsa")
        with pytest.raises(NodesNotUp, match="node1: its host key has not been noted; type: vag"):
            vagrants.access()
    assert node.logins == 0


def test_nodes_that_run_are_left_as_they_are(vagrants: VagrantMachines) -> None:
    vagrants._vagrant = SimpleNamespace(ssh_config=lambda: "Host node1\n")
    vagrants.up()
    vagrants.take_back()
    assert vagrants.kind == "docker"


def test_nodes_are_brought_up_if_one_does_not_run(vagrants: VagrantMachines) -> None:
    done = []

    def ssh_config() -> str:
        if not done:
            raise subprocess.CalledProcessError(1, "vagrant ssh-config")  # it is not ready
        return "Host node1\n"

    vagrants._vagrant = SimpleNamespace(
        ssh_config=ssh_config,
        up=lambda: done.append("up"),
        destroy=lambda: done.append("destroy"),
    )
    vagrants.up()
    vagrants.take_back()
    assert done == ["up", "destroy"]
