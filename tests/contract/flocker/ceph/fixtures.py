"""A real Ceph for the tests of this folder, and clients of it."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.contract.flocker.ceph import debians_rados

debians_rados.load()

from acceptance.base.waiting import eventually  # noqa: E402
from flocker.base.errors import PoolError  # noqa: E402
from flocker.base.records import Claim  # noqa: E402
from flocker.ceph.monitors import Monitors  # noqa: E402 - needs the module that was just loaded
from flocker.ceph.mount import Mounted, Ticket, clear, identities, mount, running  # noqa: E402
from flocker.pool.in_time import in_time  # noqa: E402
from flocker.pool.references import Names  # noqa: E402
from flocker.pool.remote_pool import RecordedSessions, RemotePool  # noqa: E402
from flocker.pool.shared_pool import SharedPool  # noqa: E402
from flocker.pool.shared_sessions import (  # noqa: E402
    Sessions,
    SharedStorage,
    identity,
)
from tests.contract.flocker.ceph.small_ceph import (  # noqa: E402
    FILESYSTEM,
    NODE,
    SmallCeph,
)
from tests.twins.memory_sessions import MemorySessions  # noqa: E402


@pytest.fixture(scope="session")
def ceph() -> Iterator[SmallCeph]:
    folder = Path(tempfile.mkdtemp(prefix="flocker-ceph-"))  # short: sockets have their names there
    small = SmallCeph(folder)
    try:
        small.start()
        yield small
    finally:
        small.stop()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def monitors(ceph: SmallCeph) -> Iterator[Monitors]:
    """As a node asks them."""
    with Monitors(ceph.conf, NODE, ceph.keyring) as connected:
        yield connected


LONGEST_SECONDS = 90
KILLED_SECONDS = 30


def end_politely(mounted: Mounted) -> None:
    """End a client; the storage waits a minute for one that was killed, and so would a test."""
    try:
        mounted.unmount()
    except PoolError:
        mounted.kill()
        clear(mounted.mountpoint)


MountAs = Callable[[Ticket], Mounted]


@pytest.fixture
def mount_as(ceph: SmallCeph, tmp_path: Path) -> Iterator[MountAs]:
    """Mounts that end with the test; if it hangs in one, the test fails by their end."""
    made: list[Mounted] = []

    def end() -> None:
        for each in made:
            each.kill()
            clear(each.mountpoint)

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
    for each in made:
        end_politely(each)


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


@pytest.fixture
def live(volume: Path) -> Path:
    """The folder that the volume's first owner mounts."""
    made = volume / "live.1"
    made.mkdir()
    return made


class SharedNodes:
    """Nodes that reach the same volumes on a real Ceph.

    Attributes:
        monitors: as each of them asks them.
        records: the addresses of their clients, on which they agree.
    """

    def __init__(self, ceph: SmallCeph, monitors: Monitors, top: Path) -> None:
        name = uuid.uuid4().hex[:8]
        self._ceph = ceph
        self.monitors = monitors
        self._root = top / name
        self._root.mkdir()
        self._storage = SharedStorage(ceph.conf, FILESYSTEM, f"/{name}")
        self._runtimes: list[Path] = []
        self.records = MemorySessions()

    def pool(self, *args: Any) -> SharedPool:
        """The pool of another node."""
        self._runtimes.append(self._ceph.folder / uuid.uuid4().hex[:8])
        return self._started(self._runtimes[-1], *args)

    def way(
        self, names: Names, records: RecordedSessions, is_mounted: Callable[[str], bool]
    ) -> RemotePool:
        """Another node's pool, as its driver uses it."""
        runtime = self._ceph.folder / uuid.uuid4().hex[:8]
        self._runtimes.append(runtime)
        sessions = Sessions(self._storage, self.monitors, runtime, records)
        return in_time(SharedPool(lambda: self._root, sessions, is_mounted, names))

    def restarted(self) -> SharedPool:
        """The pool of the last node, as its next daemon has it."""
        return self._started(self._runtimes[-1])

    def kill_client(self, claim: Claim) -> None:
        """Kill the last node's client of a volume; it has ended when this returns."""
        runtime = self._runtimes[-1]
        found = running(identity(claim), runtime / claim.volume_id, runtime)
        assert found is not None
        os.kill(found.pid, signal.SIGKILL)
        eventually(found.has_ended, is_=True, within=KILLED_SECONDS)

    @contextmanager
    def client_paused(self, claim: Claim) -> Iterator[None]:
        """Have the last node's client of a volume answer nothing in the block."""
        runtime = self._runtimes[-1]
        found = running(identity(claim), runtime / claim.volume_id, runtime)
        assert found is not None
        os.kill(found.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(found.pid, signal.SIGCONT)

    def end(self, how: Callable[[Mounted], None]) -> None:
        """End all clients of volumes, and what killed ones have left."""
        for runtime in self._runtimes:
            for name in identities(runtime):
                mountpoint = runtime / name.split(".")[2]
                if found := running(name, mountpoint, runtime):
                    how(found)
                clear(mountpoint)

    def _started(self, runtime: Path, *args: Any) -> SharedPool:
        sessions = Sessions(self._storage, self.monitors, runtime, self.records)
        return SharedPool(lambda: self._root, sessions, *args)


@pytest.fixture
def shared_nodes(ceph: SmallCeph, monitors: Monitors, top: Path) -> Iterator[SharedNodes]:
    nodes = SharedNodes(ceph, monitors, top)
    too_late = threading.Timer(LONGEST_SECONDS, nodes.end, (Mounted.kill,))
    too_late.start()
    yield nodes
    too_late.cancel()
    nodes.end(end_politely)
