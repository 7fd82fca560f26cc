"""Nobody but root can read a pool, whatever the umask; content keeps the modes it was given."""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from flocker.base.belief import Belief
from flocker.base.records import Volume, now
from flocker.pool.btrfs_pool import BtrfsPool
from flocker.pool.volume_folder import VolumeFolder
from tests.contract.flocker.conftest import MakeBtrfsPool, mounted_btrfs
from tests.contract.flocker.pool.test_pool import a_claim, moved, written

pytestmark = pytest.mark.contract

NOBODY = 65534
CONTENT = ("live", "copy")
EVERYBODY = stat.S_IRWXG | stat.S_IRWXO


@pytest.fixture(params=[0o000, 0o022, 0o077], ids=oct)
def _umask(request: pytest.FixtureRequest) -> Iterator[None]:
    before = os.umask(request.param)
    yield
    os.umask(before)


def open_to_others(path: Path) -> list[str]:
    """List what others have rights at, beside the content of volumes; links have no modes."""
    mode = path.lstat().st_mode
    if stat.S_ISLNK(mode) or (path.is_dir() and (path.name in CONTENT or path.name.isdecimal())):
        return []
    found = [f"{stat.S_IMODE(mode):o} {path}"] if mode & EVERYBODY else []
    inner = sorted(path.iterdir()) if path.is_dir() else []
    return found + [each for path in inner for each in open_to_others(path)]


def seen_by_nobody(root: Path) -> str:
    """List what a user without rights finds below a folder."""
    # The folder of the file system is root's as well, so it is entered before the rights are left.
    done = subprocess.run(
        ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "ls", "-R", "."],
        cwd=root, check=False, capture_output=True, text=True,
    )  # fmt: skip
    return done.stdout


@pytest.mark.usefixtures("_umask")
def test_only_root_can_read_what_a_pool_writes(make_btrfs_pool: MakeBtrfsPool) -> None:
    here, there, claim, other = make_btrfs_pool(), make_btrfs_pool(), a_claim(), a_claim()
    for each in (claim, other):
        here.create(each, 64 << 20)
        here.keep_record(Volume("demo", each.volume_id, "node1", 1, now()))
    written(here, claim, "text")
    on_there = moved(here, there, claim)
    here.discard(other.volume_id, "demo", "node1", Belief(lambda: None))
    for pool in (here, there):
        pool.make_reserve()
        pool.check_writable()
        assert open_to_others(pool.root) == []
        assert seen_by_nobody(pool.root) == ""
    assert (there.writable_path(on_there) / "file.txt").read_text() == "text"


@pytest.mark.usefixtures("_umask")
def test_content_keeps_its_modes(make_btrfs_pool: MakeBtrfsPool) -> None:
    here, there, claim = make_btrfs_pool(), make_btrfs_pool(), a_claim()
    here.create(claim)
    live = here.writable_path(claim)
    assert stat.S_IMODE(live.stat().st_mode) == 0o755
    first = written(here, claim, "text")
    on_there = moved(here, there, claim)
    assert stat.S_IMODE(there.writable_path(on_there).stat().st_mode) == 0o755
    for mode in (0o777, 0o640, 0o4755):
        (there.writable_path(on_there) / f"{mode:o}").touch()
        (there.writable_path(on_there) / f"{mode:o}").chmod(mode)
    os.mknod(there.writable_path(on_there) / "device", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    (there.writable_path(on_there) / "device").chmod(0o666)
    there.writable_path(on_there).chmod(0o1777)
    there.take_snapshot(on_there)
    back = here.writable_path(moved(there, here, on_there, parent=first))
    modes = {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in back.iterdir()}
    assert modes == {
        "777": "0o777", "640": "0o640", "4755": "0o4755", "device": "0o666",
        "file.txt": modes["file.txt"],
    }  # fmt: skip
    assert stat.S_IMODE(back.stat().st_mode) == 0o1777


def test_what_others_could_read_is_closed_when_the_pool_is_opened() -> None:
    with mounted_btrfs() as root:
        claim = a_claim()
        pool = BtrfsPool(root)
        pool.create(claim)
        written(pool, claim, "text")
        folder = VolumeFolder(root / "volumes" / claim.volume_id).path
        catalog = root / "catalog.json"
        catalog.write_text("{}")
        for path in (root, catalog, folder, folder / "snapshots"):
            path.chmod(path.stat().st_mode | EVERYBODY)
        BtrfsPool(root)
        assert open_to_others(root) == []
        assert stat.S_IMODE((folder / "live").stat().st_mode) == 0o755
