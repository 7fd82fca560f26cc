"""The settings and first keys of the nodes' Ceph, as Ceph's own programs read them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from host import ROOT

pytestmark = pytest.mark.contract

SCRIPT = ROOT / "provision" / "ceph-keys"
# Addresses of no other test: the port of a monitor is always the same.
NODES = {f"node{n}": f"127.78.{os.getpid() % 256}.{n}" for n in (1, 2, 3)}


def make(directory: Path, *pairs: str) -> subprocess.CompletedProcess[str]:
    command = [SCRIPT, directory, *pairs]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)


@pytest.fixture
def made(tmp_path: Path) -> Path:
    done = make(tmp_path / "ceph", *(f"{name}={address}" for name, address in NODES.items()))
    assert (done.returncode, done.stderr) == (0, "")
    return tmp_path / "ceph"


@pytest.fixture
def monitors(made: Path, tmp_path: Path) -> Iterator[list[str]]:
    """Options of a client of three monitors; each runs in its own folder."""
    addresses = [word for name, at in NODES.items() for word in ("--addv", name, f"[v2:{at}:3300]")]
    conf = ["--conf", str(made / "ceph.conf"), "--admin-socket", ""]
    run("monmaptool", "--create", "--fsid", cluster_id(made), *addresses, str(tmp_path / "map"))
    with ExitStack() as stack:
        for name, address in NODES.items():
            data = tmp_path / name
            data.mkdir()
            where = ("--public-addr", address, "--mon-data", str(data), "--log-file", "")
            own = [*conf, "-i", name, *where]
            first = ("--monmap", str(tmp_path / "map"), "--keyring", str(made / "mon.keyring"))
            run("ceph-mon", "--mkfs", *own, *first)
            started = subprocess.Popen(
                ["ceph-mon", "-f", *own], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(started.wait)
            stack.callback(started.kill)
        yield [*conf, "--keyring", str(made / "ceph.client.admin.keyring")]


def run(*command: str) -> str:
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def cluster_id(made: Path) -> str:
    return run("ceph-conf", "--conf", str(made / "ceph.conf"), "--lookup", "fsid").strip()


def test_monitors_agree_and_know_the_administrator(monitors: list[str]) -> None:
    def quorum() -> list[str]:
        asked = ["ceph", *monitors, "--connect-timeout", "10", "mon", "stat", "--format", "json"]
        done = subprocess.run(asked, check=False, capture_output=True, text=True, timeout=60)
        return sorted(name for name in NODES if f'"name":"{name}"' in done.stdout)

    eventually(quorum, is_=sorted(NODES), within=60)


def test_what_is_there_stays_and_is_for_root_only(made: Path) -> None:
    before = {file.name: file.read_bytes() for file in made.iterdir()}
    assert make(made, "node1=127.78.0.9").returncode == 0
    assert {file.name: file.read_bytes() for file in made.iterdir()} == before
    keyrings = [file for file in made.iterdir() if file.suffix == ".keyring"]
    assert {file.stat().st_mode & 0o077 for file in (made, *keyrings)} == {0}


def test_a_mistake_makes_nothing(tmp_path: Path) -> None:
    assert make(tmp_path / "ceph").returncode == 2
    done = make(tmp_path / "ceph", "node1=nowhere")
    assert (done.returncode, "nowhere" in done.stderr) == (1, True)
    assert not (tmp_path / "ceph" / "ceph.conf").exists()
