"""The daemon's parts report that they work; systemd is told so only while all of them do.

A thread that did nothing but tell systemd would go on though everything else hangs.
"""

from __future__ import annotations

import time
from collections.abc import Callable

# Longer than a round of each may take. An event loop has nothing to wait for. Announcing waits for
# etcd's members a few times, the others for a disk that may have gigabytes to write.
LOOP_SECONDS = 10.0
ANNOUNCE_SECONDS = 90.0
DISK_SECONDS = 300.0


class Pulse:
    """The parts of one daemon.

    Args:
        is_disk_at_fault: tells whether the disk keeps those waiting that work on it.

    Attributes:
        limits: how long each may be silent, in seconds.
    """

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        is_disk_at_fault: Callable[[], bool] = lambda: False,
    ) -> None:
        self._clock = clock
        self._is_disk_at_fault = is_disk_at_fault
        self._at_disk: set[str] = set()
        self._seen: dict[str, float] = {}
        self.limits: dict[str, float] = {}

    def expect(self, part: str, within: float) -> Callable[[], None]:
        """Have a part count as hung when it was not at work for that many seconds.

        Args:
            part: its name, for people.

        Returns:
            What the part calls in each of its rounds.
        """

        def beat() -> None:
            self._seen[part] = self._clock()

        beat()
        self.limits[part] = within
        return beat

    def expect_at_disk(self, part: str) -> Callable[[], None]:
        """As `expect`, for a part that works on the disk; while that is at fault it is not hung.

        A daemon that is started anew would wait for the same disk, and not even answer. Once the
        disk answers the part has its whole time: it may have much to write then.
        """
        self._at_disk.add(part)
        return self.expect(part, DISK_SECONDS)

    def hung(self) -> list[str]:
        """The parts that hang, each with how long."""
        now = self._clock()
        if self._is_disk_at_fault():
            self._seen.update(dict.fromkeys(self._at_disk, now))
        silent = {part: now - self._seen[part] for part in list(self.limits)}
        return [
            f"{part} ({seconds:.0f} s)"
            for part, seconds in silent.items()
            if seconds > self.limits[part]
        ]
