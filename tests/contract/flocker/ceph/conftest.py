"""A real Ceph for the tests of this folder, and clients of it."""

from __future__ import annotations

import shutil
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.contract.flocker.ceph import debians_rados

debians_rados.load()

from flocker.ceph.monitors import Monitors  # noqa: E402 - needs the module that was just loaded
from flocker.ceph.mount import Mounted, Ticket, mount  # noqa: E402
from tests.contract.flocker.ceph.small_ceph import (  # noqa: E402
    FILESYSTEM,
    NODE,
    SmallCeph,
)


@pytest.fixture(scope="session")
def ceph() -> Iterator[SmallCeph]:
    folder = Path(tempfile.mkdtemp(prefix="flocker-ceph-"))  # short: sockets have their names there
    running = SmallCeph(folder)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def monitors(ceph: SmallCeph) -> Iterator[Monitors]:
    """As a node asks them."""
    with Monitors(ceph.conf, NODE, ceph.keyring) as connected:
        yield connected


LONGEST_SECONDS = 90

MountAs = Callable[[Ticket], Mounted]


@pytest.fixture
def mount_as(ceph: SmallCeph, tmp_path: Path) -> Iterator[MountAs]:
    """Mounts that end with the test; if it hangs in one, the test fails by their end."""
    made: list[Mounted] = []

    def end() -> None:
        for each in made:
            each.kill()

    too_late = threading.Timer(LONGEST_SECONDS, end)
    too_late.start()

    def mounted(ticket: Ticket) -> Mounted:
        name = uuid.uuid4().hex[:8]
        mountpoint = tmp_path / name
        mountpoint.mkdir()
        made.append(mount(ticket, mountpoint, ceph.folder / name))
        return made[-1]

    yield mounted
    too_late.cancel()
    end()


@pytest.fixture
def top(ceph: SmallCeph, mount_as: MountAs) -> Path:
    """The whole file system, as a node has it mounted."""
    return mount_as(Ticket(ceph.conf, FILESYSTEM, "/", NODE, ceph.node_key)).mountpoint


@pytest.fixture
def volume(top: Path) -> Path:
    """A folder for a volume, in the node's mount."""
    made = top / str(uuid.uuid4())
    made.mkdir()
    return made
