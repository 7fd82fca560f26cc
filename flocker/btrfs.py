"""A pool kept in one btrfs file system.

    volumes/<id>/live             writable subvolume; on the owner only
    volumes/<id>/epoch            the epoch `live` was made for, or the one that took it away
    volumes/<id>/snapshots/<n>    read-only subvolumes
    trash/<id>-<time>             what was removed or set aside, whole

A received snapshot is never made writable: that would drop the identity which
increments are matched by (kdave/btrfs-progs#419). `live` is a snapshot of it.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
import subprocess
import tempfile
import threading
import uuid
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from flocker.errors import PoolError, StaleEpoch, TransferFailed
from flocker.ownership import Claim
from flocker.pool import Snapshot, Usage

log = logging.getLogger(__name__)

CHUNK_BYTES = 1 << 20
EXTENT = re.compile(r"update_extent .*\blen=(\d+)\s*$")
# The newest is what the next increment builds on. Older ones serve nodes that missed a move or two.
SNAPSHOTS_KEPT = 3


@dataclass(frozen=True)
class _Subvolume:
    uuid: str
    parent_uuid: str | None
    received_uuid: str | None
    generation: int  # of its last change
    created_generation: int
    is_readonly: bool

    @property
    def identity(self) -> str:
        """What `btrfs send` calls this subvolume, on whichever node it is."""
        return self.received_uuid or self.uuid


class BtrfsPool:
    """The pool below `root`, which must be a directory on a mounted btrfs."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._volumes = root / "volumes"
        self._trash = root / "trash"
        self._locks: dict[str, threading.Lock] = {}
        for folder in (self._volumes, self._trash):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def create(self, claim: Claim) -> None:
        self._snapshot_dir(claim.volume_id).mkdir(mode=0o700, parents=True)
        _btrfs("subvolume", "create", self._live(claim.volume_id))
        self._write_epoch(claim)
        _flush(self._volumes)

    def open(self, claim: Claim) -> Path:
        self._check_epoch(claim)
        live = self._live(claim.volume_id)
        if not live.is_dir():
            raise PoolError(f"the pool has no writable copy of volume {claim.volume_id}")
        return live

    def is_open(self, volume_id: str) -> bool:
        return self._live(volume_id).is_dir()

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        folder = self._snapshot_dir(volume_id)
        if not folder.is_dir():
            return []
        found = []
        numbered = [path for path in folder.iterdir() if path.name.isdecimal()]
        for path in sorted(numbered, key=lambda path: int(path.name)):
            subvolume = _show(path)
            if subvolume.is_readonly:  # a stream that is not finished has not set it yet
                found.append(Snapshot(int(path.name), subvolume.identity))
        return found

    def take_snapshot(self, claim: Claim) -> Snapshot:
        with self._locked(claim.volume_id):
            live = self.open(claim)
            _flush(self._volumes)  # a write that is still in memory has not moved the generation
            known = self.snapshots(claim.volume_id)
            if known and self._holds_all(claim.volume_id, known[-1]):
                return known[-1]
            number = known[-1].number + 1 if known else 1
            path = self._snapshot(claim.volume_id, number)
            self._delete_partial(path)
            _btrfs("subvolume", "snapshot", "-r", live, path)
            _flush(self._volumes)
            self._prune(claim.volume_id)
            return Snapshot(number, _show(path).identity)

    def stream_bytes(self, volume_id: str, number: int, parent: int | None) -> int:
        # Neither program's output is kept: there are several lines per file.
        send = subprocess.Popen(
            self._send_command(volume_id, number, parent, "--no-data"),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        dump = subprocess.Popen(
            ["btrfs", "receive", "--dump"],
            stdin=send.stdout,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            errors="replace",
        )
        assert send.stdout is not None
        assert dump.stdout is not None
        send.stdout.close()  # so that `send` ends when `dump` does
        try:
            extents = map(EXTENT.match, dump.stdout)
            total = sum(int(extent[1]) for extent in extents if extent)
            if dump.wait() != 0 or send.wait() != 0:
                raise PoolError(f"cannot tell the size of snapshot {number} of volume {volume_id}")
        finally:
            for process in (send, dump):
                process.kill()
                process.wait()
            dump.stdout.close()
        return total

    def send(self, volume_id: str, number: int, parent: int | None) -> Generator[bytes, None, None]:
        with tempfile.TemporaryFile() as complaints:
            send = subprocess.Popen(
                self._send_command(volume_id, number, parent),
                stdout=subprocess.PIPE,
                stderr=complaints,
            )
            assert send.stdout is not None
            try:
                # What there is, not a whole chunk: a long walk over unchanged files sends little.
                while chunk := os.read(send.stdout.fileno(), CHUNK_BYTES):
                    yield chunk
                if send.wait() != 0:
                    raise PoolError(f"btrfs send failed: {_text_of(complaints)}")
            finally:  # also when the receiver went away in the middle
                send.stdout.close()
                send.kill()
                send.wait()

    def receive(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: Iterable[bytes]
    ) -> None:
        path = self._snapshot(volume_id, snapshot.number)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._delete_partial(path)
        if path.exists():
            raise TransferFailed(f"another snapshot {snapshot.number} is here already")
        try:
            self._feed(path.parent, stream)
            self._verify(path, snapshot, parent)
        except BaseException:
            if path.is_dir():
                _btrfs("subvolume", "delete", path)
            raise
        _flush(self._volumes)
        self._prune(volume_id)

    def adopt(self, claim: Claim, snapshot: Snapshot) -> None:
        with self._locked(claim.volume_id):
            self._set_live_aside(claim.volume_id)
            source = self._snapshot(claim.volume_id, snapshot.number)
            _btrfs("subvolume", "snapshot", source, self._live(claim.volume_id))
            self._write_epoch(claim)
            _flush(self._volumes)

    def put_away(self, claim: Claim) -> None:
        with self._locked(claim.volume_id):
            if not self._folder(claim.volume_id).is_dir():
                return
            try:
                stored = self._stored_epoch(claim.volume_id)
            except PoolError:
                stored = 0  # snapshots only: it was never writable here
            if stored <= claim.epoch:  # else it came back meanwhile
                self._write_epoch(claim)
                self._set_live_aside(claim.volume_id)

    def discard(self, volume_id: str) -> None:
        with self._locked(volume_id):
            folder = self._folder(volume_id)
            if folder.is_dir():
                folder.rename(self._trash_place(volume_id))

    def volume_ids(self) -> list[str]:
        return sorted(path.name for path in self._volumes.iterdir())

    def usage(self) -> Usage:
        usage = shutil.disk_usage(self._volumes)
        return Usage(used_bytes=usage.used, total_bytes=usage.total)

    def _folder(self, volume_id: str) -> Path:
        # Ids come from etcd and from peers; only a UUID may become part of a path.
        return self._volumes / str(uuid.UUID(volume_id))

    def _live(self, volume_id: str) -> Path:
        return self._folder(volume_id) / "live"

    def _snapshot_dir(self, volume_id: str) -> Path:
        return self._folder(volume_id) / "snapshots"

    def _snapshot(self, volume_id: str, number: int) -> Path:
        return self._snapshot_dir(volume_id) / str(number)

    def _trash_place(self, volume_id: str) -> Path:
        return self._trash / f"{volume_id}-{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"

    @contextmanager
    def _locked(self, volume_id: str) -> Iterator[None]:
        """One at a time changes which copy of a volume is writable here."""
        with self._locks.setdefault(volume_id, threading.Lock()):
            yield

    def _check_epoch(self, claim: Claim) -> None:
        stored = self._stored_epoch(claim.volume_id)
        if stored != claim.epoch:
            raise StaleEpoch(
                f"volume {claim.volume_id} is at epoch {stored} in this node's pool, "
                f"asked for at epoch {claim.epoch}; `flocker status` tells who owns it"
            )

    def _stored_epoch(self, volume_id: str) -> int:
        try:
            return int((self._folder(volume_id) / "epoch").read_text())
        except FileNotFoundError:
            raise PoolError(f"the pool has no copy of volume {volume_id}") from None
        except (OSError, ValueError) as error:
            raise PoolError(f"the epoch of volume {volume_id} cannot be read: {error}") from error

    def _write_epoch(self, claim: Claim) -> None:
        path = self._folder(claim.volume_id) / "epoch"
        fresh = path.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(f"{claim.epoch}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)

    def _set_live_aside(self, volume_id: str) -> None:
        """Delete the writable copy if a snapshot holds all of it; else keep it in the trash."""
        live = self._live(volume_id)
        if not live.is_dir():
            return
        _flush(self._volumes)
        if any(self._holds_all(volume_id, kept) for kept in self.snapshots(volume_id)):
            _btrfs("subvolume", "delete", live)
        else:
            live.rename(self._trash_place(volume_id))

    def _holds_all(self, volume_id: str, snapshot: Snapshot) -> bool:
        """Whether `live` is unchanged since the snapshot was taken of it, or it of the snapshot."""
        live = _show(self._live(volume_id))
        kept = _show(self._snapshot(volume_id, snapshot.number))
        if kept.parent_uuid == live.uuid:
            return live.generation <= kept.generation
        return live.parent_uuid == kept.uuid and live.generation <= live.created_generation

    def _prune(self, volume_id: str) -> None:
        for snapshot in self.snapshots(volume_id)[:-SNAPSHOTS_KEPT]:
            try:
                _btrfs("subvolume", "delete", self._snapshot(volume_id, snapshot.number))
            except PoolError as error:  # one that is being sent; the next time will do
                log.info("%s", error)

    def _send_command(
        self, volume_id: str, number: int, parent: int | None, *options: str
    ) -> list[str]:
        against = [] if parent is None else ["-p", str(self._snapshot(volume_id, parent))]
        return ["btrfs", "send", "-q", *options, *against, str(self._snapshot(volume_id, number))]

    def _feed(self, folder: Path, stream: Iterable[bytes]) -> None:
        """Pipe a stream into `btrfs receive`."""
        with tempfile.TemporaryFile() as complaints:
            # -e: end at the stream's own end mark, so that a stream cut short is an error.
            receive = subprocess.Popen(
                ["btrfs", "receive", "-q", "-e", str(folder)],
                stdin=subprocess.PIPE,
                stderr=complaints,
            )
            assert receive.stdin is not None
            try:
                for chunk in stream:
                    receive.stdin.write(chunk)
                receive.stdin.close()
                receive.wait()
            except BrokenPipeError:
                receive.wait()  # its own complaint says more
            finally:
                receive.kill()
                receive.wait()
            if receive.returncode != 0:
                raise TransferFailed(f"btrfs receive failed: {_text_of(complaints)}")

    def _verify(self, path: Path, snapshot: Snapshot, parent: Snapshot | None) -> None:
        if not path.is_dir():
            raise TransferFailed(f"the stream held no snapshot {snapshot.number}")
        received = _show(path)
        expected_parent = None
        if parent is not None:
            expected_parent = _show(path.with_name(str(parent.number))).uuid
        if not received.is_readonly:
            raise TransferFailed(f"the stream of snapshot {snapshot.number} ended too early")
        if received.received_uuid != snapshot.identity:
            raise TransferFailed(
                f"snapshot {snapshot.number} arrived as {received.received_uuid}, "
                f"not as {snapshot.identity}"
            )
        if received.parent_uuid != expected_parent:
            raise TransferFailed(f"snapshot {snapshot.number} was built on another parent")

    def _delete_partial(self, path: Path) -> None:
        """Delete what an interrupted receive left at `path`."""
        if path.is_dir() and not _show(path).is_readonly:
            _btrfs("subvolume", "delete", path)


def _show(path: Path) -> _Subvolume:
    """Facts about a subvolume, read from `btrfs subvolume show`."""
    shown = dict(
        re.findall(
            r"^\s*([A-Z][\w ]*):[ \t]+(.*?)\s*$", _btrfs("subvolume", "show", path), re.MULTILINE
        )
    )
    return _Subvolume(
        uuid=shown["UUID"],
        parent_uuid=_none_if_dash(shown["Parent UUID"]),
        received_uuid=_none_if_dash(shown["Received UUID"]),
        generation=int(shown["Generation"]),
        created_generation=int(shown["Gen at creation"]),
        is_readonly="readonly" in shown.get("Flags", ""),
    )


def _none_if_dash(text: str) -> str | None:
    return None if text == "-" else text


def _flush(path: Path) -> None:
    """Write all of the file system to disk."""
    _btrfs("filesystem", "sync", path)


def _btrfs(*arguments: str | Path) -> str:
    """Run a btrfs command that moves no data; return what it printed.

    Not bounded in time: one that waits for the disk cannot be ended either.

    Raises:
        PoolError: it failed.
    """
    command = ["btrfs", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise PoolError(f"`{' '.join(command)}` failed: {done.stderr.strip()}")
    return done.stdout


def _text_of(complaints: IO[bytes]) -> str:
    complaints.seek(0)
    return complaints.read().decode(errors="replace").strip() or "no reason given"
