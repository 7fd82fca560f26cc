"""Increments that the daemon applies itself or by a process, against what was sent; and streams
that were made to do harm."""

# Names are bytes here, as in a stream.
# ruff: noqa: PTH101, PTH102, PTH104, PTH106, PTH108, PTH112, PTH114, PTH115, PTH118, PTH123, PTH211

from __future__ import annotations

import ctypes
import errno
import os
import stat
import subprocess
import uuid
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from flocker.base.errors import FlockerError, StreamRefused, TransferFailed
from flocker.base.records import Claim, Snapshot
from flocker.btrfs import holes, subvolume
from flocker.pool.btrfs_pool import BtrfsPool
from flocker.pool.volume_folder import live_of
from flocker.streams import btrfs_stream, send_stream
from flocker.streams.expected import Expected
from flocker.streams.stream_format import Kind
from tests.contract.flocker.conftest import MakeBtrfsPool, mounted_btrfs
from tests.contract.flocker.pool.test_content import ACL, CAPABILITY, digest_of, run
from tests.contract.flocker.pool.test_pool import a_claim
from tests.forged_stream import END, begin, command

pytestmark = pytest.mark.contract

ENOUGH_BYTES = 1 << 20
BLOCK = 4096
RENAME_EXCHANGE = 2
LATER = (1_234_567_890, 123_456_789)
SET_ID = stat.S_ISUID | stat.S_ISGID
NO_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)  # it may take five minutes
_libc = ctypes.CDLL(None, use_errno=True)


FORGED = Snapshot(2, str(uuid.UUID(int=2)), 1)


class Replica:
    """A volume in one pool, and a copy of it that follows in another."""

    def __init__(self, here: BtrfsPool, there: BtrfsPool, make: Callable[[Path], object]) -> None:
        self.here, self.there, self.claim = here, there, a_claim()
        here.create(self.claim)
        self.live = here.writable_path(self.claim)
        make(self.live)
        self.last = here.take_snapshot(self.claim)
        whole = b"".join(here.send(self.claim.volume_id, self.last.number, None))
        there.receive(self.claim.volume_id, self.last, None, [whole])

    def stream(self) -> tuple[Snapshot, bytes]:
        """The next snapshot, and what is new in it."""
        taken = self.here.take_snapshot(self.claim)
        numbers = taken.number, self.last.number
        stream = self.here.small_stream(self.claim.volume_id, *numbers, ENOUGH_BYTES)
        assert stream is not None
        return taken, stream

    def follow(self, way: str = "stage") -> Path:
        """Bring the copy up to date; return the newest snapshot of it."""
        taken, stream = self.stream()
        self.accept(taken, stream, way)
        assert digest_of(self.there, self.claim, taken) == digest_of(self.here, self.claim, taken)
        return snapshot_in(self.there, self.claim, taken)

    def accept(self, taken: Snapshot, stream: bytes, way: str = "stage") -> None:
        if way == "stage":
            staged = self.there.stage(self.claim.volume_id, taken, self.last, stream)
            assert self.there.settle([staged]) == [None]
        else:
            self.there.receive(self.claim.volume_id, taken, self.last, [stream])
        self.last = taken

    def refuse(self, stream: bytes, wanted: Snapshot = FORGED, way: str = "stage") -> FlockerError:
        """The error with which a stream is not taken; it has left nothing behind."""
        before = sorted(self.folder.iterdir())
        with pytest.raises(FlockerError) as failed:
            if way == "stage":
                self.there.stage(self.claim.volume_id, wanted, self.last, stream)
            else:
                self.there.receive(self.claim.volume_id, wanted, self.last, [stream])
        assert sorted(self.folder.iterdir()) == before
        assert self.there.snapshots(self.claim.volume_id) == [self.last]
        return failed.value

    def forged(self, *commands: bytes) -> bytes:
        """An increment on the newest snapshot, with these changes."""
        wanted, parent = uuid.UUID(int=2), uuid.UUID(self.last.identity)
        return begin(b"2", wanted.bytes, parent.bytes) + b"".join(commands) + END

    @property
    def folder(self) -> Path:
        """Where the snapshots of the copy are."""
        return live_of(self.there.root, self.claim.volume_id).parent / "snapshots"


def snapshot_in(pool: BtrfsPool, claim: Claim, snapshot: Snapshot) -> Path:
    return live_of(pool.root, claim.volume_id).parent / "snapshots" / str(snapshot.number)


Pools = tuple[BtrfsPool, BtrfsPool, BtrfsPool]
MakeReplica = Callable[[Callable[[Path], object]], Replica]


@pytest.fixture(scope="module")
def pools() -> Iterator[Pools]:
    with ExitStack() as mounts:
        one, two, three = (BtrfsPool(mounts.enter_context(mounted_btrfs())) for _ in range(3))
        yield one, two, three


@pytest.fixture
def a_replica(pools: Pools) -> MakeReplica:
    return lambda make: Replica(pools[0], pools[1], make)


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within the test, no increment is received by a process."""
    real = btrfs_stream.receive

    def refuse(stream: Iterable[bytes], expected: Expected, path: Path, base: Path | None) -> None:
        assert base is None, "a process was asked to receive an increment"
        real(stream, expected, path, base)

    monkeypatch.setattr(btrfs_stream, "receive", refuse)


# --- The same as was sent, whatever changed

# The last one is what the kernel calls a new file in passing, if it is free.
NAMES = [b"a", b"b\n", b"\xff\xfe", b" ", b"x" * 200, b"o257-8-0"]
paths = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3).map(b"/".join)
contents = st.sampled_from(
    [b"", b"text", os.urandom(5000), bytes(BLOCK), b"1" + bytes(3 * BLOCK) + b"2", bytes(9000)]
)
offsets = st.sampled_from([0, 1, BLOCK, 3 * BLOCK, 50_000])
modes = st.sampled_from([0o600, 0o4755, 0o2711, 0o1777, 0o0])
owners = st.sampled_from([0, 1, 1234, 4_000_000_000])
times = st.integers(-(10**18), 2 * 10**18)
values = st.sampled_from([b"", b"blue", b"x" * 2000])


def write(top: bytes, path: bytes, content: bytes, offset: int) -> None:
    file = os.open(top + path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o644)
    try:
        os.pwrite(file, content, offset)
    finally:
        os.close(file)


def punch(top: bytes, path: bytes, offset: int) -> None:
    file = os.open(top + path, os.O_WRONLY | os.O_NOFOLLOW)
    try:
        _libc.fallocate(file, 3, ctypes.c_int64(offset), ctypes.c_int64(2 * BLOCK))
    finally:
        os.close(file)


def exchange(top: bytes, one: bytes, other: bytes) -> None:
    _libc.renameat2(-100, top + one, -100, top + other, RENAME_EXCHANGE)


def replace(top: bytes, path: bytes) -> None:
    """A file in the place of a folder, or a folder in the place of a file."""
    place = top + path
    if os.path.isdir(place) and not os.path.islink(place):
        subprocess.run([b"rm", b"-r", b"--", place], check=True)
        write(top, path, b"was a folder", 0)
    else:
        os.unlink(place)
        os.mkdir(place)


def no_follow(call: Callable[..., object], top: bytes, path: bytes, *rest: object) -> None:
    call(top + path, *rest, follow_symlinks=False)


Change = tuple[Callable[..., object], tuple[Any, ...]]


def change(call: Callable[..., object], *arguments: st.SearchStrategy[Any]) -> Any:
    return st.tuples(st.just(call), st.tuples(*arguments))


changes = st.one_of(
    change(write, paths, contents, offsets),
    change(write, paths, contents, offsets),
    change(punch, paths, offsets),
    change(exchange, paths, paths),
    change(replace, paths),
    change(lambda top, path, size: os.truncate(top + path, size), paths, offsets),
    change(lambda top, path: os.mkdir(top + path), paths),
    change(lambda top, path: os.mkdir(top + path), paths),
    change(lambda top, path, to: os.symlink(to, top + path), paths, paths),
    change(lambda top, path, to: os.link(top + to, top + path, follow_symlinks=False),
           paths, paths),
    change(lambda top, path, to: os.rename(top + path, top + to), paths, paths),
    change(lambda top, path, to: os.rename(top + path, top + to), paths, paths),
    change(lambda top, path: os.unlink(top + path), paths),
    change(lambda top, path: os.rmdir(top + path), paths),
    change(lambda top, path, mode: os.path.islink(top + path) or os.chmod(top + path, mode),
           paths | st.just(b""), modes),
    change(lambda top, path, uid, gid: no_follow(os.chown, top, path, uid, gid),
           paths | st.just(b""), owners, owners),
    change(lambda top, path, at: os.utime(top + path, ns=(at, at), follow_symlinks=False),
           paths | st.just(b""), times),
    change(lambda top, path, value: no_follow(os.setxattr, top, path, b"user.colour", value),
           paths | st.just(b""), values),
    change(lambda top, path: no_follow(os.removexattr, top, path, b"user.colour"), paths),
    change(lambda top, path: no_follow(os.setxattr, top, path, b"system.posix_acl_access", ACL),
           paths),
    change(lambda top, path: no_follow(os.setxattr, top, path, b"security.capability", CAPABILITY),
           paths),
    change(lambda top, path: no_follow(os.removexattr, top, path, b"security.capability"), paths),
)  # fmt: skip


all_changes = changes | change(
    lambda top, path: no_follow(os.setxattr, top, path, b"system.posix_acl_default", ACL),
    paths | st.just(b""),
)


A_BIT_OF_ALL: list[Change] = [
    (write, (b"a", b"x" * 9 * BLOCK, 0)),
    (write, (b"\xff\xfe", b"text", 0)),
    (lambda top, path: os.mkdir(top + path), (b" ",)),
    (lambda top, path: os.mkdir(top + path), (b" /b\n",)),
    (write, (b" /a", b"1" + bytes(3 * BLOCK) + b"2", 0)),
    (write, (b" /b\n/a", b"text", 0)),
    (lambda top, path: os.symlink(b"a", top + path), (b" /" + b"x" * 200,)),
]


def make_changes(live: Path, made: list[Change]) -> None:
    for call, arguments in made:
        with suppress(OSError):  # no such file, a folder that is not empty, and so on
            call(os.fsencode(live) + b"/", *arguments)


def facts_of(snapshot: Path) -> dict[bytes, dict[str, Any]]:
    """All that a snapshot is, by path; hard links by the first path of the same file."""
    top = os.fsencode(snapshot)
    found: dict[bytes, dict[str, Any]] = {}
    first: dict[int, bytes] = {}
    places = [top]
    for folder, folders, files in os.walk(top):
        folders.sort()
        places += [os.path.join(folder, each) for each in sorted(folders + files)]
    for place in sorted(places):
        is_ = os.lstat(place)
        about: dict[str, Any] = {
            "mode": is_.st_mode,
            "owner": (is_.st_uid, is_.st_gid),
            "time": is_.st_mtime_ns,
            "links": (is_.st_nlink, first.setdefault(is_.st_ino, place[len(top) :])),
            "blocks": is_.st_blocks,
            "attributes": {
                each: os.getxattr(place, each, follow_symlinks=False)
                for each in os.listxattr(place, follow_symlinks=False)
            },
        }
        if stat.S_ISREG(is_.st_mode):
            with open(place, "rb") as file:
                about["content"] = file.read()
        elif stat.S_ISLNK(is_.st_mode):
            about["target"] = os.readlink(place)
        found[place[len(top) :]] = about
    return found


def identity_of(snapshot: Path) -> list[str]:
    """Tell how later streams find it, and the number of the sender's transaction."""
    shown = subprocess.run(
        ["btrfs", "subvolume", "show", str(snapshot)], check=True, capture_output=True, text=True
    )
    kept = ("Received UUID", "Send transid", "Flags")
    return [line.strip() for line in shown.stdout.splitlines() if line.strip().startswith(kept)]


def compare(source: Path, own: Path, process: Path) -> None:
    """The daemon and its process made all that was sent."""
    sent, mine, its = facts_of(source), facts_of(own), facts_of(process)
    assert list(mine) == list(sent)
    assert mine == its
    for path, about in mine.items():
        for part, value in about.items():
            if part not in ("time", "blocks"):  # some folders' times the kernel does not send
                assert value == sent[path][part], (path, part)
    assert identity_of(own) == identity_of(process)


@settings(
    max_examples=100, phases=NO_SHRINKING, deadline=None, suppress_health_check=list(HealthCheck)
)
@given(
    first=st.lists(all_changes, min_size=1, max_size=20),
    rounds=st.lists(st.lists(all_changes, min_size=1, max_size=20), min_size=1, max_size=3),
)
@example(first=[], rounds=[[(replace, (b"a",)), (replace, (b" ",))]])
def test_a_snapshot_is_what_was_sent(
    pools: Pools, first: list[Change], rounds: list[list[Change]]
) -> None:
    source, own, process = pools
    claim = a_claim()
    source.create(claim)
    make_changes(source.writable_path(claim), A_BIT_OF_ALL + first)
    last = source.take_snapshot(claim)
    whole = b"".join(source.send(claim.volume_id, last.number, None))
    assert own.settle([own.stage(claim.volume_id, last, None, whole)]) == [None]
    process.receive(claim.volume_id, last, None, [whole])
    compare(*(snapshot_in(pool, claim, last) for pool in (source, own, process)))
    for made in rounds:
        make_changes(source.writable_path(claim), made)
        taken = source.take_snapshot(claim)
        if taken == last:
            continue
        numbers = taken.number, last.number
        stream = source.small_stream(claim.volume_id, *numbers, ENOUGH_BYTES)
        assert stream is not None
        assert send_stream.parse(stream) is not None
        assert own.settle([own.stage(claim.volume_id, taken, last, stream)]) == [None]
        process.receive(claim.volume_id, taken, last, [stream])
        compare(*(snapshot_in(pool, claim, taken) for pool in (source, own, process)))
        last = taken
    for pool in pools:
        for each in pool.snapshots(claim.volume_id):
            subvolume.delete(snapshot_in(pool, claim, each))


# --- What the kernel takes away on the way


@pytest.mark.usefixtures("no_process")
def test_a_capability_outlives_content_and_owner(a_replica: MakeReplica) -> None:
    def make(live: Path) -> None:
        for name in ("content", "owner", "both"):
            (live / name).write_text("text")
            os.setxattr(live / name, "security.capability", CAPABILITY)

    replica = a_replica(make)
    (replica.live / "content").write_text("later")
    os.chown(replica.live / "owner", 999, 999)
    (replica.live / "both").write_bytes(bytes(2 * BLOCK))
    os.chown(replica.live / "both", 999, 999)
    for name in ("content", "owner", "both"):
        os.setxattr(replica.live / name, "security.capability", CAPABILITY)
    there = replica.follow()
    for name in ("content", "owner", "both"):
        assert os.getxattr(there / name, "security.capability") == CAPABILITY


def test_a_capability_that_comes_before_the_owner_is_kept(a_replica: MakeReplica) -> None:
    """As kernels before 5.8 send it."""
    replica = a_replica(lambda live: (live / "a").touch())
    made = Snapshot(2, str(uuid.UUID(int=2)), 1)
    stream = replica.forged(
        command(Kind.SET_XATTR, b"a", xattr_name=b"security.capability", xattr_data=CAPABILITY),
        command(Kind.CHOWN, b"a", uid=999, gid=999),
    )
    replica.accept(made, stream)
    there = replica.folder / "2" / "a"
    assert os.getxattr(there, "security.capability") == CAPABILITY
    assert there.stat().st_uid == 999


@pytest.mark.usefixtures("no_process")
def test_a_mode_outlives_a_new_owner(a_replica: MakeReplica) -> None:
    """The kernel takes setuid away with the owner, and sends a mode only if it changed."""

    def make(live: Path) -> None:
        (live / "a").touch()
        (live / "a").chmod(0o6755)

    replica = a_replica(make)
    os.chown(replica.live / "a", 999, 999)
    (replica.live / "a").chmod(0o6755)
    assert stat.S_IMODE((replica.follow() / "a").stat().st_mode) == 0o6755
    os.chown(replica.live / "a", 1000, 999)
    assert stat.S_IMODE((replica.follow() / "a").stat().st_mode) == 0o755


@pytest.mark.usefixtures("no_process")
def test_what_is_new_inherits_no_attribute(a_replica: MakeReplica) -> None:
    """New entries begin in the top folder, which may have a default for them by then."""
    replica = a_replica(lambda live: (live / "a").touch())
    (replica.live / "file").touch()
    (replica.live / "folder").mkdir()
    os.setxattr(replica.live, "system.posix_acl_default", ACL)
    os.setxattr(replica.live, "btrfs.compression", b"zstd")
    (replica.live / "heir").touch()
    there = replica.follow()
    assert os.listxattr(there / "file") == os.listxattr(there / "folder") == []
    assert sorted(os.listxattr(there / "heir")) == ["btrfs.compression", "system.posix_acl_access"]


@pytest.mark.usefixtures("no_process")
def test_zeros_become_holes_and_take_no_room(a_replica: MakeReplica) -> None:
    def make(live: Path) -> None:
        (live / "a").write_bytes(b"x" * 8 * BLOCK)
        (live / "short").write_text("text")

    replica = a_replica(make)
    with (replica.live / "a").open("r+b") as file:
        file.seek(BLOCK)
        file.write(bytes(4 * BLOCK) + b"end")
    (replica.live / "new").write_bytes(b"1" + bytes(9 * BLOCK))
    (replica.live / "short").write_bytes(bytes(2 * BLOCK))
    there = replica.follow()
    assert (there / "short").stat().st_blocks == 0
    assert (there / "short").read_bytes() == bytes(2 * BLOCK)
    assert (there / "a").stat().st_blocks * 512 == 4 * BLOCK
    assert (there / "new").stat().st_blocks * 512 == 2 * BLOCK
    assert (there / "new").read_bytes() == b"1" + bytes(9 * BLOCK)


@pytest.mark.parametrize("way", ["stage", "receive"])
def test_a_new_symbolic_link_is_no_hindrance_to_holes(a_replica: MakeReplica, way: str) -> None:
    replica = a_replica(lambda live: (live / "a").touch())
    (replica.live / "a").write_bytes(bytes(2 * BLOCK))
    (replica.live / "link").symlink_to("a")
    there = replica.follow(way)
    assert (there / "a").stat().st_blocks == 0
    assert (there / "link").readlink() == Path("a")


@pytest.mark.parametrize("time", [0, -1])
@pytest.mark.parametrize("way", ["stage", "receive"])
def test_a_top_folder_may_be_as_old_as_1970(a_replica: MakeReplica, way: str, time: int) -> None:
    replica = a_replica(lambda live: (live / "a").touch())
    os.utime(replica.live, ns=(0, time))
    assert replica.follow(way).stat().st_mtime_ns == time


# --- What is left to a process

ALSO_BY_THE_DAEMON = {
    "a fifo": "mkfifo fifo",
    "a device": "mknod null c 1 3",
    "shared data": "head -c 300000 /dev/urandom > file; cp --reflink=always file copy",
}


def process_asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the snapshots that a process is asked to make from now on."""
    names: list[str] = []
    real = btrfs_stream.receive

    def receive(stream: Iterable[bytes], expected: Expected, path: Path, base: Path | None) -> None:
        names.append(expected.name)
        real(stream, expected, path, base)

    monkeypatch.setattr(btrfs_stream, "receive", receive)
    return names


@pytest.mark.parametrize("what", ALSO_BY_THE_DAEMON)
def test_whatever_a_small_increment_holds_needs_no_process(
    a_replica: MakeReplica, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = a_replica(lambda live: (live / "a").touch())
    asked = process_asked(monkeypatch)
    run(ALSO_BY_THE_DAEMON[what], replica.live)
    replica.follow()
    assert asked == []


def test_many_small_changes_are_left_to_a_process(
    a_replica: MakeReplica, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It holds up nothing else in the daemon."""
    replica = a_replica(lambda live: (live / "a").touch())
    asked = process_asked(monkeypatch)
    for number in range(send_stream.MOST_COMMANDS):
        (replica.live / str(number)).touch()
    replica.follow()
    assert asked == ["2"]
    (replica.live / "a").write_text("later")
    replica.follow()
    assert asked == ["2"], "the next one builds on what the process made"


@pytest.mark.parametrize("way", ["stage", "receive"])
def test_a_later_version_of_the_format_is_refused(a_replica: MakeReplica, way: str) -> None:
    replica = a_replica(lambda live: (live / "a").touch())
    stream = begin(b"2", uuid.UUID(int=2).bytes, uuid.UUID(replica.last.identity).bytes, version=9)
    assert "version 9" in str(replica.refuse(stream + END, way=way))


# --- Streams that are damaged, or made to do harm


def harmful(outside: Path, clone_uuid: bytes = uuid.UUID(int=2).bytes) -> dict[str, list[bytes]]:
    """Each would change what is outside of the snapshot, if it could.

    In the parent are the file `a`, the symbolic links `folder` and `link`, which lead outside, the
    fifo `fifo` and the device `null`.
    """
    write = {"file_offset": 0, "data": b"harm"}
    stamp = {"atime": LATER, "mtime": LATER}
    share = {"file_offset": 0, "clone_uuid": clone_uuid, "clone_offset": 0, "clone_len": 4096}
    blue = {"xattr_name": b"user.colour", "xattr_data": b"blue"}
    ways: dict[str, list[bytes]] = {}
    for name, path in {
        "above": b"../../outside/harm",
        "above from within": b"a/../../1/harm",
        "absolute": os.fsencode(outside / "harm"),
        "nameless": b"a//harm",
        "here": b"./harm",
        "beyond a link": b"folder/harm",
        "a folder": b"harm/",
    }.items():
        ways[f"a file {name}"] = [command(Kind.MKFILE, path)]
        ways[f"a folder {name}"] = [command(Kind.MKDIR, path)]
        ways[f"a link {name}"] = [command(Kind.LINK, path, path_link=b"a")]
        ways[f"a symbolic link {name}"] = [command(Kind.SYMLINK, path, path_link=b"a")]
        ways[f"a new name {name}"] = [command(Kind.RENAME, b"a", path_to=path)]
        ways[f"a device {name}"] = [command(Kind.MKNOD, path, mode=0o20666, rdev=259)]
        ways[f"a fifo {name}"] = [command(Kind.MKFIFO, path)]
        ways[f"a socket {name}"] = [command(Kind.MKSOCK, path)]
    for name, path in {"above": b"../../outside/kept", "beyond a link": b"folder/kept"}.items():
        ways[f"an old name {name}"] = [command(Kind.RENAME, path, path_to=b"b")]
        ways[f"a link to what is {name}"] = [command(Kind.LINK, b"b", path_link=path)]
        ways[f"a deletion {name}"] = [command(Kind.UNLINK, path)]
        ways[f"the deletion of a folder {name}"] = [command(Kind.RMDIR, path)]
        ways[f"content {name}"] = [command(Kind.WRITE, path, **write)]
        ways[f"shared data of what is {name}"] = [
            command(Kind.CLONE, b"a", **share, clone_path=path)
        ]
        ways[f"shared data in what is {name}"] = [
            command(Kind.CLONE, path, **share, clone_path=b"a")
        ]
        ways[f"a size {name}"] = [command(Kind.TRUNCATE, path, size=0)]
        ways[f"a mode {name}"] = [command(Kind.CHMOD, path, mode=0o777)]
        ways[f"an owner {name}"] = [command(Kind.CHOWN, path, uid=1, gid=1)]
        ways[f"a time {name}"] = [command(Kind.UTIMES, path, **stamp)]
        ways[f"an attribute {name}"] = [command(Kind.SET_XATTR, path, **blue)]
        ways[f"no attribute {name}"] = [command(Kind.REMOVE_XATTR, path, xattr_name=b"user.kept")]
    ways |= {
        "content of a link": [command(Kind.WRITE, b"link", **write)],
        "the size of a link": [command(Kind.TRUNCATE, b"link", size=0)],
        "the mode of a link": [command(Kind.CHMOD, b"link", mode=0o777)],
        "a new link": [
            command(Kind.SYMLINK, b"new", path_link=os.fsencode(outside)),
            command(Kind.WRITE, b"new/kept", **write),
        ],
        "content of a fifo": [command(Kind.WRITE, b"fifo", **write)],
        "content of a device": [command(Kind.WRITE, b"null", **write)],
        "shared data of a link": [command(Kind.CLONE, b"a", **share, clone_path=b"link")],
        "shared data of a device": [command(Kind.CLONE, b"a", **share, clone_path=b"null")],
        "shared data of another volume": [
            command(Kind.CLONE, b"a", **{**share, "clone_uuid": b"x" * 16}, clone_path=b"a")
        ],
        "content of a folder": [command(Kind.WRITE, b"", **write)],
        "a file that is there already": [command(Kind.MKFILE, b"a")],
        "the top folder's deletion": [command(Kind.RMDIR, b"")],
        "another name for the top folder": [command(Kind.RENAME, b"", path_to=b"b")],
    }
    return ways


BY_A_PROCESS = ("a file above", "a device beyond a link", "content of a link", "a deletion above")


@pytest.mark.parametrize(
    ("way", "harm"),
    [
        *(("stage", harm) for harm in harmful(Path("/outside"))),
        *(("receive", harm) for harm in BY_A_PROCESS),
    ],
)
def test_a_stream_reaches_nothing_outside(
    a_replica: MakeReplica, tmp_path: Path, harm: str, way: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    os.setxattr(outside / "kept", "user.kept", b"yes")

    def make(live: Path) -> None:
        (live / "a").write_text("text")
        (live / "folder").symlink_to(outside)
        (live / "link").symlink_to(outside / "kept")
        os.mkfifo(live / "fifo")
        os.mknod(live / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))

    replica = a_replica(make)
    beside = replica.folder.parent / "outside"
    beside.mkdir()
    (beside / "kept").write_text("kept")
    os.setxattr(beside / "kept", "user.kept", b"yes")
    before = facts_of(outside), facts_of(beside), facts_of(replica.folder / "1")
    error = replica.refuse(replica.forged(*harmful(outside)[harm]), way=way)
    assert isinstance(error, StreamRefused)
    assert (facts_of(outside), facts_of(beside), facts_of(replica.folder / "1")) == before
    (replica.live / "a").write_text("later")
    replica.follow()


def test_content_goes_to_whoever_has_the_name_now(a_replica: MakeReplica) -> None:
    replica = a_replica(lambda live: ((live / "a").touch(), (live / "b").touch()))
    replica.accept(
        Snapshot(2, str(uuid.UUID(int=2)), 1),
        replica.forged(
            command(Kind.WRITE, b"a", file_offset=0, data=b"one"),
            command(Kind.RENAME, b"a", path_to=b"c"),
            command(Kind.RENAME, b"b", path_to=b"a"),
            command(Kind.WRITE, b"a", file_offset=0, data=b"two"),
        ),
    )
    there = replica.folder / "2"
    assert ((there / "c").read_text(), (there / "a").read_text()) == ("one", "two")


def test_links_keep_their_own_owner_and_time(a_replica: MakeReplica, tmp_path: Path) -> None:
    outside = tmp_path / "kept"
    outside.touch()
    before = facts_of(tmp_path)
    replica = a_replica(lambda live: (live / "link").symlink_to(outside))
    made = Snapshot(2, str(uuid.UUID(int=2)), 1)
    replica.accept(
        made,
        replica.forged(
            command(Kind.CHOWN, b"link", uid=5, gid=6),
            command(Kind.UTIMES, b"link", atime=LATER, mtime=LATER),
            command(Kind.SET_XATTR, b"link", xattr_name=b"trusted.x", xattr_data=b"1"),
        ),
    )
    link = (replica.folder / "2" / "link").lstat()
    assert (link.st_uid, link.st_gid, link.st_mtime_ns) == (5, 6, 1_234_567_890_123_456_789)
    assert facts_of(tmp_path) == before


def test_a_link_to_a_link_is_no_link_to_what_it_leads_to(a_replica: MakeReplica) -> None:
    def make(live: Path) -> None:
        (live / "a").write_text("text")
        (live / "link").symlink_to("a")

    replica = a_replica(make)
    os.link(replica.live / "link", replica.live / "other", follow_symlinks=False)
    there = replica.follow()
    assert (there / "other").lstat().st_ino == (there / "link").lstat().st_ino
    assert (there / "a").stat().st_nlink == 1


def test_a_stream_that_was_cut_is_tried_again_and_leaves_nothing(a_replica: MakeReplica) -> None:
    replica = a_replica(lambda live: (live / "a").touch())
    (replica.live / "a").write_text("later")
    taken, stream = replica.stream()
    for length in range(0, len(stream), 11):
        assert not isinstance(replica.refuse(stream[:length], taken), StreamRefused)
    assert isinstance(replica.refuse(stream + b"\0", taken), TransferFailed)
    replica.accept(taken, stream)


def test_another_snapshot_than_was_asked_for_is_not_taken(a_replica: MakeReplica) -> None:
    replica = a_replica(lambda live: (live / "a").touch())
    (replica.live / "a").write_text("later")
    taken, stream = replica.stream()
    for wrong in (
        Snapshot(taken.number + 1, taken.identity, 1),
        Snapshot(taken.number, str(uuid.UUID(int=5)), 1),
    ):
        error = replica.refuse(stream, wrong)
        assert isinstance(error, TransferFailed)
        assert not isinstance(error, StreamRefused)
    replica.accept(taken, stream)


def test_an_increment_on_another_parent_is_refused(a_replica: MakeReplica) -> None:
    replica = a_replica(lambda live: (live / "a").touch())
    stream = begin(b"2", uuid.UUID(int=2).bytes, uuid.UUID(int=1).bytes) + END
    assert isinstance(replica.refuse(stream), StreamRefused)
    with pytest.raises(StreamRefused):
        replica.there.stage(
            replica.claim.volume_id, Snapshot(2, str(uuid.UUID(int=2)), 1), None, stream
        )


# --- What the node refuses


@pytest.mark.parametrize(
    "number", [errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EMFILE]
)
def test_what_the_disk_refuses_is_tried_again(
    a_replica: MakeReplica, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = a_replica(lambda live: (live / "a").touch())
    (replica.live / "a").write_text("later")
    taken, stream = replica.stream()

    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as broken:
        broken.setattr(holes, "write", fail)
        error = replica.refuse(stream, taken)
    assert not isinstance(error, StreamRefused)
    assert os.strerror(number) in str(error)
    replica.accept(taken, stream)


@pytest.mark.parametrize("has_draft", [True, False])
def test_a_snapshot_that_cannot_be_made_or_finished_is_tried_again(
    a_replica: MakeReplica, has_draft: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    replica = a_replica(lambda live: (live / "a").touch())
    (replica.live / "a").write_text("later")
    taken, stream = replica.stream()
    if not has_draft:
        subvolume.delete(replica.folder.parent / "draft")

    def fail(*_: object, **__: object) -> None:
        raise subvolume.failure("no", OSError(errno.ENOSPC, "No space left on device"))

    with monkeypatch.context() as broken:
        broken.setattr(subvolume, "snapshot", fail)
        error = replica.refuse(stream, taken)
    assert isinstance(error, TransferFailed)
    assert not isinstance(error, StreamRefused)
    replica.accept(taken, stream)


def test_a_full_pool_is_no_reason_to_fetch_all_of_it(make_btrfs_pool: MakeBtrfsPool) -> None:
    replica = Replica(make_btrfs_pool(), make_btrfs_pool(), lambda live: (live / "a").touch())
    (replica.live / "a").write_bytes(os.urandom(ENOUGH_BYTES // 2))
    taken, stream = replica.stream()
    fill = replica.there.root / "fill"
    with fill.open("wb") as file, pytest.raises(OSError, match="No space"):
        while True:
            file.write(bytes(ENOUGH_BYTES))
            file.flush()
    error = replica.refuse(stream, taken)
    assert "No space left on device" in str(error)
    assert not isinstance(error, StreamRefused)
    fill.unlink()
    subvolume.sync(replica.there.root)
    replica.accept(taken, stream)


def test_a_file_that_may_not_be_changed_here_is_a_reason_to_fetch_all_of_it(
    a_replica: MakeReplica,
) -> None:
    replica = a_replica(lambda live: (live / "a").write_text("text"))
    (replica.live / "a").write_text("later")
    parent = replica.folder / "1"
    subvolume.set_readonly(parent, is_readonly=False)
    run("chattr +i a", parent)
    subvolume.set_readonly(parent, is_readonly=True)
    taken, stream = replica.stream()
    error = replica.refuse(stream, taken)
    assert isinstance(error, StreamRefused)
    assert "not permitted" in str(error)
