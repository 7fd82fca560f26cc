"""A node's requests to the others, call by call. peer_api.py is the other end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Generator, Iterator, Sequence
from typing import Any, cast
from urllib.parse import quote

from flocker.api.peer_connections import ANSWER_SECONDS, PeerConnections
from flocker.api.peer_models import (
    ASIDES,
    SNAPSHOTS,
    STRAYS,
    Bytes,
    DigestAnswer,
    OperationAnswer,
    PurgeAnswer,
    SnapshotPart,
    StandingAnswer,
    VerifyAnswer,
    plain,
    read,
)
from flocker.base.answers import PurgedHere, Verified
from flocker.base.errors import FlockerError, OwnerAway, PeerAway
from flocker.base.records import Move, Removed, Snapshot, Volume
from flocker.moving.increments import Increment, Wanted, decode
from flocker.pool.digest import Digest
from flocker.pool.protocol import Aside
from flocker.volumes.requests import Answered, Forwarded

log = logging.getLogger(__name__)

LIST_SECONDS = 5  # a person waits for it, and is told which nodes are not on the list
# A snapshot waits until the disk has all that was written, and the size of a stream is unknown as
# long as btrfs walks over files that did not change.
DISK_SECONDS = 600
# A move that an operator asks for elsewhere takes as long as its data.
OPERATION_SECONDS = 24 * 3600


class HttpPeers:
    """The other nodes, as this one asks them: `ports.Peers`, where each call is described."""

    def __init__(self, connections: PeerConnections) -> None:
        self._connections = connections

    def check_unused(self, volume: Volume) -> None:
        self._post_about(volume, volume.owner, "check-unused")

    def prepare(self, volume: Volume) -> Snapshot:
        answer = self._post_about(volume, volume.owner, "prepare", within=DISK_SECONDS)
        return read(volume.owner, SnapshotPart, answer).record()

    def release(self, volume: Volume, move: Move) -> Snapshot:
        wanted = {"epoch": volume.epoch, "token": move.token}
        answer = self._post_about(volume, volume.owner, "release", wanted, within=DISK_SECONDS)
        return read(volume.owner, SnapshotPart, answer).record()

    def put_away(self, volume: Volume, source: str) -> None:
        try:
            self._post_about(volume, source, "put-away")
        except FlockerError as error:
            # The record is what counts; the old owner also looks for itself.
            log.warning("%s was not told that '%s' moved: %s", source, volume.name, error)

    def create(self, node: str, name: str, options: dict[str, str]) -> None:
        path = f"/volumes/{quote(name, safe='')}/create"
        self._connections.post(node, path, {"options": options}, DISK_SECONDS)

    def remove(self, volume: Volume) -> None:
        self._post_about(volume, volume.owner, "remove")

    def operate(self, node: str, request: Forwarded[Answered]) -> Answered:
        path = f"/operations/{request.operation}"
        answer = self._connections.post(node, path, request.model_dump(), OPERATION_SECONDS)
        return cast(Answered, plain(read(node, OperationAnswer, answer)))

    def asides(self, node: str) -> list[Aside]:
        answer = read(node, ASIDES, self._connections.get(node, "/asides", within=LIST_SECONDS))
        return [Aside.from_json(plain(each)) for each in answer]

    def retired_at(self, node: str) -> str | None:
        return read(node, StandingAnswer, self._connections.get(node, "/standing")).retired_at

    def strays(self, node: str) -> list[dict[str, Any]]:
        return [
            plain(each)
            for each in read(node, STRAYS, self._connections.get(node, "/maintenance/strays"))
        ]

    def purge(self, node: str, removed: list[Removed], references: list[str]) -> PurgedHere:
        body = {"removed": [each.to_json() for each in removed], "references": references}
        answer = self._connections.post(node, "/maintenance/purge", body, OPERATION_SECONDS)
        return cast(PurgedHere, plain(read(node, PurgeAnswer, answer)))

    def verify(self, volume: Volume) -> Verified:
        body = {"volume": volume.name}
        answer = self._connections.post(
            volume.owner, "/verification/verify", body, OPERATION_SECONDS
        )
        return cast(Verified, plain(read(volume.owner, VerifyAnswer, answer)))

    def digest(
        self, volume_id: str, node: str, snapshot: Snapshot, bytes_per_second: int
    ) -> Digest:
        body = {
            "volume_id": volume_id,
            "number": snapshot.number,
            "identity": snapshot.identity,
            "bytes_per_second": bytes_per_second,
        }
        answer = self._connections.post(node, "/verification/digest", body, OPERATION_SECONDS)
        return Digest.from_json(plain(read(node, DigestAnswer, answer)))

    def snapshots(self, volume_id: str, node: str) -> list[Snapshot]:
        answer = self._connections.get(node, f"/copies/{volume_id}/snapshots")
        return [each.record() for each in read(node, SNAPSHOTS, answer)]

    def stream_bytes(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> int:
        path = f"/copies/{volume_id}/snapshots/{wanted.number}/bytes"
        return read(
            node, Bytes, self._connections.get(node, path, _against(parent), DISK_SECONDS)
        ).bytes

    def stream(
        self, volume_id: str, node: str, wanted: Snapshot, parent: Snapshot | None
    ) -> Generator[bytes, None, None]:
        path = f"/copies/{volume_id}/snapshots/{wanted.number}"
        with self._connections.streaming(node, "GET", path, params=_against(parent)) as chunks:
            yield from chunks

    def increments(self, node: str, wanted: Sequence[Wanted]) -> Iterator[Increment]:
        body = {"wanted": [each.to_json() for each in wanted]}
        with self._connections.streaming(node, "POST", "/increments", json=body) as chunks:
            yield from decode(chunks, node, len(wanted))

    def discard(self, volume: Volume) -> None:
        threading.Thread(target=self._tell_removed, args=(volume,), daemon=True).start()

    def _tell_removed(self, volume: Volume) -> None:
        for node in self._connections.others():
            try:
                self._connections.post(node, f"/copies/{volume.id}/discard", None)
            except FlockerError as error:  # it looks for itself when it is back
                log.warning("%s was not told that '%s' is removed: %s", node, volume.name, error)

    def _post_about(
        self, volume: Volume, node: str, verb: str, body: Any = None, within: float = ANSWER_SECONDS
    ) -> bytes:
        path = f"/volumes/{quote(volume.name, safe='')}/{verb}"
        try:
            return self._connections.post(node, path, body, within)
        except PeerAway as error:
            if node != volume.owner:
                raise
            raise OwnerAway(volume.name, node, error.reason) from error


def _against(parent: Snapshot | None) -> dict[str, int]:
    return {} if parent is None else {"parent": parent.number}
