"""The identity of the machine that a daemon runs on, so that a node is more than a name.

It is a digest of three ids, each of which tells what the others cannot:

- a UUID made at the first start, beside the pool and not in it: a disk that is replaced does not
  make another machine, and machines made from one image differ, unless the image was taken later;
- the machine's hardware id (DMI), which a copy of its disk does not have;
- /etc/machine-id, which is made anew with a new system, also where there is no DMI.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Callable
from pathlib import Path

from flocker.base import private

HARDWARE = (Path("/sys/class/dmi/id/product_uuid"), Path("/etc/machine-id"))


def hardware() -> str:
    """The system's answer about the machine; empty if it has none."""
    return " ".join(_content(file) for file in HARDWARE)


class Identity:
    """The machine's id, and whether the machine is new to the cluster.

    Args:
        file: keeps the UUID; made when it is missing.
        describe: what tells the machine from one with a copy of that file.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, file: Path, describe: Callable[[], str] = hardware) -> None:
        self._file = file
        private.make_folder(file.parent)
        known = json.loads(file.read_text()) if file.exists() else None
        self._uuid = str(known["uuid"]) if known else str(uuid.uuid4())
        self.is_new = bool(known["is_new"]) if known else True
        if known is None:
            self._write()
        self.machine = hashlib.sha256(f"{self._uuid} {describe()}".encode()).hexdigest()[:32]

    def settle(self) -> None:
        """Note that the machine is not new any more: it has joined, or may not."""
        if self.is_new:
            self.is_new = False
            self._write()

    def _write(self) -> None:
        private.write(self._file, json.dumps({"uuid": self._uuid, "is_new": self.is_new}))


def _content(file: Path) -> str:
    try:
        return file.read_text().strip()
    except OSError:  # not every machine has it
        return ""
