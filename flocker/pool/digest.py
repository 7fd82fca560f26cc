"""A digest of a folder: equal on two nodes if, and only if, everything that travels is.

For each entry, in the order of names: path, kind, mode, owner, time of the last change, extended
attributes (access lists and capabilities are some), and what belongs to its kind: content, target,
device number, and for hard links the first name of the same file. Left out is what btrfs does not
carry: file attributes as NOCOW, inode numbers, times of access, where holes are (a hole reads as
zeros), and subvolumes inside, which a snapshot has as empty folders.

Run as a program, so that a hundred thousand files do not hold up the daemon:

    python3 -m flocker.pool.digest FOLDER BYTES-PER-SECOND     prints a Digest as JSON
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import flocker
from flocker.base.errors import PoolError
from flocker.base.records import Record

BLOCK_BYTES = 64 << 10
PLACE_OF_SUBVOLUME = 2  # BTRFS_EMPTY_SUBVOL_DIR_OBJECTID: its inode number in a snapshot
LOW_PRIORITY = 19  # nice(1)
DEEPEST = 2048 + 100  # folders in each other: a path has 4095 bytes at most, two for each


@dataclass(frozen=True)
class Digest(Record):
    """A SHA-256 over all that was read; `size_bytes` are those of files' content."""

    sha256: str
    entries: int
    size_bytes: int
    unknown: Mapping[str, Any] = field(
        default_factory=dict, kw_only=True, compare=False, repr=False
    )


def of(folder: Path, bytes_per_second: int) -> Digest:
    """The digest of a folder that does not change, made by a process of low priority.

    Raises:
        PoolError: something in it cannot be read; the message names it.
    """
    package = Path(flocker.__file__).parent.parent
    done = subprocess.run(
        [sys.executable, "-BPs", "-m", "flocker.pool.digest", str(folder), str(bytes_per_second)],
        env={**os.environ, "PYTHONPATH": str(package)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        reason = done.stderr.strip() or f"status {done.returncode}"
        raise PoolError(f"{folder} cannot be read: {reason}")
    return Digest.from_json(json.loads(done.stdout))


class Reader:
    """Reads a folder once."""

    def __init__(self, folder: bytes, bytes_per_second: float) -> None:
        self._folder = folder
        self._pace = _Pace(bytes_per_second)
        self._sum = hashlib.sha256()
        self._linked: dict[int, bytes] = {}
        self._entries = 0
        self._size_bytes = 0

    def read(self) -> Digest:
        self._add_entry(self._folder, b"", Path(os.fsdecode(self._folder)).stat())
        self._add_folder(self._folder, b"")
        return Digest(self._sum.hexdigest(), self._entries, self._size_bytes)

    def _add_folder(self, folder: bytes, prefix: bytes) -> None:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: entry.name)
        for entry in entries:
            facts = entry.stat(follow_symlinks=False)
            is_folder = stat.S_ISDIR(facts.st_mode)
            if is_folder and facts.st_ino == PLACE_OF_SUBVOLUME:
                continue
            self._add_entry(entry.path, prefix + entry.name, facts)
            if is_folder:
                self._add_folder(entry.path, prefix + entry.name + b"/")

    def _add_entry(self, path: bytes, name: bytes, facts: os.stat_result) -> None:
        self._entries += 1
        self._pace.spend(BLOCK_BYTES // 16)  # a look at a file costs as much as some reading
        self._add(b"entry", name, facts.st_mode, facts.st_uid, facts.st_gid, facts.st_mtime_ns)
        for attribute in sorted(os.listxattr(path, follow_symlinks=False)):
            self._add(
                b"attribute",
                os.fsencode(attribute),
                os.getxattr(path, attribute, follow_symlinks=False),
            )
        if not stat.S_ISDIR(facts.st_mode) and facts.st_nlink > 1:
            first = self._linked.setdefault(facts.st_ino, name)
            self._add(b"same as", first)
            if first != name:
                return
        if stat.S_ISREG(facts.st_mode):
            self._add_content(path, facts.st_size)
        elif stat.S_ISLNK(facts.st_mode):
            self._add(b"target", os.fsencode(Path(os.fsdecode(path)).readlink()))
        elif stat.S_ISBLK(facts.st_mode) or stat.S_ISCHR(facts.st_mode):
            self._add(b"device", facts.st_rdev)

    def _add_content(self, path: bytes, size: int) -> None:
        self._size_bytes += size
        self._add(b"content", size)
        file = os.open(path, os.O_RDONLY)  # of a hundred thousand, a Path costs half the time
        try:
            for at in _blocks_with_data(file, size):
                block = os.pread(file, BLOCK_BYTES, at)
                self._pace.spend(len(block))
                if block.count(0) != len(block):  # zeros and a hole are the same
                    self._add(b"block", at, block)
        finally:
            os.close(file)

    def _add(self, *fields: bytes | int) -> None:
        for part in fields:
            written = part if isinstance(part, bytes) else b"%d" % part
            self._sum.update(b"%d:" % len(written))
            self._sum.update(written)


class _Pace:
    """Sleeps as often as it takes not to read faster than a rate."""

    def __init__(self, bytes_per_second: float) -> None:
        self._bytes_per_second = bytes_per_second
        self._began = time.monotonic()
        self._spent = 0

    def spend(self, size: int) -> None:
        self._spent += size
        ahead = self._spent / self._bytes_per_second - (time.monotonic() - self._began)
        if ahead > 0.1:
            # The reading is slowed down on purpose: nothing has to come about first.
            time.sleep(ahead)


def _blocks_with_data(file: int, size: int) -> Iterator[int]:
    """Where the blocks begin that are not all hole; of a small file, that is not asked."""
    if size <= BLOCK_BYTES:
        yield from range(0, size, BLOCK_BYTES)
        return
    at = 0
    while at < size:
        try:
            data = os.lseek(file, at, os.SEEK_DATA)
        except OSError:  # ENXIO: none until the end
            return
        hole = os.lseek(file, data, os.SEEK_HOLE)
        first = max(at, data - data % BLOCK_BYTES)
        yield from range(first, hole, BLOCK_BYTES)
        at = hole + -hole % BLOCK_BYTES


def main() -> int:
    """Print the digest of a folder; the exit status."""
    folder, bytes_per_second = sys.argv[1:]
    os.nice(LOW_PRIORITY)
    sys.setrecursionlimit(DEEPEST)
    try:
        digest = Reader(os.fsencode(folder), float(bytes_per_second)).read()
    except OSError as error:
        print(f"{error.strerror}: {os.fsdecode(error.filename or folder)}", file=sys.stderr)
        return 1
    print(json.dumps(digest.to_json()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
