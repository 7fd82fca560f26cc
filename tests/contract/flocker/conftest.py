"""What the driver's contract suites run on: btrfs on loop files, an etcd of our own, memory."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from acceptance.base.waiting import eventually
from flocker.base.belief import Belief
from flocker.pool.btrfs_pool import BtrfsPool
from flocker.pool.local_pool import LocalPool
from flocker.pool.references import Names
from tests.contract.flocker.etcd_members import (  # noqa: F401  fixtures of this folder
    etcd,
    join,
    join_for_long,
    members,
    session_etcd,
)
from tests.contract.flocker.late_etcd import way  # noqa: F401
from tests.twins.memory_pool import MemoryPool

POOL_BYTES = 512 << 20
SURE = Belief(lambda: None)  # a caller that cannot be wrong

MakePool = Callable[..., LocalPool]  # with what a pool is made with
MakeBtrfsPool = Callable[..., BtrfsPool]


@contextmanager
def mounted_btrfs() -> Iterator[Path]:
    """A fresh btrfs on a loop file, mounted."""
    folder = Path(tempfile.mkdtemp(prefix="flocker-pool-"))
    disk, root = folder / "disk.img", folder / "root"
    with disk.open("wb") as file:
        file.truncate(POOL_BYTES)
    root.mkdir()
    subprocess.run(["mkfs.btrfs", "-q", str(disk)], check=True, stdout=subprocess.DEVNULL)
    # The kernel frees the loop device of the pool before a moment after its unmount.
    mount = ["mount", "-o", "loop,noatime", str(disk), str(root)]
    eventually(lambda: subprocess.run(mount, check=False).returncode, is_=0, within=10)
    try:
        yield root
    finally:
        # A pool has its file system open for as long as anything refers to it: of a test that
        # failed, its report does.
        subprocess.run(["umount", "--lazy", str(root)], check=True)
        shutil.rmtree(folder)


@pytest.fixture
def make_btrfs_pool() -> Iterator[MakeBtrfsPool]:
    """Makes pools that are each a file system of their own, as on two nodes."""
    with ExitStack() as mounts:
        yield lambda *args: BtrfsPool(mounts.enter_context(mounted_btrfs()), *args)


@pytest.fixture
def make_memory_pool(tmp_path: Path) -> MakePool:
    def made(
        is_mounted: Callable[[str], bool] = lambda _: False, names: Names | None = None
    ) -> MemoryPool:
        return MemoryPool(tmp_path / str(uuid.uuid4()), is_mounted, names=names)

    return made


@pytest.fixture(params=["memory", "btrfs"])
def make_pool(request: pytest.FixtureRequest) -> MakePool:
    """Makes pools whose copies travel: one suite for all of them."""
    make: MakePool = request.getfixturevalue(f"make_{request.param}_pool")
    return make
