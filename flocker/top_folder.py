"""The time of the last change of a snapshot's top folder, set again in one that was received.

`btrfs receive` makes each new file in the top folder under a passing name first, which changes that
folder's time. A stream sets it again only if the folder itself has changed, and older kernels do
so too early. So after most increments the copy's would be the time it was received at, and two
copies with the same content would not be equal.

Source: linux, send_utimes in fs/btrfs/send.c.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from flocker import subvolume
from flocker.send_stream import Attribute, Kind, Splitter, attributes, nanoseconds


class Watched:
    """A stream that notes what it says of the top folder's time.

    Attributes:
        mtime_ns: None as long as it has said nothing.
    """

    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream
        self.mtime_ns: int | None = None

    def __iter__(self) -> Iterator[bytes]:
        splitter = Splitter({Kind.UTIMES})
        for chunk in self._stream:
            for _, body in splitter.feed(chunk):
                found = attributes(body)
                if found.get(Attribute.PATH) == b"":
                    self.mtime_ns = nanoseconds(found.get(Attribute.MTIME, b""))
            yield chunk


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
