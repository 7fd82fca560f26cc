"""Mounts of folders of CephFS, each by its own ceph-fuse process.

The kernel and ceph-fuse hold what was written for some seconds. It is all in the storage only
when the process has ended: `umount` returns before that, and `sync` asks nothing of a ceph-fuse.
No function here looks at a mounted path, because that may hang for as long as Ceph is away.

Source: measured with Ceph 18.2 (docs/decisions/0047-a-pool-on-cephfs.md).
"""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flocker.base import private
from flocker.base.errors import PoolError, PoolHangs
from flocker.ceph.process import Watched, running_with

MOUNT_SECONDS = 30
UNMOUNT_SECONDS = 60  # what is not written yet goes to the storage meanwhile
ASK_SECONDS = 5
MOUNTS = Path("/proc/self/mountinfo")
_LENGTH = struct.Struct(">I")


@dataclass(frozen=True)
class Ticket:
    """The right to one folder.

    Attributes:
        conf: Ceph's configuration.
        filesystem: its name.
        folder: what is mounted, as an absolute path in the file system.
        identity: which may do that, e.g. `client.flocker.<id>.7`.
        key: that identity's.
    """

    conf: Path
    filesystem: str
    folder: str
    identity: str
    key: str


class Mounted:
    """A ceph-fuse process and its mountpoint.

    Attributes:
        pid: of the process, as long as it runs.
        address: by which the storage knows it; another one for each mount.
    """

    def __init__(self, mountpoint: Path, pid: int, address: str, asked: Path) -> None:
        self.mountpoint = mountpoint
        self.pid = pid
        self.address = address
        self._asked = asked

    def keep(self, record: Callable[[str], None]) -> None:
        """Have its address recorded, and the next process of the driver find it.

        Nobody may use it before that. It ends if that fails, as nobody could block it.

        Raises:
            PoolError: it cannot be written down; or what `record` raises.
        """
        try:
            record(self.address)
            self._write_down()
        except Exception:  # whatever it was: a client that nobody could block must not stay
            _end(self)
            raise

    def _write_down(self) -> None:
        try:
            private.write(_address(self._asked), self.address)
        except OSError as error:
            raise PoolError(f"{self._asked.parent} cannot be written to: {error}") from error

    def unmount(self) -> None:
        """Unmount, and wait until all that was written is in the storage.

        Raises:
            PoolError: something uses the mount.
            PoolHangs: the storage does not take it in time; it is still unmounted or about to be.
        """
        with Watched(self.pid) as process:
            if self.is_mounted():  # it is not after a call that did not wait until the end
                self._unmount(process)
            if not process.has_ended(UNMOUNT_SECONDS):
                raise PoolHangs(f"ceph-fuse of {self.mountpoint} has not ended yet")

    def kill(self) -> None:
        """End the process at once, and with it all that hangs in the mount; data may be lost.

        The rest of the mount answers with errors, until `clear` takes it away.
        """
        with Watched(self.pid) as process:
            process.kill()
            process.has_ended(UNMOUNT_SECONDS)

    def is_mounted(self) -> bool:
        """True if it is what one finds at the mountpoint; the mount itself is not asked."""
        return _is_mountpoint(self.mountpoint)

    def is_refused(self) -> bool:
        """True if the storage takes nothing from it any more, and it has heard of that.

        The storage does that by itself to clients that were silent for some minutes.
        """
        try:
            return bool(_status(self._asked).get("blocklisted"))
        except PoolError:  # it waits for something, or has ended
            return False

    def has_ended(self) -> bool:
        """True if the process is gone; whoever uses the mount gets errors."""
        with Watched(self.pid) as process:
            return process.has_ended(0)

    def _unmount(self, process: Watched) -> None:
        done = _umount(self.mountpoint)
        if done.returncode != 0 and not process.has_ended(0):
            raise PoolError(f"{self.mountpoint} cannot be unmounted: {done.stderr.strip()}")


def mount(ticket: Ticket, mountpoint: Path, runtime: Path) -> Mounted:
    """Mount a folder. Call `keep` before anybody uses it.

    Args:
        mountpoint: an empty folder, without spaces in its path.
        runtime: a folder for the process's pid and socket, and for its key until that is read;
            on no disk, and with a short name.

    Raises:
        PoolError: Ceph refuses the identity, or does not answer in time.
    """
    private.make_folder(runtime)
    key = runtime / f"{ticket.identity}.key"
    pid, asked = _traces(ticket.identity, runtime)
    _end_former(ticket.identity, mountpoint, runtime)
    private.write(key, f"[{ticket.identity}]\n\tkey = {ticket.key}\n")
    command = [
        "ceph-fuse",
        *("--conf", str(ticket.conf), "--name", ticket.identity, "--keyring", str(key)),
        *("--client_fs", ticket.filesystem, "-r", ticket.folder),
        *("--pid-file", str(pid), "--admin-socket", str(asked)),
        *("--client-mount-timeout", str(MOUNT_SECONDS)),
        str(mountpoint),
    ]
    try:
        service = ("forking", f"ceph-fuse-{ticket.identity}", f"PIDFile={pid}")
        done = _run(_apart(command, *service), 2 * MOUNT_SECONDS)
    finally:
        key.unlink()  # the process has read it
    if done.returncode != 0:
        raise PoolError(f"ceph-fuse could not mount {ticket.folder}: {_reason(done.stderr)}")
    process = int(pid.read_text())
    try:
        return Mounted(mountpoint, process, address_of(asked), asked)
    except PoolError:  # a client that nobody could block must not stay
        Mounted(mountpoint, process, "", asked).kill()
        clear(mountpoint)
        raise


def _reason(said: str) -> str:
    """The line of ceph-fuse's output that names the error; its own log may come before or after."""
    lines = said.splitlines() or ["it gave no reason"]
    return next((line for line in lines if "mount failed" in line), lines[-1])


def clear(mountpoint: Path) -> None:
    """Take a mount away whose process has ended, or do nothing if there is none.

    Users that stand in it keep what is left of it, which answers with errors.
    """
    if _is_mountpoint(mountpoint):
        _umount(mountpoint, "--lazy")


def running(identity: str, mountpoint: Path, runtime: Path) -> Mounted | None:
    """The mount that an earlier process of the driver made and kept, if its ceph-fuse runs.

    It need not answer: it does not while Ceph is away, and still has what was written to it.
    """
    pid_file, asked = _traces(identity, runtime)
    try:
        address = _address(asked).read_text()
    except OSError:
        return None
    pid = running_with(identity, pid_file)
    return None if pid is None else Mounted(mountpoint, pid, address, asked)


def identities(runtime: Path) -> list[str]:
    """The identities of all mounts that were made with that folder, also of those that ended."""
    return [each.stem for each in runtime.glob("client.*.pid")]


def address_of(admin_socket: Path) -> str:
    """The address by which the storage knows a client, asked of the client.

    Raises:
        PoolError: it does not answer.
    """
    try:
        address: str = _status(admin_socket)["addr_str"]
    except KeyError as error:
        raise PoolError(f"ceph-fuse does not tell its address: {error}") from error
    return address


def _status(admin_socket: Path) -> dict[str, Any]:
    """A client's report of itself.

    Raises:
        PoolError: it does not answer.
    """
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
            asking.settimeout(ASK_SECONDS)
            asking.connect(str(admin_socket))
            asking.sendall(json.dumps({"prefix": "status", "format": "json"}).encode() + b"\0")
            with asking.makefile("rb") as answers:
                [length] = _LENGTH.unpack(answers.read(_LENGTH.size))
                status: dict[str, Any] = json.loads(answers.read(length))
    except (OSError, ValueError, struct.error) as error:
        raise PoolError(f"ceph-fuse does not answer: {error}") from error
    return status


def _traces(identity: str, runtime: Path) -> tuple[Path, Path]:
    """The pid file and the socket of a ceph-fuse."""
    return runtime / f"{identity}.pid", runtime / f"{identity}.asok"


def _address(asked: Path) -> Path:
    """The file with the address of a client that was kept."""
    return asked.with_suffix(".address")


def _end_former(identity: str, mountpoint: Path, runtime: Path) -> None:
    """End a client that an earlier process of the driver made and did not get to keep."""
    pid_file, asked = _traces(identity, runtime)
    _address(asked).unlink(missing_ok=True)
    if (pid := running_with(identity, pid_file)) is None:
        return
    _end(Mounted(mountpoint, pid, "", asked))


def _end(mounted: Mounted) -> None:
    """End a client that nobody has used; politely, so that the storage does not wait for it."""
    try:
        mounted.unmount()
    except PoolError:
        mounted.kill()
        clear(mounted.mountpoint)


def _is_mountpoint(path: Path) -> bool:
    table = MOUNTS.read_bytes().split(b"\n")[:-1]
    return os.fsencode(path) in {line.split(b" ", 5)[4] for line in table}


def _umount(mountpoint: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = ["umount", "--no-canonicalize", *options, str(mountpoint)]
    return _run(_apart(command, "oneshot", f"umount-{uuid.uuid4()}"), UNMOUNT_SECONDS)


def _apart(command: list[str], kind: str, unit: str, *properties: str) -> list[str]:
    """The command as a service of its own, where this process is part of one that tells of itself.

    The daemon's unit lets nothing be mounted, and its end is the end of all processes in it. When
    the machine is shut down, clients outlast the containers, and end before the network.

    Source: sd_notify(3), systemd-run(1); tried with systemd 252 and the unit's restrictions.
    """
    if "NOTIFY_SOCKET" not in os.environ:
        return command
    own = (f"Type={kind}", "Before=docker.service", "After=network-online.target", *properties)
    told = [f"--property={each}" for each in own]
    return ["systemd-run", "--quiet", "--collect", f"--unit={unit}", *told, "--", *command]


def _run(command: list[str], within: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(command, check=False, capture_output=True, text=True, timeout=within)
    except subprocess.TimeoutExpired as error:
        raise PoolHangs(f"{command[0]} has not ended within {within:g} s") from error
