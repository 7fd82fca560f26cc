"""The writable copies of a simulated disk: each holds the lines that writers have appended."""

from __future__ import annotations

from pathlib import Path
from random import Random

from judge.clients.cluster import Content
from judge.history import Segment


class Lines:
    """`tests.twins.memory_content.Contents` without files: nothing but lines is ever written."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._copies: dict[str, WritableCopy] = {}

    def copy(self, volume_id: str) -> WritableCopy:
        """The copy that a container has mounted. It stays that very copy, wherever that is put."""
        return self._copies[volume_id]

    def all(self) -> list[WritableCopy]:
        return list(self._copies.values())

    def path(self, volume_id: str) -> Path:
        return self._root / volume_id / "live"

    def is_there(self, volume_id: str) -> bool:
        return volume_id in self._copies

    def is_empty(self, volume_id: str) -> bool:
        return not self.is_there(volume_id) or not self.frozen(volume_id)

    def subvolumes(self, volume_id: str) -> list[str]:  # noqa: ARG002 - nobody makes one
        return []

    def make(self, volume_id: str, content: bytes | None) -> None:
        assert volume_id not in self._copies
        self._copies[volume_id] = WritableCopy(content or b"")

    def frozen(self, volume_id: str) -> bytes:
        return self._copies[volume_id].content()

    def take(self, volume_id: str) -> bytes:
        return self._copies.pop(volume_id).content()

    def held_bytes(self, content: bytes) -> int:
        return len(content)


class WritableCopy:
    """The one file of a volume. Its content is the same object until something is written."""

    def __init__(self, content: bytes) -> None:
        self._parts = [content]
        self._in_memory: list[int] = []  # lengths of the last lines, which are not on disk yet

    def append(self, line: bytes, *, is_synced: bool) -> None:
        self._parts.append(line)
        self._in_memory.append(len(line))
        if is_synced:
            self.sync()

    def sync(self) -> None:
        """Have all that was written on disk."""
        self._in_memory.clear()

    def lose_memory(self, random: Random) -> None:
        """Lose some of the last lines that are not on disk, as a power cut does."""
        lost = sum(self._in_memory[random.randint(0, len(self._in_memory)) :])
        self._in_memory.clear()
        if lost:
            self._parts = [self.content()[:-lost]]

    def content(self) -> bytes:
        if len(self._parts) > 1:
            self._parts = [b"".join(self._parts)]
        return self._parts[0]


def line(run: str, sequence: int) -> bytes:
    """The line that a writer appends."""
    return f"{run} {sequence}\n".encode()


def parse(content: bytes) -> Content:
    """The lines in a content, as the history tells of them."""
    seen: list[Segment] = []
    run, first, last = "", 0, 0
    for each in content.decode().splitlines():
        of, _, number = each.rpartition(" ")
        if of == run and int(number) == last + 1:
            last += 1
            continue
        if run:
            seen.append(Segment(run=run, first=first, last=last))
        run, first, last = of, int(number), int(number)
    if run:
        seen.append(Segment(run=run, first=first, last=last))
    return Content(seen=tuple(seen))
