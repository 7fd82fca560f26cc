"""The snapshots in one volume's folder of a btrfs pool: their names, and what the names say.

snapshots/<n>    read-only subvolumes
snapshots/<n>.epoch-<e>  <n> was taken at that epoch; this name may be there without <n>
snapshots/<n>.epoch-<e>.of-<uuid>  likewise, and <n> is a copy of the snapshot of that identity
snapshots/<n>.arriving   <n> is not known to be complete and on disk
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path

from flocker.base import private
from flocker.base.errors import PoolError
from flocker.base.records import Snapshot
from flocker.btrfs import nested, subvolume
from flocker.btrfs.subvolume import Subvolume

_EPOCH, _COPY_OF = ".epoch-", ".of-"  # parts of names


@dataclass(frozen=True)
class SnapshotFolder:
    """The snapshots of the volume whose folder is `path`; it need not exist yet."""

    path: Path

    def snapshot(self, number: int) -> Path:
        return self.path / "snapshots" / str(number)

    def snapshots(self, only: int | None = None) -> list[Snapshot]:
        """The complete ones, oldest first; or the one of that number."""
        names = self._names()
        taken, found = _taken(names), []
        for number in _complete(names):
            if only is None or number == only:
                epoch, identity = taken.get(number, (0, None))
                # The kernel need not be asked about a copy: this is asked several times a second.
                identity = identity or self._own_identity(number)
                if identity is not None:
                    found.append(Snapshot(number, identity, epoch))
        return found

    def _own_identity(self, number: int) -> str | None:
        """The identity that the kernel knows; None if there is no complete snapshot any more."""
        try:
            facts = subvolume.look(self.snapshot(number))
        except PoolError:  # pruned meanwhile
            return None
        return facts.identity if facts.is_readonly else None

    def numbers(self) -> list[int]:
        """The numbers of the complete ones, oldest first."""
        return _complete(self._names())

    def last(self) -> tuple[Snapshot, Subvolume] | None:
        """The newest complete one, and the facts about it; None if there is none."""
        names = self._names()
        numbers = _complete(names)
        if not numbers:
            return None
        try:
            facts = subvolume.look(self.snapshot(numbers[-1]))
        except PoolError:  # deleted meanwhile
            return None
        epoch, identity = _taken(names).get(numbers[-1], (0, None))
        if identity is None and not facts.is_readonly:
            return None
        return Snapshot(numbers[-1], identity or facts.identity, epoch), facts

    def holders(self, path: Path) -> list[Snapshot]:
        """The snapshots that hold all of a writable copy, which has been flushed."""
        if nested.inside(path):
            return []
        writable = subvolume.look(path)
        return [
            each
            for each in self.snapshots()
            if writable.is_held_by(subvolume.look(self.snapshot(each.number)))
        ]

    def find(self, snapshot: Snapshot) -> Path:
        """Where a snapshot is.

        Raises:
            PoolError: it is not here.
        """
        if snapshot not in self.snapshots(snapshot.number):
            raise PoolError(
                f"the pool has no snapshot {snapshot.number} of volume {self.path.name}"
            )
        return self.snapshot(snapshot.number)

    def next_number(self) -> int:
        """Above all that is here, what is just arriving included."""
        here = [int(name) for name in self._names() if name.isdecimal()]
        return max([*here, *self.arriving()], default=0) + 1

    def identity(self, number: int) -> str | None:
        """The identity of the snapshot that one here is a copy of; None if it was taken here."""
        return _taken(self._names()).get(number, (0, None))[1]

    def is_ready_to_send(self, number: int) -> bool:
        """Tell whether streams that are made of a snapshot name it as all nodes do.

        Raises:
            PoolError: a copy is not there.
        """
        identity = self.identity(number)
        if identity is None:
            return True
        facts = subvolume.look(self.snapshot(number))
        return facts.is_readonly and facts.received_uuid == identity

    def give_identity(self, number: int) -> None:
        """Have the kernel know a copy by the identity that it has on all nodes.

        It names the copy so in the streams that are made of it. This takes three commits that
        nothing else shares, and most copies are never sent. So it is done when one is.

        Raises:
            PoolError: there is no such snapshot, or the disk does not take it.
        """
        if self.is_ready_to_send(number):
            return
        path, identity = self.snapshot(number), self.identity(number)
        assert identity is not None
        facts = subvolume.look(path)
        if facts.received_uuid != identity:
            subvolume.set_readonly(path, is_readonly=False)
            subvolume.set_received(path, uuid.UUID(identity).bytes, facts.created_generation)
        subvolume.set_readonly(path, is_readonly=True)

    def close_snapshots(self) -> None:
        """Finish what a crash left undone of `give_identity`."""
        for snapshot in self.snapshots():
            if not subvolume.look(self.snapshot(snapshot.number)).is_readonly:
                self.give_identity(snapshot.number)

    def write_snapshot_epoch(self, number: int, epoch: int, identity: str | None = None) -> None:
        """Say at which epoch a snapshot is taken that is about to be made.

        In a name, not in a file's content: a name is on disk as soon as the snapshot is.

        Args:
            identity: of the snapshot on another node that it is a copy of.

        Raises:
            PoolError: the disk is full or fails.
        """
        copy_of = "" if identity is None else f"{_COPY_OF}{identity}"
        try:
            self._forget_snapshot_epoch(number)
            name = f"{number}{_EPOCH}{epoch}{copy_of}"
            (self.path / "snapshots" / name).touch(private.FILE_MODE)
        except OSError as error:
            raise subvolume.failure(f"snapshot {number} could not be begun", error) from error

    def delete_snapshot(self, number: int) -> None:
        """Delete a snapshot and what is known of it.

        Raises:
            PoolError: also when it is being sent.
        """
        subvolume.delete(self.snapshot(number))
        self._forget_snapshot_epoch(number)

    def mark_arriving(self, number: int) -> None:
        """From now on that snapshot is not complete, also after a crash."""
        self._mark(number).touch(private.FILE_MODE)

    def mark_complete(self, number: int) -> None:
        self._mark(number).unlink()

    def arriving(self) -> list[int]:
        """The snapshots that are marked so."""
        return [int(Path(name).stem) for name in self._names() if name.endswith(".arriving")]

    def drop_unfinished(self, number: int) -> None:
        """Delete a snapshot that did not become complete; nothing else."""
        path = self.snapshot(number)
        if not path.is_dir():
            self._forget_snapshot_epoch(number)
        elif self._mark(number).exists() or not self._is_finished(path):
            self.delete_snapshot(number)
        self._mark(number).unlink(missing_ok=True)

    def _is_finished(self, path: Path) -> bool:
        # A copy is writable while it is given its identity, and after a failure of that.
        return self.identity(int(path.name)) is not None or subvolume.look(path).is_readonly

    def _forget_snapshot_epoch(self, number: int) -> None:
        for name in self._names():
            if name.startswith(f"{number}{_EPOCH}"):
                (self.path / "snapshots" / name).unlink()

    def _mark(self, number: int) -> Path:
        return self.path / "snapshots" / f"{number}.arriving"

    def _names(self) -> set[str]:
        try:
            # Without a Path for each: this is asked several times for each increment.
            return set(os.listdir(self.path / "snapshots"))  # noqa: PTH208
        except FileNotFoundError:
            return set()
        except OSError as error:
            raise subvolume.failure(f"{self.path} cannot be read", error) from error


def _complete(names: set[str]) -> list[int]:
    """Numbers of snapshots that are not marked as arriving, in order."""
    return sorted(
        int(name) for name in names if name.isdecimal() and f"{name}.arriving" not in names
    )


def _taken(names: set[str]) -> dict[int, tuple[int, str | None]]:
    """Numbers of snapshots, the epochs they were taken at, and what they are copies of."""
    found: dict[int, tuple[int, str | None]] = {}
    for name in names:
        number, is_epoch, rest = name.partition(_EPOCH)
        if is_epoch:
            epoch, _, identity = rest.partition(_COPY_OF)
            found[int(number)] = int(epoch), identity or None
    return found
