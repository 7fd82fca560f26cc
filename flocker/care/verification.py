"""Compare the copies of a volume with its owner's data: both ends read a snapshot.

On demand (`flocker verify`), and by itself at a bounded rate: the owner compares each of its
volumes about once a week. A snapshot that both ends have is compared, so containers and
replicas go on meanwhile.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Protocol

from flocker.base import private
from flocker.base.answers import Result, Verified, VerifiedCopy
from flocker.base.background import attempt
from flocker.base.errors import FlockerError, PoolError, Refused, VolumeNotFound
from flocker.base.records import ClusterState, Snapshot, Volume, ago, now
from flocker.node.context import NodeContext
from flocker.pool.digest import Digest

log = logging.getLogger(__name__)

_Read = Digest | FlockerError  # what came of reading a snapshot

AT_ONCE = 4
AS_FAST_AS_IT_GOES = 1 << 40  # bytes per second
BY_ITSELF = 8 << 20  # bytes per second
LOOK_SECONDS = 600.0  # between two volumes
EACH_SECONDS = 7 * 24 * 3600.0
AGAIN_SECONDS = 24 * 3600.0  # for a copy that was not found the same


class PeerDigests(Protocol):
    """Other nodes. Every call may raise OwnerAway."""

    def snapshots(self, volume_id: str, node: str) -> list[Snapshot]:
        """The complete snapshots that node holds, oldest first."""

    def digest(
        self, volume_id: str, node: str, snapshot: Snapshot, bytes_per_second: int
    ) -> Digest:
        """See Verification.digest_here."""

    def verify(self, volume: Volume) -> Verified:
        """Have the owner verify its volume."""


class Verification:
    """Compares the copies of this node's volumes, and reads its copies of others' for them.

    Args:
        file: keeps the results, for when the daemon starts again.
    """

    def __init__(self, context: NodeContext, peers: PeerDigests, file: Path) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._retention = context.retention
        self._peers = peers
        self._file = file
        self._lock = threading.Lock()
        self._results: dict[str, Verified] = _load(file)

    def start(self, stopping: threading.Event) -> None:
        """Compare one volume after the other in the background until `stopping` is set."""
        threading.Thread(target=self._run, args=(stopping,), daemon=True).start()

    def _run(self, stopping: threading.Event) -> None:
        while not stopping.wait(LOOK_SECONDS):
            attempt(log, "no volume could be verified", self.verify_one)

    def verify_one(self) -> None:
        """Compare the volume of this node that has not been compared for longest, if it is due."""
        state = self._mirror.state
        due = [
            (self._verified_at(volume), volume.name)
            for volume in state.volumes.values()
            if volume.owner == self._node and self._is_due(volume, state)
        ]
        if due:
            self._compare(state.volumes[min(due)[1]], BY_ITSELF)

    def _is_due(self, volume: Volume, state: ClusterState) -> bool:
        up = self._holders(volume) & state.nodes.keys()
        known = self._results.get(volume.id)
        copies = known["copies"] if known else []
        doubted = {copy["node"] for copy in copies if copy["result"] != "same"}
        seconds = AGAIN_SECONDS if doubted & up else EACH_SECONDS
        return bool(up) and self._verified_at(volume) < ago(seconds)

    def _verified_at(self, volume: Volume) -> str:
        known = self._results.get(volume.id)
        return known["at"] if known else ""

    def verify(self, volume: str) -> Verified:
        """Compare all copies of a volume now.

        Returns:
            `volume`, `at` and `copies`: for each node, `result` is "same", "differs",
            "unreadable" or "not compared", as those on nodes that are away; `why` says more.

        Raises:
            Refused: there is no copy to compare with.
        """
        record = self._ownership.volume(volume)
        if record is None:
            raise VolumeNotFound(volume)
        if record.owner != self._node:
            return self._peers.verify(record)
        if not self._holders(record) & self._mirror.state.nodes.keys():
            raise Refused(
                f"volume '{volume}' has no copy on another node that is up, so there is nothing "
                "to compare; `flocker status` tells where copies are"
            )
        return self._compare(record, AS_FAST_AS_IT_GOES)

    def digest_here(self, volume_id: str, snapshot: Snapshot, bytes_per_second: int) -> Digest:
        """Read a snapshot here, which stays until that is done.

        Raises:
            Refused: it is not here any more.
            PoolError: something in it cannot be read.
        """
        with self._retention.reading(volume_id, snapshot.number):
            if snapshot not in self._pool.snapshots(volume_id):
                raise Refused(f"snapshot {snapshot.number} is gone from {self._node}; try again")
            return self._pool.digest(volume_id, snapshot.number, bytes_per_second)

    def results(self) -> list[Verified]:
        """The last result of each volume that this node owns.

        A copy that could not be compared last is as it was found before.
        """
        state = self._mirror.state
        own = [volume for volume in state.volumes.values() if volume.owner == self._node]
        return [self._results[volume.id] for volume in own if volume.id in self._results]

    def problems(self) -> list[str]:
        """Problems that the results show, for people."""
        return [
            f"volume '{result['volume']}': the copy on {copy['node']} {_finding(copy)}; "
            f"`flocker verify {result['volume']}` compares again, and docs/operations.md says how "
            "to replace a copy"
            for result in self.results()
            for copy in result["copies"]
            if _is_bad(copy)
        ]

    def _holders(self, volume: Volume) -> set[str]:
        """The other nodes that have a copy."""
        return self._mirror.state.copies_of(volume).keys() - {volume.owner}

    def _compare(self, volume: Volume, bytes_per_second: int) -> Verified:
        ours: dict[Snapshot, Future[_Read]] = {}
        theirs: list[tuple[str, Snapshot, Future[_Read]]] = []
        copies: list[VerifiedCopy] = []
        with ThreadPoolExecutor(AT_ONCE) as readers:
            for node in sorted(self._holders(volume)):
                if node not in self._mirror.state.nodes:
                    copies.append(_copy(node, None, "not compared", f"{node} is away"))
                    continue
                try:
                    snapshot = self._in_common(volume, node)
                except FlockerError as error:
                    copies.append(_copy(node, None, "not compared", str(error)))
                    continue
                here = partial(self.digest_here, volume.id, snapshot, bytes_per_second)
                there = partial(self._peers.digest, volume.id, node, snapshot, bytes_per_second)
                if snapshot not in ours:
                    ours[snapshot] = readers.submit(_read, here)
                theirs.append((node, snapshot, readers.submit(_read, there)))
        for snapshot, read in ours.items():  # the owner's own must at least be readable
            copies.append(_compared(self._node, snapshot, read.result(), read.result()))
        for node, snapshot, read in theirs:
            copies.append(_compared(node, snapshot, ours[snapshot].result(), read.result()))
        copies.sort(key=lambda copy: str(copy["node"]))
        result: Verified = {"volume": volume.name, "at": now(), "copies": copies}
        self._keep(volume, result)
        return result

    def _in_common(self, volume: Volume, node: str) -> Snapshot:
        here = self._pool.snapshots(volume.id)
        common = [each for each in self._peers.snapshots(volume.id, node) if each in here]
        if not common:
            raise Refused(f"{node} and {self._node} have no snapshot in common yet; try again")
        return common[-1]

    def _keep(self, volume: Volume, result: Verified) -> None:
        for copy in filter(_is_bad, result["copies"]):
            log.error("volume '%s': the copy on %s %s", volume.name, copy["node"], copy)
        with self._lock:
            known = self._mirror.state.volume_ids()
            kept = {each: value for each, value in self._results.items() if each in known}
            self._results = {**kept, volume.id: self._with_former(volume, result)}
            try:
                private.write(self._file, json.dumps(self._results))
            except OSError as error:  # then it is verified again sooner
                log.warning("%s cannot be written: %s", self._file, error)

    def _with_former(self, volume: Volume, result: Verified) -> Verified:
        """The result; a copy that it left out is bad until a comparison says otherwise."""
        former = self._results.get(volume.id)
        bad = {copy["node"]: copy for copy in former["copies"] if _is_bad(copy)} if former else {}
        compared = [copy for copy in result["copies"] if not _is_left(copy)]
        left = (self._holders(volume) | {self._node}) - {copy["node"] for copy in compared}
        copies = [copy for copy in result["copies"] if not (_is_left(copy) and copy["node"] in bad)]
        return {**result, "copies": copies + [bad[node] for node in sorted(left & bad.keys())]}


def _read(read: Callable[[], Digest]) -> _Read:
    try:
        return read()
    except FlockerError as error:
        return error


def _compared(node: str, snapshot: Snapshot, ours: _Read, theirs: _Read) -> VerifiedCopy:
    if isinstance(theirs, PoolError):
        return _copy(node, snapshot, "unreadable", str(theirs))
    if isinstance(theirs, FlockerError):
        return _copy(node, snapshot, "not compared", str(theirs))
    if isinstance(ours, FlockerError):
        return _copy(node, snapshot, "not compared", f"the owner's cannot be read: {ours}")
    if ours == theirs:
        return {**_copy(node, snapshot, "same", ""), "size_bytes": theirs.size_bytes}
    why = f"{theirs.entries} files and folders with {theirs.size_bytes} bytes there, "
    why += f"{ours.entries} with {ours.size_bytes} at the owner"
    return _copy(node, snapshot, "differs", why)


def _copy(node: str, snapshot: Snapshot | None, result: Result, why: str) -> VerifiedCopy:
    return {
        "node": node,
        "snapshot": snapshot.number if snapshot else None,
        "result": result,
        "why": why,
        "size_bytes": None,
    }


def _is_bad(copy: VerifiedCopy) -> bool:
    return copy["result"] in ("differs", "unreadable")


def _is_left(copy: VerifiedCopy) -> bool:
    return copy["result"] == "not compared"


def _finding(copy: VerifiedCopy) -> str:
    if copy["result"] == "unreadable":
        return f"cannot be read: {copy['why']}"
    return f"is not what the owner has in snapshot {copy['snapshot']}: {copy['why']}"


def _load(file: Path) -> dict[str, Verified]:
    try:
        return dict(json.loads(file.read_text()))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        log.warning("%s cannot be read, begun anew: %s", file, error)
        return {}
