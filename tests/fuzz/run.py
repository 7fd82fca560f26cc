"""Reads and applies random streams for a while."""

from __future__ import annotations

import os
import random
import stat
import time
import uuid
from collections import Counter
from pathlib import Path

from flocker.base.errors import TransferFailed
from flocker.btrfs import subvolume
from flocker.streams import applier, send_stream
from flocker.streams.expected import Expected
from tests.fuzz.streams import a_stream, in_pieces

Outcomes = Counter[str]


def read(seconds: float, seed: int) -> Outcomes:
    """Have streams read; whatever they hold, they are read or refused, in little memory."""
    draw, outcomes = random.Random(seed), Outcomes()  # noqa: S311  a seed repeats it
    ending = time.monotonic() + seconds
    while time.monotonic() < ending:
        stream = a_stream(draw, uuid.UUID(int=2), draw.choice([None, uuid.UUID(int=1)]))
        try:
            for _ in send_stream.read(in_pieces(draw, stream)):
                pass
        except TransferFailed as error:
            outcomes[type(error).__name__] += 1
        else:
            outcomes["read"] += 1
    return outcomes


def apply(seconds: float, seed: int, root: Path) -> Outcomes:
    """Have streams applied on a btrfs at `root`; what is beside the snapshot stays as it was.

    Raises:
        AssertionError: it did not.
    """
    draw, outcomes = random.Random(seed), Outcomes()  # noqa: S311  a seed repeats it
    base = _make_base(root)
    before = _facts(root)
    parent = uuid.UUID(subvolume.look(base).identity)
    made = base.with_name("2")
    ending = time.monotonic() + seconds
    while time.monotonic() < ending:
        number = sum(outcomes.values())
        on = draw.choice([None, base])
        stream = a_stream(draw, uuid.UUID(int=2), None if on is None else parent)
        expected = Expected("2", str(uuid.UUID(int=2)), None if on is None else str(parent))
        if on is None:
            subvolume.create(made)
        else:
            subvolume.snapshot(on, made)
        try:
            applier.apply(send_stream.read(in_pieces(draw, stream)), expected, made, on)
        except TransferFailed as error:
            outcomes[type(error).__name__] += 1
        else:
            outcomes["applied"] += 1
        subvolume.delete(made)
        assert _facts(root) == before, f"stream {number} of seed {seed} changed what is outside"
    return outcomes


def _make_base(root: Path) -> Path:
    """A snapshot that has some of everything, and things beside it that must stay."""
    outside, snapshots = root / "outside", root / "volume" / "snapshots"
    for folder in (outside, snapshots, root / "volume" / "outside"):
        folder.mkdir(parents=True)
        (folder / "kept").write_text("kept")
    live = root / "volume" / "live"
    subvolume.create(live)
    (live / "a").write_bytes(b"x" * 10_000)
    (live / "folder").mkdir()
    (live / "folder" / "b\n").touch()
    (live / "link").symlink_to(outside)
    (live / "loop").symlink_to("../../outside/kept")
    os.mkfifo(live / "fifo")
    os.mknod(live / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    subvolume.snapshot(live, snapshots / "1", readonly=True)
    return snapshots / "1"


def _facts(root: Path) -> dict[str, tuple[object, ...]]:
    found: dict[str, tuple[object, ...]] = {}
    for path in root.rglob("*"):
        facts = path.lstat()
        # Making and deleting the snapshot changes the time of its folder.
        is_changed = path.name == "snapshots"
        about = (facts.st_mode, facts.st_uid, facts.st_gid, facts.st_size)
        found[str(path)] = (*about, 0 if is_changed else facts.st_ctime_ns)
    return found
