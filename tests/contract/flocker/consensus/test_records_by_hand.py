"""The commands of docs/operations.md that save and restore the cluster's records, typed on three
real members. `systemctl` is played; files lie where the test can have them."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from acceptance.base.waiting import eventually
from flocker.base.errors import ControlPlaneAway
from flocker.base.records import Event, Node, Volume
from flocker.consensus.etcd import EtcdOwnership
from host import ROOT
from judge.machine.ports import free_port

pytestmark = pytest.mark.contract

OPERATIONS = ROOT / "docs" / "operations.md"
AT = "2026-11-22T19:00:00.000+00:00"

SYSTEMCTL = """#!/bin/bash
set -eu
pid={folder}/pid
case $1 in
start) set -a; . {folder}/default; set +a
    etcd >>{folder}/log 2>&1 </dev/null & echo $! >$pid ;;
stop) kill $(cat $pid) || true; while kill -0 $(cat $pid) 2>/dev/null; do sleep 0.1; done ;;
esac
"""


def typed(heading: str) -> list[str]:
    """The root's commands below a heading of the document, as they stand there."""
    section = OPERATIONS.read_text().split(f"# {heading}\n")[1].split("\n##")[0]
    blocks = re.findall(r"```console\n(.*?)```", section, re.DOTALL)
    return [line[2:] for block in blocks for line in block.splitlines() if line.startswith("# ")]


class Server:
    """One of the three servers: an etcd with its settings and its data in a folder."""

    def __init__(self, folder: Path, name: str) -> None:
        self.name = name
        self.folder = folder / name
        self.folder.mkdir()
        self.client = f"http://127.0.0.1:{free_port()}"
        self.peer = f"http://127.0.0.1:{free_port()}"
        self.records = folder / "records.db"

    def configure(self, servers: list[Server]) -> None:
        cluster = ",".join(f"{each.name}={each.peer}" for each in servers)
        (self.folder / "default").write_text(
            f"ETCD_NAME={self.name}\n"
            f"ETCD_DATA_DIR={self.folder}/data\n"
            f"ETCD_LISTEN_CLIENT_URLS={self.client}\n"
            f"ETCD_ADVERTISE_CLIENT_URLS={self.client}\n"
            f"ETCD_LISTEN_PEER_URLS={self.peer}\n"
            f"ETCD_INITIAL_ADVERTISE_PEER_URLS={self.peer}\n"
            f"ETCD_INITIAL_CLUSTER={cluster}\n"
        )
        systemctl = self.folder / "systemctl"
        systemctl.write_text(SYSTEMCTL.format(folder=self.folder))
        systemctl.chmod(0o755)

    def type(self, *commands: str) -> str:
        """Type commands one after the other in one shell; what they print."""
        text = "\n".join(commands)
        text = re.sub(r" ETCDCTL_(CACERT|CERT|KEY)=\S+", "", text)
        for there, here in {
            "https://127.0.0.1:2379": self.client,
            "/etc/default/etcd": f"{self.folder}/default",
            "/var/lib/etcd/flocker": f"{self.folder}/data",
            "/root/records.db": str(self.records),
            "etcd: ": "root: ",
        }.items():
            text = text.replace(there, here)
        path = f"{self.folder}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-e", "-c", text], check=False, capture_output=True, text=True, timeout=60,
            env={"PATH": path},
        )  # fmt: skip
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
        return done.stdout

    def end(self) -> None:
        """Its power is cut."""
        pid = self.folder / "pid"
        if pid.exists():
            with suppress(ProcessLookupError):
                os.kill(int(pid.read_text()), signal.SIGKILL)

    def is_healthy(self) -> bool:
        try:
            return bool(requests.get(f"{self.client}/health", timeout=2).json()["health"] == "true")
        except requests.RequestException:
            return False


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[Server]]:
    servers = [Server(tmp_path, name) for name in ("node1", "node2", "node3")]
    try:
        for each in servers:
            each.configure(servers)
        for each in servers:
            each.type("systemctl start etcd")
        for each in servers:
            eventually(each.is_healthy, is_=True, within=30)
        yield servers
    finally:
        for each in servers:
            each.end()


def view(*servers: Server) -> EtcdOwnership:
    ownership = EtcdOwnership([each.client for each in servers], 15, None)
    ownership.announce(Node("node1", "127.0.0.1", "0", 0, 1))
    return ownership


def make(ownership: EtcdOwnership, name: str) -> Volume:
    volume = Volume(name, f"id-of-{name}", "node1", 1, AT)
    ownership.create(volume, Event(volume.id, name, AT, "node1", "created"))
    return volume


EXPORT, SAVE = typed("The cluster's records")


def test_the_records_are_restored_from_a_backup(servers: list[Server]) -> None:
    before = view(*servers)
    demo = make(before, "demo")
    servers[0].type(EXPORT, SAVE)
    make(before, "later")
    stop, *commands = typed("Restoring the records")
    assert any("snapshot restore" in command for command in commands)
    for each in servers:
        each.type(stop)
    for each in servers:
        each.type(EXPORT, *commands)
    for each in servers:
        eventually(each.is_healthy, is_=True, within=30)
    after = view(*servers)
    assert after.state().volumes == {"demo": demo}
    make(after, "again")
    assert set(before.state().volumes) == {"demo", "again"}  # daemons go on as they are


def test_one_member_of_three_goes_on(servers: list[Server]) -> None:
    last = servers[0]
    demo = make(view(*servers), "demo")
    for each in servers[1:]:
        each.end()
    with pytest.raises(ControlPlaneAway):
        make(view(last), "refused")
    printed = last.type(EXPORT, *_waiting(typed("Continuing with one member of three"), last))
    assert len(printed.strip().splitlines()) == 1
    assert "ETCD_FORCE" not in (last.folder / "default").read_text()
    assert (last.folder / "data.before").is_dir()
    alone = view(last)
    assert alone.state().volumes == {"demo": demo}
    make(alone, "new")
    last.type("systemctl stop etcd", "systemctl start etcd")  # it stays so after a restart
    eventually(last.is_healthy, is_=True, within=30)
    assert set(view(last).state().volumes) == {"demo", "new"}


def _waiting(commands: list[str], server: Server) -> list[str]:
    """As systemd does, `start` returns when etcd answers."""
    ready = f"until curl -fs {server.client}/health | grep -q true; do sleep 0.2; done"
    return [
        f"{command}; {ready}" if command == "systemctl start etcd" else command
        for command in commands
    ]
