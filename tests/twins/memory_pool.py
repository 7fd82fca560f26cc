"""A Pool in memory, for tests only: the same promises, the same contract suite.

A volume is a real directory, so that what reads and writes it is the same, unless a test has
another kind of `Contents`.
The size of a volume is known, but no write is ever stopped. A folder whose name
ends with `.subvolume` counts as a subvolume inside the volume.

A test may have it fail:

    refuses_increments   as the program does that finds an unchangeable file in the parent
    refuses_all          as a program would that does not know the stream's format
    loses_writes         the disk refuses what is written: the next flush tells of it, once
"""

from __future__ import annotations

from flocker.pool.protocol import Usage
from tests.twins.memory_asides import MemoryAsides
from tests.twins.memory_handover import MemoryHandover
from tests.twins.memory_shipping import MemoryShipping
from tests.twins.memory_snapshots import MemorySnapshots
from tests.twins.memory_volumes import MemoryVolumes


class MemoryPool(MemoryVolumes, MemorySnapshots, MemoryShipping, MemoryHandover, MemoryAsides):
    """Volumes as directories below `root`; snapshots as tar files in memory.

    A daemon that starts again is given the same object.

    Attributes:
        room: a test sets it to "none", and nothing can be added any more, or to "not even a
            reserve", and nothing can be changed either. Deleting always works.
        is_read_only: a test sets it, and nothing can be changed.
        limits: the size of each volume, by its id.
    """

    def usage(self) -> Usage:
        total = 1 << 30
        free = total if self.room == "plenty" else 0
        return Usage(used_bytes=total - free, total_bytes=total, free_bytes=free)

    def await_deletions(self, seconds: float) -> None:
        pass

    def make_reserve(self) -> None:
        pass

    def trouble(self) -> str | None:
        return None
