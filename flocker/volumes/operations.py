"""The commands that an operator may give a node: each is done where the data is.

Four are elsewhere: purge, forget and import in maintenance.py, verify in care/verification.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flocker.base.answers import Changed, Pruned, Restored, SnapshotList
from flocker.base.errors import BadRequest
from flocker.volumes.changes import Changes
from flocker.volumes.moves import Moves
from flocker.volumes.overview import Overview
from flocker.volumes.recovery import Recovery
from flocker.volumes.requests import (
    Forwarded,
    MoveRequest,
    PruneRequest,
    ResizeRequest,
    RestoreRequest,
    SnapshotRequest,
    UndeleteRequest,
)
from flocker.volumes.snapshots import Snapshots


@dataclass(frozen=True)
class Operations:
    """The operations of one node, by what they are about."""

    overview: Overview
    moves: Moves
    snapshots: Snapshots
    recovery: Recovery
    changes: Changes

    def do(self, request: Forwarded[Any]) -> Changed | Restored | SnapshotList | Pruned:
        """Do what the operator of another node has asked for; the data is here."""
        match request:
            case MoveRequest():
                return self.moves.move(request.volume, request.to)
            case SnapshotRequest():
                return self.snapshots.snapshot(request.volumes, request.label)
            case PruneRequest():
                return self.snapshots.prune(request.reference)
            case RestoreRequest():
                return self.snapshots.restore(request.reference)
            case UndeleteRequest():
                return self.recovery.undelete(request.name)
            case ResizeRequest():
                return self.changes.resize(request.volume, request.size_bytes)
            case _:
                raise BadRequest(f"no operation {request.operation!r}")
