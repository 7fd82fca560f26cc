"""Pool and Ownership in memory, for tests only.

They keep the promises of the real ones, and pass the same contract suites.
A pool's volume is a real directory, so that what reads and writes it is the same.
"""

from __future__ import annotations

import io
import shutil
import tarfile
import threading
import uuid
from collections.abc import Generator, Iterable
from pathlib import Path

from flocker.errors import InUse, MoveUnderWay, PoolError, StaleEpoch, TransferFailed
from flocker.ownership import Claim, Move, Node, Volume
from flocker.pool import Snapshot, Usage


class MemoryPool:
    """Volumes as directories below `root`; snapshots as tar files in memory."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.trash: list[str] = []
        self._lock = threading.RLock()
        self._epochs: dict[str, int] = {}
        self._snapshots: dict[str, dict[int, tuple[str, bytes]]] = {}

    def create(self, claim: Claim) -> None:
        self._live(claim.volume_id).mkdir(parents=True)
        self._epochs[claim.volume_id] = claim.epoch

    def open(self, claim: Claim) -> Path:
        if claim.volume_id not in self._epochs:
            raise PoolError(f"the pool has no copy of volume {claim.volume_id}")
        if self._epochs[claim.volume_id] != claim.epoch:
            raise StaleEpoch(f"volume {claim.volume_id} is at another epoch")
        if not self.is_open(claim.volume_id):
            raise PoolError(f"the pool has no writable copy of volume {claim.volume_id}")
        return self._live(claim.volume_id)

    def is_open(self, volume_id: str) -> bool:
        return self._live(volume_id).is_dir()

    def snapshots(self, volume_id: str) -> list[Snapshot]:
        return [
            Snapshot(number, identity)
            for number, (identity, _) in sorted(self._snapshots.get(volume_id, {}).items())
        ]

    def take_snapshot(self, claim: Claim) -> Snapshot:
        with self._lock:
            live = self.open(claim)
            frozen = io.BytesIO()
            with tarfile.open(fileobj=frozen, mode="w") as archive:
                archive.add(live, arcname=".")
            known = self._snapshots.setdefault(claim.volume_id, {})
            number = max(known, default=0) + 1
            if number > 1 and known[number - 1][1] == frozen.getvalue():
                return Snapshot(number - 1, known[number - 1][0])
            known[number] = (str(uuid.uuid4()), frozen.getvalue())
            return Snapshot(number, known[number][0])

    def stream_bytes(self, volume_id: str, number: int, parent: int | None) -> int:
        against = len(self._find(volume_id, parent)[1]) if parent is not None else 0
        return abs(len(self._find(volume_id, number)[1]) - against)

    def send(self, volume_id: str, number: int, parent: int | None) -> Generator[bytes, None, None]:
        identity, content = self._find(volume_id, number)
        against = "-" if parent is None else self._find(volume_id, parent)[0]
        yield f"{identity} {against} {len(content)}\n".encode()
        yield content

    def receive(
        self, volume_id: str, snapshot: Snapshot, parent: Snapshot | None, stream: Iterable[bytes]
    ) -> None:
        head, _, content = b"".join(stream).partition(b"\n")
        expected = f"{snapshot.identity} {parent.identity if parent else '-'} {len(content)}"
        if head.decode(errors="replace") != expected:
            raise TransferFailed(f"the stream is not snapshot {snapshot.number}")
        known = self._snapshots.setdefault(volume_id, {})
        known[snapshot.number] = (snapshot.identity, content)

    def adopt(self, claim: Claim, snapshot: Snapshot) -> None:
        with self._lock:
            self._set_live_aside(claim.volume_id)
            live = self._live(claim.volume_id)
            live.mkdir(parents=True)
            content = self._find(claim.volume_id, snapshot.number)[1]
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                archive.extractall(live, filter="tar")
            self._epochs[claim.volume_id] = claim.epoch

    def put_away(self, claim: Claim) -> None:
        with self._lock:
            if self._epochs.get(claim.volume_id, claim.epoch + 1) <= claim.epoch:
                self._epochs[claim.volume_id] = claim.epoch
                self._set_live_aside(claim.volume_id)

    def discard(self, volume_id: str) -> None:
        with self._lock:
            if volume_id in self.volume_ids():
                self._set_live_aside(volume_id)
                self._epochs.pop(volume_id, None)
                self._snapshots.pop(volume_id, None)

    def volume_ids(self) -> list[str]:
        return sorted(self._epochs.keys() | self._snapshots.keys())

    def usage(self) -> Usage:
        return Usage(used_bytes=0, total_bytes=1 << 30)

    def _live(self, volume_id: str) -> Path:
        return self.root / volume_id / "live"

    def _find(self, volume_id: str, number: int) -> tuple[str, bytes]:
        try:
            return self._snapshots[volume_id][number]
        except KeyError:
            raise PoolError(f"no snapshot {number} of volume {volume_id}") from None

    def _set_live_aside(self, volume_id: str) -> None:
        if self.is_open(volume_id):
            self.trash.append(volume_id)
            shutil.rmtree(self._live(volume_id))


class MemoryOwnership:
    """One table shared by all nodes of a test; `node` leases never expire by themselves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._volumes: dict[str, Volume] = {}
        self._mounts: dict[str, str] = {}
        self._moves: dict[str, Move] = {}
        self._nodes: dict[str, Node] = {}

    def volumes(self) -> list[Volume]:
        return sorted(self._volumes.values(), key=lambda volume: volume.name)

    def volume(self, name: str) -> Volume | None:
        return self._volumes.get(name)

    def create(self, volume: Volume) -> Volume:
        with self._lock:
            return self._volumes.setdefault(volume.name, volume)

    def remove(self, volume: Volume) -> None:
        with self._lock:
            self._check_idle(volume)
            del self._volumes[volume.name]

    def mount(self, volume: Volume) -> None:
        with self._lock:
            self._check_current(volume)
            if volume.id in self._moves:
                raise MoveUnderWay(volume.name, self._moves[volume.id].target)
            self._mounts[volume.id] = volume.owner

    def unmount(self, volume: Volume) -> None:
        with self._lock:
            if self._mounts.get(volume.id) == volume.owner:
                del self._mounts[volume.id]

    def mounts(self) -> dict[str, str]:
        return dict(self._mounts)

    def start_move(self, volume: Volume, target: str) -> Move:
        with self._lock:
            left = self._moves.get(volume.id)
            if left is not None and left.target == target:
                del self._moves[volume.id]
            self._check_idle(volume)
            move = Move(volume.id, volume.owner, target, token=str(uuid.uuid4()))
            self._moves[volume.id] = move
            return move

    def report_move(self, move: Move) -> None:
        with self._lock:
            if self._is_current(move):
                self._moves[move.volume_id] = move

    def finish_move(self, volume: Volume, move: Move) -> Volume:
        with self._lock:
            self._check_current(volume)
            if not self._is_current(move) or volume.id in self._mounts:
                raise StaleEpoch(f"the move of volume '{volume.name}' has expired")
            del self._moves[volume.id]
            moved = volume.owned_by(move.target)
            self._volumes[volume.name] = moved
            return moved

    def abandon_move(self, move: Move) -> None:
        with self._lock:
            if self._is_current(move):
                del self._moves[move.volume_id]

    def moves(self) -> list[Move]:
        return list(self._moves.values())

    def announce(self, node: Node) -> bool:
        is_new = node.name not in self._nodes
        self._nodes[node.name] = node
        return is_new

    def nodes(self) -> list[Node]:
        return [self._nodes[name] for name in sorted(self._nodes)]

    def expire(self, node: str) -> None:
        """Let a node's lease run out: what it held by lease is gone."""
        with self._lock:
            self._nodes.pop(node, None)
            self._mounts = {key: at for key, at in self._mounts.items() if at != node}
            self._moves = {key: move for key, move in self._moves.items() if move.target != node}

    def _is_current(self, move: Move) -> bool:
        current = self._moves.get(move.volume_id)
        return current is not None and current.token == move.token

    def _check_current(self, volume: Volume) -> None:
        if self._volumes.get(volume.name) != volume:
            raise StaleEpoch(f"volume '{volume.name}' has changed; try again")

    def _check_idle(self, volume: Volume) -> None:
        self._check_current(volume)
        if volume.id in self._mounts:
            raise InUse(volume.name, self._mounts[volume.id], [])
        if volume.id in self._moves:
            raise MoveUnderWay(volume.name, self._moves[volume.id].target)
