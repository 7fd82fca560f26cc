"""The plan of a run: sizes, contents, methods and how often. Data only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Content = Literal["random", "text", "small"]

MB = 1_000_000
GB = 1000 * MB
REPETITIONS = 3
BUSY_VOLUMES = (10, 50, 150, 300)  # at once, each changed twice a second
DOCKER_RUNS = 15

WARM = "flocker, warm"
CAUGHT_UP = "flocker, caught up"
COLD = "flocker, cold"
SECOND = "flocker, second move"
TAR = "tar over ssh"
TAR_UNLOGGED = "tar over ssh, not logged"
RSYNC = "rsync twice"
BTRFS = "btrfs send over ssh"

METHODS = {
    WARM: "replicas follow; 1 % is rewritten the moment before the app is stopped",
    CAUGHT_UP: "as warm, but the app is stopped once the replicas have that 1 %",
    COLD: "a volume without replicas: everything is sent after the app is stopped",
    SECOND: "the way back after a cold move, with 1 % rewritten meanwhile",
    TAR: "`docker run … tar | ssh … docker run … tar` after the app is stopped",
    TAR_UNLOGGED: "the same with `--log-driver none`; else Docker also writes all data to a log",
    RSYNC: "`rsync -aHAX --delete` over ssh while the app runs, and again after it is stopped",
    BTRFS: "`btrfs send | ssh btrfs receive` of a snapshot taken after the app is stopped",
}


@dataclass(frozen=True)
class Data:
    """The content that fills a volume."""

    content: Content
    size_bytes: int

    @property
    def key(self) -> str:
        """For names of volumes and folders, like "random-100mb"."""
        return f"{self.content}-{self.size_bytes // MB}mb"

    @property
    def title(self) -> str:
        """For people, like "100 MB in small files"."""
        return f"{size_title(self.size_bytes)}{CONTENTS[self.content]}"


CONTENTS: dict[Content, str] = {
    "random": "",
    "text": ", compressible",
    "small": " in files of 4 KiB",
}


def size_title(size_bytes: int) -> str:
    """4000000000 -> "4 GB"."""
    return f"{size_bytes // GB} GB" if size_bytes >= GB else f"{size_bytes // MB} MB"


SMALLEST, MIDDLE, LARGE, LARGEST = (
    Data("random", size) for size in (10 * MB, 100 * MB, GB, 4 * GB)
)
TEXT = Data("text", 100 * MB)
SMALL_FILES = Data("small", 20 * MB)

USUAL = (WARM, COLD, TAR, RSYNC, BTRFS)
CELLS: dict[Data, tuple[str, ...]] = {
    SMALLEST: (*USUAL, SECOND, CAUGHT_UP),
    MIDDLE: (*USUAL, SECOND),
    TEXT: (COLD, TAR, BTRFS),
    SMALL_FILES: USUAL,
    LARGE: (WARM, COLD, TAR_UNLOGGED, BTRFS, SECOND),
    LARGEST: (WARM, CAUGHT_UP),
}
LEFT_OUT = (
    f"{TAR} at 1 GB, and every method without replicas at 4 GB. Their times grow with the size "
    "from 100 MB to 1 GB already, and three such moves each would take more than the 15 minutes.",
    f"{RSYNC} above 100 MB, for the same reason: its first pass, while the app runs.",
    "Compressible data and small files at other sizes. These rows show the effect of the content, "
    "the others the effect of the size.",
    f"{CAUGHT_UP}, {SECOND} and {TAR_UNLOGGED}, except where a limit needs them.",
)
"""The cells that are not in CELLS, with the reason; for the document."""
