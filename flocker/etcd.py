"""Ownership kept in etcd: every change is one compare-and-swap transaction.

    flocker/volumes/<name>   a Volume                 for good
    flocker/mounts/<id>      id, node, name           while its node's lease lasts
    flocker/moves/<id>       a Move                   while its target's lease lasts
    flocker/nodes/<node>     a Node                   while its lease lasts

A volume's record is compared by value: it holds the epoch, so an equal record
is the same owner at the same epoch.
"""

from __future__ import annotations

import json
import threading
import uuid
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any
from urllib.parse import urlsplit

from etcd3gw.client import Etcd3Client
from etcd3gw.exceptions import Etcd3Exception
from etcd3gw.lease import Lease

from flocker.config import Certificates
from flocker.errors import (
    BadRequest,
    ControlPlaneAway,
    FlockerError,
    InUse,
    MoveUnderWay,
    StaleEpoch,
)
from flocker.ownership import Move, Node, Volume

ROOT = "flocker/"
ANSWER_SECONDS = 3  # longest wait for one member; a healthy one answers in milliseconds

Json = dict[str, Any]


class EtcdOwnership:
    """Ownership as one node sees it, through any of `endpoints` that answers.

    Args:
        endpoints: `http(s)://host:port`, the nearest first.
        lease_seconds: how long the node counts as alive after its last `announce`.
        certificates: for https; None for plain http.

    An answer that got lost on the way makes the next member repeat the question, so a change
    that was not made is looked up before it counts as refused: it may have been made already.
    """

    def __init__(
        self, endpoints: list[str], lease_seconds: int, certificates: Certificates | None
    ) -> None:
        self._clients = [_client(endpoint, certificates) for endpoint in endpoints]
        self._lease_seconds = lease_seconds
        self._lease: Lease | None = None
        self._lock = threading.Lock()

    def volumes(self) -> list[Volume]:
        return [Volume(**value) for value in self._prefix("volumes/")]

    def volume(self, name: str) -> Volume | None:
        value = self._read(f"volumes/{name}")
        return None if value is None else Volume(**value)

    def create(self, volume: Volume) -> Volume:
        key = f"volumes/{volume.name}"
        if self._commit([_absent(key)], [_put(key, volume.to_json())]):
            return volume
        return self.volume(volume.name) or self.create(volume)  # removed in between: once more

    def remove(self, volume: Volume) -> None:
        conditions = [
            _unchanged(volume),
            _absent(f"mounts/{volume.id}"),
            _absent(f"moves/{volume.id}"),
        ]
        if self._commit(conditions, [_delete(f"volumes/{volume.name}")]):
            return
        if self.volume(volume.name) is not None:
            raise self._why_not(volume)

    def mount(self, volume: Volume) -> None:
        conditions = [_unchanged(volume), _absent(f"moves/{volume.id}")]
        put = _put(f"mounts/{volume.id}", _mount_value(volume), self._current_lease())
        if not self._commit(conditions, [put]):
            raise self._why_not(volume)

    def unmount(self, volume: Volume) -> None:
        key = f"mounts/{volume.id}"
        self._commit([_equal(key, _mount_value(volume))], [_delete(key)])

    def mounts(self) -> dict[str, str]:
        return {value["id"]: value["node"] for value in self._prefix("mounts/")}

    def start_move(self, volume: Volume, target: str) -> Move:
        # The lease that is alive now is part of the move: a later one is another move.
        lease = self._current_lease()
        move = Move(volume.id, volume.owner, target, token=str(uuid.uuid4()))
        key = f"moves/{volume.id}"
        left = self._read(key)
        is_own_leftover = left is not None and left["target"] == target
        place = _equal(key, left) if is_own_leftover else _absent(key)
        conditions = [_unchanged(volume), _absent(f"mounts/{volume.id}"), place]
        if not self._commit(conditions, [_put(key, asdict(move), lease)]):
            there = self._read(key)
            if there is None or there["token"] != move.token:
                raise self._why_not(volume)
        return move

    def report_move(self, move: Move) -> None:
        current = self._read(f"moves/{move.volume_id}")
        if current is not None and current["token"] == move.token:
            put = _put(f"moves/{move.volume_id}", asdict(move), self._current_lease())
            self._commit([_equal(f"moves/{move.volume_id}", current)], [put])

    def finish_move(self, volume: Volume, move: Move) -> Volume:
        key = f"moves/{volume.id}"
        moved = volume.owned_by(move.target)
        current = self._read(key)
        if current is not None and current["token"] == move.token:
            conditions = [_unchanged(volume), _equal(key, current), _absent(f"mounts/{volume.id}")]
            changes = [_put(f"volumes/{volume.name}", moved.to_json()), _delete(key)]
            if self._commit(conditions, changes) or self.volume(volume.name) == moved:
                return moved
        raise StaleEpoch(f"the move of volume '{volume.name}' has expired; try again")

    def abandon_move(self, move: Move) -> None:
        key = f"moves/{move.volume_id}"
        current = self._read(key)
        if current is not None and current["token"] == move.token:
            self._commit([_equal(key, current)], [_delete(key)])

    def moves(self) -> list[Move]:
        return [Move(**value) for value in self._prefix("moves/")]

    def announce(self, node: Node) -> bool:
        with self._lock:
            if self._lease is not None and self._refresh(self._lease) <= 0:
                self._lease = None
            is_new = self._lease is None
            if self._lease is None:
                self._lease = self._ask(lambda client: client.lease(ttl=self._lease_seconds))
            lease = self._lease
        self._commit([], [_put(f"nodes/{node.name}", asdict(node), lease)])
        return is_new

    def nodes(self) -> list[Node]:
        return [Node(**value) for value in self._prefix("nodes/")]

    def _current_lease(self) -> Lease:
        with self._lock:
            if self._lease is None:
                raise ControlPlaneAway(
                    "this node is not part of the cluster at the moment: it has no lease in etcd; "
                    "`systemctl status etcd` on the nodes tells more"
                )
            return self._lease

    def _refresh(self, lease: Lease) -> int:
        """Seconds the lease lasts now; 0 or less when it had expired."""
        return int(self._ask(lambda client: Lease(lease.id, client).refresh()))

    def _why_not(self, volume: Volume) -> FlockerError:
        """Find out which condition of a transaction did not hold."""
        mounted = self._read(f"mounts/{volume.id}")
        if mounted is not None:
            return InUse(volume.name, mounted["node"], [])
        move = self._read(f"moves/{volume.id}")
        if move is not None:
            return MoveUnderWay(volume.name, move["target"])
        return StaleEpoch(f"volume '{volume.name}' has changed; try again")

    def _read(self, key: str) -> Any:
        found = self._ask(lambda client: client.get(ROOT + key))
        return json.loads(found[0]) if found else None

    def _prefix(self, prefix: str) -> list[Any]:
        found = self._ask(
            lambda client: client.get_prefix(ROOT + prefix, sort_order="ascend", sort_target="key")
        )
        return [json.loads(value) for value, _ in found]

    def _commit(self, conditions: list[Json], changes: list[Json]) -> bool:
        """Make all changes if all conditions hold; whether they did."""
        transaction = {"compare": conditions, "success": changes, "failure": []}
        answer = self._ask(lambda client: client.transaction(transaction))
        return bool(answer.get("succeeded", False))

    def _ask(self, question: Callable[[Etcd3Client], Any]) -> Any:
        """Ask the members in turn until one answers, the one that answered last first."""
        reasons = []
        for client in list(self._clients):
            try:
                answer = question(client)
            except (Etcd3Exception, OSError, ValueError) as error:  # the last two: a cut answer
                reason = _reason(error)
                if "lease not found" in reason:
                    raise ControlPlaneAway(
                        "this node was not heard of for so long that its lease ran out; "
                        "try again in a few seconds"
                    ) from error
                reasons.append(f"{client.host}: {reason}")
            else:
                self._prefer(client)
                return answer
        raise ControlPlaneAway(
            f"etcd does not answer ({'; '.join(reasons)}); "
            "`systemctl status etcd` on the nodes tells more"
        )

    def _prefer(self, client: Etcd3Client) -> None:
        if self._clients[0] is not client:
            others = [each for each in self._clients if each is not client]
            self._clients = [client, *others]


def _client(endpoint: str, certificates: Certificates | None) -> Etcd3Client:
    url = urlsplit(endpoint)
    if url.hostname is None or url.port is None:
        raise BadRequest(f"'{endpoint}' is not an etcd endpoint like https://172.16.78.250:2379")
    client = Etcd3Client(
        host=url.hostname,
        port=url.port,
        protocol=url.scheme,
        timeout=ANSWER_SECONDS,
        api_path="/v3/",
    )
    client.session.trust_env = False  # neither proxies nor another CA bundle may come between
    if certificates is not None:
        client.session.verify = str(certificates.ca)
        client.session.cert = (str(certificates.cert), str(certificates.key))
    return client


def _reason(error: BaseException) -> str:
    """What is at the bottom of it: requests wraps "connection refused" four times."""
    while error.__context__ is not None:
        error = error.__context__
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return getattr(error, "detail_text", None) or str(error) or repr(error)


def _mount_value(volume: Volume) -> Json:
    return {"id": volume.id, "node": volume.owner, "name": volume.name}


def _encoded(value: Mapping[str, Any]) -> str:
    return _base64(json.dumps(value, sort_keys=True, separators=(",", ":")))


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


def _unchanged(volume: Volume) -> Json:
    return _equal(f"volumes/{volume.name}", volume.to_json())


def _equal(key: str, value: Mapping[str, Any]) -> Json:
    return {
        "key": _base64(ROOT + key),
        "result": "EQUAL",
        "target": "VALUE",
        "value": _encoded(value),
    }


def _absent(key: str) -> Json:
    return {
        "key": _base64(ROOT + key),
        "result": "EQUAL",
        "target": "CREATE",
        "create_revision": 0,
    }


def _put(key: str, value: Mapping[str, Any], lease: Lease | None = None) -> Json:
    put: Json = {"key": _base64(ROOT + key), "value": _encoded(value)}
    if lease is not None:
        put["lease"] = lease.id
    return {"request_put": put}


def _delete(key: str) -> Json:
    return {"request_delete_range": {"key": _base64(ROOT + key)}}
