"""The snapshot that a stream has to be of."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass

from flocker.base.errors import StreamRefused, TransferFailed
from flocker.streams.send_stream import Beginning


@dataclass(frozen=True)
class Expected:
    """The promise that a stream is held to.

    Attributes:
        name: of the snapshot, where it was sent.
        identity, parent: UUIDs, as the stream names them; no parent: it builds on nothing.
    """

    name: str
    identity: str
    parent: str | None

    def check(self, begun: Beginning) -> None:
        """Compare with how a stream begins.

        Raises:
            TransferFailed: it is another snapshot.
            StreamRefused: it builds on another parent.
        """
        if begun.name != os.fsencode(self.name):
            raise TransferFailed(f"the stream held no snapshot {self.name}")
        identity = str(uuid.UUID(bytes=begun.uuid))
        if identity != self.identity:
            raise TransferFailed(
                f"snapshot {self.name} arrived as {identity}, not as {self.identity}"
            )
        parent = None if begun.parent_uuid is None else str(uuid.UUID(bytes=begun.parent_uuid))
        if parent != self.parent:
            raise StreamRefused(f"snapshot {self.name} was built on another parent")
