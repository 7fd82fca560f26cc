"""Putting files on a server as root, only those that are not there already."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from shlex import quote

from fabric import Connection


class UploadFailed(Exception):
    """A server did not take the files; the message says why."""


def mirror(shell: Connection, files: Mapping[str, Path], folder: str) -> int:
    """Make a folder of the server hold these files and no others; return the bytes sent.

    Args:
        files: path below the folder -> the file here.

    Raises:
        UploadFailed: the server's disk is full, say. What got there is right, or is sent again.
    """
    listed = shell.run(
        f"sudo -n sh -c 'mkdir -p {quote(folder)} && cd {quote(folder)}"
        " && find . -type f -exec sha256sum {} +'",
        hide=True, in_stream=False,
    ).stdout  # fmt: skip
    there = {}
    for line in listed.splitlines():
        digest, _, path = line.partition("  ./")
        there[path] = digest
    changed = {path: file for path, file in files.items() if _sha256(file) != there.get(path)}
    gone = sorted(there.keys() - files.keys())
    if gone:
        paths = " ".join(quote(f"{folder}/{path}") for path in gone)
        shell.run(f"sudo -n rm -f -- {paths}", hide=True, in_stream=False)
    if changed:
        _unpack(shell, changed, f"tar --extract --gzip --directory={quote(folder)}")
    return sum(file.stat().st_size for file in changed.values())


def place(shell: Connection, files: Mapping[str, Path], folder: str) -> None:
    """Put files where only root can look, in a folder that holds nothing else.

    Raises:
        UploadFailed: it could not be made.
    """
    # mkdir fails on a folder that somebody else makes just now.
    name = quote(folder)
    _unpack(
        shell,
        files,
        f"rm -rf {name} && mkdir -m 0700 {name} && tar --extract --gzip --directory={name}",
    )


def _unpack(shell: Connection, files: Mapping[str, Path], command: str) -> None:
    """Send files as a stream to a command of root's that unpacks them."""
    shell.open()
    stdin, stdout, stderr = shell.client.exec_command(f"sudo -n sh -c {quote(command)}")
    try:
        with (
            gzip.GzipFile(fileobj=stdin, mode="wb", compresslevel=1) as packed,
            tarfile.open(fileobj=packed, mode="w|", format=tarfile.PAX_FORMAT) as tar,
        ):
            for path, file in sorted(files.items()):
                tar.add(file, arcname=path, filter=_of_root)
        stdin.channel.shutdown_write()
    except OSError:
        pass  # it stopped reading; its status and last words say why
    if stdout.channel.recv_exit_status() != 0:
        errors = stderr.read().decode(errors="replace").strip().splitlines()
        raise UploadFailed(errors[-1] if errors else "the connection broke")


def below(root: Path, *patterns: str) -> dict[str, Path]:
    """Path below `root` -> file, of all files that match; nothing that Python compiled."""
    found: Iterable[Path] = (path for pattern in patterns for path in root.glob(pattern))
    return {
        str(path.relative_to(root)): path
        for path in found
        if path.is_file() and "__pycache__" not in path.parts
    }


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    member.mode = 0o755 if member.mode & 0o100 else 0o644
    return member


def _sha256(path: Path) -> str:
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
