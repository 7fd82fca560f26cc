"""The four ways in which an owner that was replaced wrote on, each with two clients of a Ceph."""

from __future__ import annotations

import errno
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.errors import PoolError
from flocker.ceph.monitors import Monitors
from flocker.ceph.mount import Mounted
from tests.contract.flocker.ceph.clients import Writer, identity, lines, ticket
from tests.contract.flocker.ceph.fixtures import MountAs
from tests.contract.flocker.ceph.small_ceph import SmallCeph

pytestmark = pytest.mark.contract

A_YEAR = timedelta(days=365)


@contextmanager
def paused(mounted: Mounted) -> Iterator[None]:
    """Within, the client does nothing, as that of a node that is paused."""
    os.kill(mounted.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(mounted.pid, signal.SIGCONT)


def is_mounted(path: Path) -> bool:
    return f" {path} " in Path("/proc/self/mountinfo").read_text()


def test_an_identity_that_is_gone_stops_no_client_that_runs_and_a_blocked_address_does(
    ceph: SmallCeph, monitors: Monitors, volume: Path, live: Path, mount_as: MountAs
) -> None:
    before = mount_as(ticket(ceph, monitors, volume, 1))
    with Writer(before.mountpoint) as writer:
        assert (writer.write("first"), writer.flush()) == (0, 0)
        monitors.forget(identity(volume, 1))
        assert (writer.write("second"), writer.flush()) == (0, 0)
        monitors.block(before.address)
        eventually(lambda: writer.write("third") or writer.flush(), is_=errno.ESHUTDOWN, within=20)
    live.rename(volume / "live.2")
    after = mount_as(ticket(ceph, monitors, volume, 2))
    assert lines(after)[:2] == ["first", "second"]


def test_a_client_that_was_paused_changes_nothing_when_it_wakes_up(
    ceph: SmallCeph, monitors: Monitors, volume: Path, live: Path, mount_as: MountAs
) -> None:
    before = mount_as(ticket(ceph, monitors, volume, 1))
    with Writer(before.mountpoint) as writer:
        assert (writer.write("acknowledged"), writer.flush()) == (0, 0)
        assert writer.write("only the client has this") == 0
        with paused(before):
            monitors.forget(identity(volume, 1))
            monitors.block(before.address)
            assert ceph.blocked_until(before.address) > datetime.now(UTC) + 9 * A_YEAR
            live.rename(volume / "live.2")
            after = mount_as(ticket(ceph, monitors, volume, 2))
            assert lines(after) == ["acknowledged"]
            with Writer(after.mountpoint) as new:
                assert (new.write("new"), new.flush()) == (0, 0)
        assert writer.flush() == errno.ESHUTDOWN
    assert lines(after) == ["acknowledged", "new"]


def test_unmounting_waits_until_the_storage_has_everything(
    ceph: SmallCeph, monitors: Monitors, volume: Path, live: Path, mount_as: MountAs
) -> None:
    before = mount_as(ticket(ceph, monitors, volume, 1))
    with Writer(before.mountpoint) as writer:
        assert writer.write("only the client has this") == 0
    with ceph.silent("osd"):
        unmounting = threading.Thread(target=before.unmount)
        unmounting.start()
        eventually(lambda: is_mounted(before.mountpoint), is_=False, within=10)
        unmounting.join(1)
        assert unmounting.is_alive(), "the storage cannot have taken it"
    unmounting.join(60)
    assert not unmounting.is_alive()
    monitors.forget(identity(volume, 1))
    live.rename(volume / "live.2")
    after = mount_as(ticket(ceph, monitors, volume, 2))
    assert lines(after) == ["only the client has this"]


def test_a_client_that_was_about_to_mount_finds_its_folder_gone(
    ceph: SmallCeph, monitors: Monitors, volume: Path, live: Path, mount_as: MountAs
) -> None:
    """It has shown its key already, and has no address yet that could be blocked."""
    late = ticket(ceph, monitors, volume, 1)
    connected = ceph.connections_to_metadata()
    with ThreadPoolExecutor() as threads:
        with ceph.silent("mds"):
            mounting = threads.submit(mount_as, late)
            eventually(lambda: ceph.connections_to_metadata() > connected, is_=True, within=20)
            monitors.forget(late.identity)
        live.rename(volume / "live.2")
        after = mount_as(ticket(ceph, monitors, volume, 2))
        with pytest.raises((PoolError, PermissionError, FileNotFoundError)):
            (mounting.result().mountpoint / "late").touch()
    assert list(after.mountpoint.iterdir()) == []
