"""Short texts that can be written to a btrfs without room for data: targets of symbolic links.

Btrfs sets a block of data aside for every file that is written, however short
it is, so on a full pool the note that says what is removed could not be
written and nothing could be removed. A link's target is metadata, and it is on
disk as soon as a later rename is: the file system keeps their order.
"""

from __future__ import annotations

import os
from pathlib import Path

BYTES_AT_MOST = 3800  # the kernel takes 3971 with nodes of 16 KiB


def write(path: Path, text: str) -> None:
    """Have `text` at `path`, in the place of an earlier note there.

    Raises:
        OSError: also when the text is empty or longer than BYTES_AT_MOST.
    """
    fresh = path.with_name(f"{path.name}.new")
    fresh.unlink(missing_ok=True)  # a crash left it
    os.symlink(text, fresh)  # noqa: PTH211  a Path would change `//` in the text
    fresh.replace(path)


def read(path: Path) -> str:
    """The text of the note at `path`.

    Raises:
        FileNotFoundError: there is no note.
        OSError: something else is there.
    """
    return os.readlink(path)  # noqa: PTH115  likewise
