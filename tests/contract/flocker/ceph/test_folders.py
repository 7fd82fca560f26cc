"""Folders of CephFS through two clients of them: sizes, snapshots, rights."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import PoolError
from flocker.ceph import folders
from flocker.ceph.monitors import Monitors
from tests.contract.flocker.ceph.clients import Writer, identity, lines, ticket
from tests.contract.flocker.ceph.fixtures import MountAs
from tests.contract.flocker.ceph.small_ceph import FILESYSTEM, SmallCeph

pytestmark = pytest.mark.contract

MIB = 1 << 20


def test_a_snapshot_holds_what_another_client_wrote_and_has_not_flushed(
    ceph: SmallCeph, monitors: Monitors, volume: Path, live: Path, mount_as: MountAs
) -> None:
    used = mount_as(ticket(ceph, monitors, volume, 1))
    with Writer(used.mountpoint) as writer:
        assert writer.write("first") == 0
        folders.take_snapshot(volume, "1")
        folders.hear_of_snapshots(used.mountpoint)
        assert (writer.write("second"), writer.flush()) == (0, 0)
    assert (folders.snapshot(volume, "1") / live.name / "lines").read_text() == "first\n"
    assert lines(used) == ["first", "second"]
    assert folders.snapshots(volume) == ["1"]
    assert folders.snapshots(live) == []
    with pytest.raises(PoolError, match="snapshot 1 could not be taken: File exists"):
        folders.take_snapshot(volume, "1")
    folders.delete_snapshot(volume, "1")
    assert folders.snapshots(volume) == []
    with pytest.raises(PoolError, match="snapshot 1 could not be deleted"):
        folders.delete_snapshot(volume, "1")


def test_a_folder_takes_no_more_than_its_size(
    ceph: SmallCeph, monitors: Monitors, volume: Path, live: Path, mount_as: MountAs
) -> None:
    folders.limit(live, 4 * MIB)
    used = mount_as(ticket(ceph, monitors, volume, 1))
    with Writer(used.mountpoint) as writer:

        def add() -> int:
            return writer.write("x" * MIB) or writer.flush()

        eventually(add, is_=errno.EDQUOT, within=20)
        # The client goes by what the storage has told it last, which may lack the newest write.
        eventually(lambda: folders.held_bytes(live) // MIB in (3, 4), is_=True, within=10)
        folders.limit(live, None)
        eventually(add, is_=0, within=10)


@pytest.mark.usefixtures("live")
def test_a_client_of_a_volume_reaches_no_other_folder_and_changes_no_size_or_snapshot(
    ceph: SmallCeph, monitors: Monitors, volume: Path, mount_as: MountAs
) -> None:
    own = ticket(ceph, monitors, volume, 1)
    used = mount_as(own).mountpoint
    for folder in ("/", f"/{volume.name}"):
        with pytest.raises(PoolError, match=f"could not mount {folder}: .*not permitted"):
            mount_as(replace(own, folder=folder))
    with pytest.raises(PoolError, match="Permission denied"):
        folders.take_snapshot(used, "1")
    with pytest.raises(PoolError, match="Permission denied"):
        folders.limit(used, MIB)


def test_a_node_may_forget_and_authorize_the_identities_of_volumes_only(
    monitors: Monitors, volume: Path, live: Path
) -> None:
    name = identity(volume, 1)
    first = monitors.authorize(FILESYSTEM, name, f"/{volume.name}/{live.name}")
    assert monitors.authorize(FILESYSTEM, name, f"/{volume.name}/{live.name}") == first
    for _ in range(2):
        monitors.forget(name)
    for prefix, arguments in {
        "auth rm": {"entity": "client.admin"},
        "auth ls": {},
        "osd blocklist": {"blocklistop": "rm", "addr": "127.0.0.1:0/1"},
        "fs authorize": {"filesystem": FILESYSTEM, "entity": "client.x", "caps": ["/", "rw"]},
    }.items():
        with pytest.raises(PoolError, match=f"Ceph refused '{prefix}': "):
            monitors.ask(prefix, **arguments)


def test_a_key_of_nobody_is_refused(ceph: SmallCeph, tmp_path: Path) -> None:
    keyring = tmp_path / "keyring"
    keyring.write_text(f"[client.nobody]\n\tkey = {ceph.node_key}\n")
    with (
        Monitors(ceph.conf, "client.nobody", keyring) as monitors,
        pytest.raises(PoolError, match=r"Ceph does not answer as client\.nobody"),
    ):
        monitors.forget("client.flocker.nobody.1")


def test_the_client_of_a_daemon_that_is_a_service_is_a_service_of_its_own(
    ceph: SmallCeph,
    monitors: Monitors,
    live: Path,
    mount_as: MountAs,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A program stands in for systemd, and does what systemd would be told to do."""
    told = tmp_path / "told"
    program = tmp_path / "systemd-run"
    program.write_text(
        f'#!/bin/sh\necho "$@" >> {told}\nwhile [ "$1" != -- ]; do shift; done\nshift\nexec "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "nobody"))
    mounted = mount_as(ticket(ceph, monitors, live.parent, 1))
    (mounted.mountpoint / "file").write_text("text")
    mounted.unmount()
    assert mounted.has_ended()
    started, ended = told.read_text().splitlines()
    assert f"--unit=ceph-fuse-{identity(live.parent, 1)} --property=Type=forking" in started
    assert "--property=PIDFile=" in started
    assert "--property=Type=oneshot" in ended
    assert ended.endswith(f"-- umount --no-canonicalize {mounted.mountpoint}")
