"""Makes files of every kind, and lists all there is to know of them; runs in a container.

    python3 manifest.py make DIRECTORY
    python3 manifest.py list DIRECTORY

Needs nothing but Python. The list has one line per file, in order of their paths; two lists are
equal when no content, owner, mode, time, extended attribute, hard link or hole differs.
"""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from pathlib import Path

SMALL_FILES = 500
HOLE_BYTES = 64 << 20
BLOCK_BYTES = 512  # what st_blocks counts, whatever the file system's own are


def make(top: Path) -> None:
    """Write the files."""
    many = top / "many"
    many.mkdir()
    for number in range(SMALL_FILES):
        (many / f"{number:03}").write_text(f"file {number}\n")
    owned = top / "owned by somebody"
    owned.write_text("theirs\n")
    os.chown(owned, 1234, 4321)
    owned.chmod(0o4750)
    os.setxattr(owned, "user.colour", b"red")
    (top / "the same file").hardlink_to(owned)
    (top / "link").symlink_to("owned by somebody")
    os.mkfifo(top / "pipe", 0o600)
    with (top / "hole").open("wb") as sparse:
        sparse.write(b"start")
        sparse.seek(HOLE_BYTES)
        sparse.write(b"end")
    (top / "random").write_bytes(os.urandom(1 << 20))
    os.utime(top / "random", ns=(0, 1_234_567_890_123_456_789))


def describe(path: Path, names: dict[int, str]) -> str:
    """One line about a file.

    Args:
        names: inode -> the first path it was seen at, which tells hard links; is added to.
    """
    found = path.lstat()
    content = ""
    if stat.S_ISREG(found.st_mode):
        content = hashlib.sha256(path.read_bytes()).hexdigest()
    elif stat.S_ISLNK(found.st_mode):
        content = str(path.readlink())
    attributes = [
        f"{name}={os.getxattr(path, name, follow_symlinks=False)!r}"
        for name in os.listxattr(path, follow_symlinks=False)
    ]
    has_hole = found.st_blocks * BLOCK_BYTES < found.st_size // 2
    return " ".join(
        [
            repr(str(path)),
            stat.filemode(found.st_mode),
            f"{found.st_uid}:{found.st_gid}",
            f"{found.st_size} bytes",
            "with a hole" if has_hole else "whole",
            f"at {found.st_mtime_ns}",
            f"{found.st_nlink} links, first {names.setdefault(found.st_ino, str(path))!r}",
            *attributes,
            content,
        ]
    )


def main(action: str, directory: str) -> None:
    """Make the files if the action is "make"; list them in any case."""
    top = Path(directory)
    if action == "make":
        make(top)
    names: dict[int, str] = {}
    for path in sorted(top.rglob("*")):
        print(describe(path, names))


if __name__ == "__main__":
    main(*sys.argv[1:])
