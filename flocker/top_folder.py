"""The time of the last change of a snapshot's top folder, set again in one that was received.

`btrfs receive` makes each new file in the top folder under a passing name first, which changes that
folder's time. A stream sets it again only if the folder itself has changed, and older kernels do
so too early. So after most increments the copy's would be the time it was received at, and two
copies with the same content would not be equal.

Source: linux, fs/btrfs/send.h and send_utimes in send.c.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

from flocker import subvolume

_BEGIN_BYTES = 17  # struct btrfs_stream_header: "btrfs-stream\0", version
_COMMAND = struct.Struct("<IHI")  # struct btrfs_cmd_header: length of what follows, command, crc
_ATTRIBUTE = struct.Struct("<HH")  # struct btrfs_tlv_header: type, length
_TIME = struct.Struct("<QI")  # struct btrfs_timespec: seconds, nanoseconds
_UTIMES, _MTIME, _PATH = 20, 10, 15


class Watched:
    """A stream that notes what it says of the top folder's time.

    Attributes:
        mtime_ns: None as long as it has said nothing.
    """

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream
        self._skip = _BEGIN_BYTES  # of what is to come
        self._rest = b""  # the beginning of a command that has not come whole
        self.mtime_ns: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            self._look(self._rest + chunk if self._rest else chunk)
            yield chunk

    def _look(self, data: bytes) -> None:
        at, self._rest = 0, b""
        while (at := at + self._skip) <= len(data) - _COMMAND.size:
            self._skip = 0
            length, command, _ = _COMMAND.unpack_from(data, at)
            end = at + _COMMAND.size + length
            if command == _UTIMES:
                if end > len(data):
                    break
                self._note(data[at + _COMMAND.size : end])
            self._skip = end - at
        if at < len(data):
            self._skip, self._rest = 0, data[at:]
        else:
            self._skip = at - len(data)

    def _note(self, attributes: bytes) -> None:
        found, at = {}, 0
        while at + _ATTRIBUTE.size <= len(attributes):
            kind, length = _ATTRIBUTE.unpack_from(attributes, at)
            at += _ATTRIBUTE.size
            found[kind] = attributes[at : at + length]
            at += length
        if found.get(_PATH) == b"" and len(found.get(_MTIME, b"")) == _TIME.size:
            seconds, nanoseconds = _TIME.unpack(found[_MTIME])
            self.mtime_ns = seconds * 10**9 + nanoseconds


def set_time(snapshot: Path, mtime_ns: int) -> None:
    """Set the time of a received snapshot's top folder, which is read-only again afterwards.

    Raises:
        PoolError: that failed.
    """
    facts = snapshot.stat()
    if facts.st_mtime_ns == mtime_ns:
        return
    subvolume.set_readonly(snapshot, is_readonly=False)
    try:
        os.utime(snapshot, ns=(facts.st_atime_ns, mtime_ns))
    except OSError as error:
        raise subvolume.failure(f"the time of {snapshot} could not be set", error) from error
    subvolume.set_readonly(snapshot, is_readonly=True)
