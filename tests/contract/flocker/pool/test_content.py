"""The README's table of what travels with a volume and what does not, row by row.

Each row is sent as a whole snapshot, as an increment, and there and back again.
"""

from __future__ import annotations

import os
import socket
import stat
import struct
import subprocess
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from flocker.base.errors import FlockerError, PoolError, StreamRefused, TransferFailed
from flocker.base.records import Claim, Snapshot
from flocker.btrfs import subvolume
from flocker.moving.transfer import Transfers
from flocker.pool import digest
from flocker.pool.btrfs_pool import BtrfsPool
from flocker.pool.local_pool import LocalPool
from flocker.pool.sizes import Sizes
from flocker.pool.volume_folder import live_of
from tests.contract.flocker.conftest import MakeBtrfsPool, mounted_btrfs
from tests.contract.flocker.pool.test_pool import a_claim, put_away

pytestmark = pytest.mark.contract

MIB = 1 << 20
FAST = 1 << 40
# struct posix_acl_xattr_header: version 2; entries: tag, permissions, id. Here: rwx for user 1234.
ACL = struct.pack("<I", 2) + b"".join(
    struct.pack("<HHI", tag, permissions, id_)
    for tag, permissions, id_ in [
        (0x01, 6, 0xFFFFFFFF), (0x02, 7, 1234), (0x04, 4, 0xFFFFFFFF), (0x10, 7, 0xFFFFFFFF),
        (0x20, 4, 0xFFFFFFFF),
    ]
)  # fmt: skip
# struct vfs_cap_data, version 2, effective: CAP_NET_BIND_SERVICE.
CAPABILITY = struct.pack("<IIIII", 0x02000001, 1 << 10, 0, 0, 0)

Pools = tuple[BtrfsPool, BtrfsPool]
Row = tuple[Callable[[Path], object], Callable[[Path], object]]


def a_file(folder: Path, name: str = "file") -> Path:
    file = folder / name
    file.write_text("text")
    return file


def a_socket(folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "socket"))


def a_sparse_file(folder: Path) -> None:
    with (folder / "sparse").open("wb") as file:
        file.write(os.urandom(4096))
        file.truncate(64 * MIB)
        file.seek(32 * MIB)
        file.write(os.urandom(4096))


def odd_names(folder: Path) -> None:
    for name in (b"new\nline", b"\xff\xfe no UTF-8", b"x" * 255, b" ", "Größe".encode(), b"-rf"):
        (folder / os.fsdecode(name)).write_text("text")


ROWS: dict[str, Row] = {
    "content": (
        lambda live: (live / "file").write_bytes(bytes(range(256)) * 8192),
        lambda there: (there / "file").read_bytes() == bytes(range(256)) * 8192,
    ),
    "mode": (
        lambda live: a_file(live).chmod(0o4751),
        lambda there: stat.S_IMODE((there / "file").stat().st_mode) == 0o4751,
    ),
    "owner and group": (
        lambda live: os.chown(a_file(live), 999, 1234),
        lambda there: (
            ((there / "file").stat().st_uid, (there / "file").stat().st_gid) == (999, 1234)
        ),
    ),
    "time of the last change": (
        lambda live: os.utime(a_file(live), ns=(1, 1_234_567_890_123_456_789)),
        lambda there: (there / "file").stat().st_mtime_ns == 1_234_567_890_123_456_789,
    ),
    "extended attributes": (
        lambda live: os.setxattr(a_file(live), "user.colour", b"blue"),
        lambda there: os.getxattr(there / "file", "user.colour") == b"blue",
    ),
    "access lists": (
        lambda live: os.setxattr(a_file(live), "system.posix_acl_access", ACL),
        lambda there: os.getxattr(there / "file", "system.posix_acl_access") == ACL,
    ),
    "default access lists": (
        lambda live: os.setxattr(live, "system.posix_acl_default", ACL),
        lambda there: os.getxattr(there, "system.posix_acl_default") == ACL,
    ),
    "capabilities": (
        lambda live: os.setxattr(a_file(live), "security.capability", CAPABILITY),
        lambda there: os.getxattr(there / "file", "security.capability") == CAPABILITY,
    ),
    "capabilities of a file with another owner": (
        lambda live: (
            os.chown(a_file(live), 999, 999),
            os.setxattr(live / "file", "security.capability", CAPABILITY),
        ),
        lambda there: os.getxattr(there / "file", "security.capability") == CAPABILITY,
    ),
    "hard links": (
        lambda live: os.link(a_file(live), live / "link"),
        lambda there: (there / "file").stat().st_ino == (there / "link").stat().st_ino,
    ),
    "symbolic links": (
        lambda live: (live / "link").symlink_to("no/such/file"),
        lambda there: (there / "link").readlink() == Path("no/such/file"),
    ),
    "holes": (
        a_sparse_file,
        lambda there: (there / "sparse").stat().st_blocks * 512 < MIB,
    ),
    "sockets": (a_socket, lambda there: (there / "socket").is_socket()),
    "fifos": (lambda live: os.mkfifo(live / "fifo"), lambda there: (there / "fifo").is_fifo()),
    "devices": (
        lambda live: os.mknod(live / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3)),
        lambda there: (there / "null").stat().st_rdev == os.makedev(1, 3),
    ),
    "odd names": (odd_names, lambda there: len(list(there.iterdir())) == 6),
    "empty folders": (
        lambda live: (live / "a" / "b" / "c").mkdir(parents=True),
        lambda there: list((there / "a" / "b" / "c").iterdir()) == [],
    ),
    "nothing": (lambda _: None, lambda there: list(there.iterdir()) == []),
    "the volume's own owner and mode": (
        lambda live: (os.chown(live, 999, 999), live.chmod(0o1770)),
        lambda there: (there.stat().st_uid, stat.S_IMODE(there.stat().st_mode)) == (999, 0o1770),
    ),
}


@pytest.fixture(scope="module")
def pools() -> Iterator[Pools]:
    with ExitStack() as mounts:
        yield (
            BtrfsPool(mounts.enter_context(mounted_btrfs())),
            BtrfsPool(mounts.enter_context(mounted_btrfs())),
        )


class OtherPool:
    """A pool as a place to fetch from; notes what each stream was built on."""

    def __init__(self, pool: LocalPool) -> None:
        self._pool = pool
        self.parents: list[int | None] = []

    def snapshots(self, volume_id: str, _node: str) -> list[Snapshot]:
        return self._pool.snapshots(volume_id)

    def stream_bytes(
        self, volume_id: str, _node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> int:
        return self._pool.stream_bytes(volume_id, wanted.number, parent and parent.number)

    def stream(
        self, volume_id: str, _node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> Generator[bytes, None, None]:
        self.parents.append(parent and parent.number)
        return self._pool.send(volume_id, wanted.number, parent and parent.number)


def move(source: BtrfsPool, target: BtrfsPool, claim: Claim) -> tuple[Claim, list[int | None]]:
    """Move a volume as a handoff does.

    Returns:
        The new owner's claim, and what the streams were built on.
    """
    last = source.take_snapshot(claim, is_whole=True)
    peer = OtherPool(source)
    Transfers(target, peer, lambda _: None).fetch(claim.volume_id, "source", [last])
    assert digest_of(target, claim, last) == digest_of(source, claim, last)
    later = Claim(claim.volume_id, claim.epoch + 1)
    target.adopt(later, last)
    put_away(source, later, last)
    return later, peer.parents


def digest_of(pool: BtrfsPool, claim: Claim, snapshot: Snapshot) -> digest.Digest:
    folder = live_of(pool.root, claim.volume_id).parent / "snapshots" / str(snapshot.number)
    return digest.Reader(os.fsencode(folder), FAST).read()  # hundreds of times: without a process


@pytest.mark.parametrize("row", ROWS)
@pytest.mark.parametrize("way", ["whole", "as an increment"])
def test_what_travels(pools: Pools, row: str, way: str) -> None:
    here, there = pools
    make, is_there = ROWS[row]
    claim = a_claim()
    here.create(claim)
    if way == "whole":
        make(here.writable_path(claim))
        claim, parents = move(here, there, claim)
        assert parents == [None]
    else:
        first = here.take_snapshot(claim)
        stream = here.send(claim.volume_id, first.number, None)
        there.receive(claim.volume_id, first, None, stream)
        make(here.writable_path(claim))
        claim, _ = move(here, there, claim)
    assert is_there(there.writable_path(claim))

    # And home again, changed, onto what is there from before.
    (there.writable_path(claim) / "later").write_text("later")
    claim, parents = move(there, here, claim)
    assert None not in parents
    assert (here.writable_path(claim) / "later").read_text() == "later"
    (here.writable_path(claim) / "later").unlink()
    assert is_there(here.writable_path(claim))


IN_A_FOLDER = {
    "a new file": "echo new > folder/new",
    "a file that is replaced": "echo new > folder/new; mv folder/new folder/one",
    "two that change names": "cd folder; mv one three; mv two one; mv three two",
    "a folder that is deleted": "rm -r folder",
    "and the top folder": "echo new > folder/new; echo new > new",
}


@pytest.mark.parametrize("what", IN_A_FOLDER)
def test_what_changes_in_a_folder_leaves_the_top_folder_as_it_was(pools: Pools, what: str) -> None:
    here, there = pools
    claim = a_claim()
    here.create(claim)
    run("mkdir folder; echo 1 > folder/one; echo 2 > folder/two", here.writable_path(claim))
    first = here.take_snapshot(claim)
    there.receive(claim.volume_id, first, None, here.send(claim.volume_id, first.number, None))
    run(IN_A_FOLDER[what], here.writable_path(claim))
    changed_at = here.writable_path(claim).stat().st_mtime_ns
    claim, parents = move(here, there, claim)  # and the digests are the same
    assert parents == [first.number]
    assert there.writable_path(claim).stat().st_mtime_ns == changed_at


def punch(path: Path, at: int, size: int) -> None:
    options = ["--punch-hole", "--offset", str(at), "--length", str(size)]
    subprocess.run(["fallocate", *options, str(path)], check=True)


def test_a_hole_that_is_punched_later_takes_no_room_there_either(pools: Pools) -> None:
    here, there = pools
    claim = a_claim()
    here.create(claim)
    live = here.writable_path(claim)
    for name in ("large", "odd\nname", "executable", "plain"):
        (live / name).write_bytes(os.urandom(8 * MIB))
    os.setxattr(live / "executable", "security.capability", CAPABILITY)
    (live / "plain").chmod(0o4755)
    first = here.take_snapshot(claim)
    stream = here.send(claim.volume_id, first.number, None)
    there.receive(claim.volume_id, first, None, stream)

    for path in live.iterdir():
        punch(path, MIB, 4 * MIB)
        punch(path, 6 * MIB, 4096)
    os.setxattr(live / "executable", "security.capability", CAPABILITY)
    (live / "plain").chmod(0o4755)
    os.utime(live / "large", ns=(1, 1_234_567_890_123_456_789))
    claim, parents = move(here, there, claim)  # and the digests are the same
    assert parents == [first.number]
    for path in there.writable_path(claim).iterdir():
        assert path.stat().st_blocks * 512 == 4 * MIB - 4096
    (there.writable_path(claim) / "large").write_bytes(b"later")
    claim, parents = move(there, here, claim)
    assert None not in parents
    assert (here.writable_path(claim) / "large").read_bytes() == b"later"


def run(commands: str, folder: Path) -> None:
    subprocess.run(["sh", "-ec", commands], check=True, cwd=folder)


def attributes(path: Path) -> str:
    """The letters that lsattr shows."""
    shown = subprocess.run(["lsattr", "-d", str(path)], check=True, capture_output=True, text=True)
    return shown.stdout.split()[0].strip("-")


HOME_AGAIN: dict[str, tuple[str, str, str]] = {
    # attribute -> what is done where the file is made, and then on the other node
    "NOCOW, with a copy that shares its data": (
        "C",
        "touch file; chattr +C file; head -c 300000 /dev/urandom >> file",
        "cp --reflink=always file copy",
    ),
    "immutable": ("i", "echo one > file; chattr +i file", "echo two > file"),
    "append only": ("a", "echo one > file; chattr +a file", "echo two > file"),
}


@pytest.mark.parametrize("kind", HOME_AGAIN)
def test_file_attributes_do_not_travel_and_keep_no_volume_from_coming_home(
    pools: Pools, kind: str
) -> None:
    here, there = pools
    letter, make, change = HOME_AGAIN[kind]
    claim = a_claim()
    here.create(claim)
    run(make, here.writable_path(claim))
    assert attributes(here.writable_path(claim) / "file") == letter
    claim, _ = move(here, there, claim)
    assert attributes(there.writable_path(claim) / "file") == ""
    run(change, there.writable_path(claim))
    claim, parents = move(there, here, claim)
    assert parents == [1, None], "an increment is refused, so all of it is fetched"
    assert attributes(here.writable_path(claim) / "file") == ""
    # From now on nothing is in the way.
    (here.writable_path(claim) / "file").write_text("three")
    claim, parents = move(here, there, claim)
    assert parents == [2]


def test_what_shares_data_with_a_file_from_here_comes_home_as_an_increment(pools: Pools) -> None:
    here, there = pools
    claim = a_claim()
    here.create(claim)
    run("head -c 300000 /dev/urandom > file", here.writable_path(claim))
    claim, _ = move(here, there, claim)
    # What `cp` and an editor that replaces files do.
    run("cp --reflink=always file new; echo more >> new; mv new file", there.writable_path(claim))
    claim, parents = move(there, here, claim)
    assert parents == [1]
    names = {
        path.name for path in (live_of(here.root, claim.volume_id).parent / "snapshots").iterdir()
    }
    assert not any(name.endswith(".arriving") for name in names)
    assert (here.writable_path(claim) / "file").stat().st_size == 300005


def test_a_snapshot_that_could_not_be_begun_can_still_arrive(
    pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pools
    claim = a_claim()
    here.create(claim)
    claim, _ = move(here, there, claim)
    (there.writable_path(claim) / "later").write_text("later")
    with monkeypatch.context() as full:

        def refuse(*_: object) -> None:
            raise PoolError("No space left on device")

        full.setattr(Sizes, "limit", refuse)
        with pytest.raises(TransferFailed, match="No space left"):
            move(there, here, claim)
    claim, _ = move(there, here, claim)
    assert (here.writable_path(claim) / "later").read_text() == "later"


def test_a_path_that_is_too_long_for_btrfs_is_said(pools: Pools) -> None:
    here, there = pools
    claim = a_claim()
    here.create(claim)
    folder = os.open(here.writable_path(claim), os.O_RDONLY)
    for _ in range(17):  # of 250 letters each: more than a path may have
        os.mkdir("x" * 250, dir_fd=folder)
        inner = os.open("x" * 250, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = inner
    os.close(folder)
    with pytest.raises(PoolError, match="File name too long"):
        move(here, there, claim)
    assert there.snapshots(claim.volume_id) == []


def test_a_swap_file_in_use_is_said(pools: Pools) -> None:
    here, _ = pools
    claim = a_claim()
    here.create(claim)
    live = here.writable_path(claim)
    run("touch swap; chattr +C swap; fallocate -l 8M swap; chmod 600 swap; mkswap -q swap", live)
    subprocess.run(["swapon", str(live / "swap")], check=True)
    try:
        with pytest.raises(PoolError, match="Text file busy"):
            here.take_snapshot(claim)
    finally:
        subprocess.run(["swapoff", str(live / "swap")], check=True)
    here.take_snapshot(claim)


def test_a_pool_tells_by_its_digest_what_a_disk_has_changed(pools: Pools) -> None:
    here, there = pools
    claim = a_claim()
    here.create(claim)
    a_file(here.writable_path(claim))
    snapshot = here.take_snapshot(claim)
    stream = here.send(claim.volume_id, snapshot.number, None)
    there.receive(claim.volume_id, snapshot, None, stream)
    read = [pool.digest(claim.volume_id, snapshot.number, FAST) for pool in pools]
    assert read[0] == read[1]
    folder = live_of(there.root, claim.volume_id).parent / "snapshots" / str(snapshot.number)
    subvolume.set_readonly(folder, is_readonly=False)
    (folder / "file").write_text("texT")
    os.utime(folder / "file", ns=(0, (here.writable_path(claim) / "file").stat().st_mtime_ns))
    subvolume.set_readonly(folder, is_readonly=True)
    assert there.snapshots(claim.volume_id) == [snapshot], "nothing else tells"
    assert there.digest(claim.volume_id, snapshot.number, FAST) != read[0]


@pytest.mark.parametrize("damage", [0, 17, 40, 0.5, -11, -1])
def test_a_stream_that_was_cut_is_not_taken_for_one_that_is_refused(
    pools: Pools, damage: float
) -> None:
    here, there = pools
    claim = a_claim()
    here.create(claim)
    (here.writable_path(claim) / "noise").write_bytes(os.urandom(MIB))
    snapshot = here.take_snapshot(claim)
    whole = b"".join(here.send(claim.volume_id, snapshot.number, None))
    length = int(len(whole) * damage) if isinstance(damage, float) else int(damage)
    with pytest.raises(FlockerError) as failed:
        there.receive(claim.volume_id, snapshot, None, iter([whole[:length]]))
    assert not isinstance(failed.value, StreamRefused)


def test_a_pool_without_room_is_no_reason_to_fetch_all_of_it(
    make_btrfs_pool: MakeBtrfsPool,
) -> None:
    here, there = make_btrfs_pool(), make_btrfs_pool()
    claim = a_claim()
    here.create(claim)
    first = here.take_snapshot(claim)
    there.receive(claim.volume_id, first, None, here.send(claim.volume_id, first.number, None))
    with (there.root / "fill").open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(MIB))
            file.flush()
    (here.writable_path(claim) / "noise").write_bytes(os.urandom(16 * MIB))
    second = here.take_snapshot(claim)
    peer = OtherPool(here)
    with pytest.raises(FlockerError, match="No space left on device"):
        Transfers(there, peer, lambda _: None).fetch(claim.volume_id, "here", [second])
    assert peer.parents == [first.number]
