"""The answers to an operator, as the `flocker` command prints them with `--json`.

Scripts may rely on them. They begin with `format`: while that has the same value, later versions
only add fields. docs/answers.schema.json publishes them. Times are RFC 3339 with a zone, sizes are
bytes, `silent` are the nodes that did not answer.
"""

from __future__ import annotations

from typing import Literal, TypedDict

from flocker.base.answered_records import MoveStatus, VolumeRecord

FORMAT = 1  # grows when a field is taken away or gets another meaning

Result = Literal["same", "differs", "unreadable", "not compared"]


class NodeStatus(TypedDict):
    """A node; what only a node that is alive tells is null of others.

    Attributes:
        seen: when it was last heard of.
        problems: sentences for people.
    """

    name: str
    address: str | None
    version: str | None
    pool_used_bytes: int | None
    pool_total_bytes: int | None
    pool_free_bytes: int | None
    problems: list[str]
    is_alive: bool
    seen: str | None


class CopyStatus(TypedDict):
    """A replica.

    Attributes:
        number: of the newest snapshot in it, which was taken at `taken_at`.
        is_current: it holds all that the owner wrote until shortly before it was last heard of.
        complete_until: up to when it holds everything the owner wrote.
    """

    node: str
    number: int
    taken_at: str
    is_current: bool
    complete_until: str


class VolumeStatus(TypedDict):
    """A volume.

    Attributes:
        size_bytes: what it may hold; null for as much as the pool has.
        used_bytes: what it holds; null on other nodes than its owner, or where it is not counted.
        mounted_on: the node with containers that use it.
        copies: on other nodes than the owner.
        stuck: node -> why its copy does not get any further.
        move: null if the volume is not on its way.
        problem: what keeps it from being used.
        pool: "btrfs", on the owner's disk, or "shared", where all nodes reach it.
    """

    name: str
    id: str
    owner: str
    epoch: int
    created_at: str
    size_bytes: int | None
    used_bytes: int | None
    replicas: int
    failover: str
    made_from: str | None
    mounted_on: str | None
    copies: list[CopyStatus]
    stuck: dict[str, str]
    move: MoveStatus | None
    problem: str | None
    pool: str


class CertificateEnd(TypedDict):
    """A certificate of a node, by what it is for, and when it ends."""

    certificate: str
    ends: str


class Status(TypedDict):
    """`flocker status`: the cluster, as one node knows it.

    Attributes:
        is_connected: etcd answers; otherwise this is what was last known.
        problems: of this node.
        certificates: of this node, soonest end first.
    """

    node: str
    is_connected: bool
    pool_problem: str | None
    problems: list[str]
    certificates: list[CertificateEnd]
    nodes: list[NodeStatus]
    volumes: list[VolumeStatus]


class Changed(TypedDict):
    """`flocker move`, `resize`, `clone`, `undelete`: the volume's record."""

    volume: VolumeRecord


class Cancelled(Changed):
    """`flocker move --cancel`: the node that the volume was on its way to."""

    target: str


class Promoted(Changed):
    """`flocker promote`: up to when nothing was lost."""

    lost_after: str


class Restored(Changed):
    """`flocker restore`: the snapshot with the state before."""

    kept_as: str


class Imported(Changed):
    """`flocker import`: who did not answer may have a newer state."""

    silent: list[str]


class AsideEntry(TypedDict):
    """A copy that was put aside; see protocol.Aside."""

    reference: str
    node: str
    volume: str
    why: str
    at: str


class Conflicts(TypedDict):
    """`flocker conflicts`: the copies of owners that were replaced."""

    asides: list[AsideEntry]
    silent: list[str]


class RemovedVolume(TypedDict):
    """A volume that can be restored until then."""

    name: str
    owner: str
    removed_at: str
    until: str


class TrashList(TypedDict):
    """`flocker trash`: what was removed or replaced, and can still be restored."""

    removed: list[RemovedVolume]
    asides: list[AsideEntry]
    silent: list[str]


class TakenSnapshot(TypedDict):
    """A snapshot that a person asked for, and the nodes that have it."""

    volume: str
    number: int
    taken_at: str
    label: str
    nodes: list[str]


class SnapshotList(TypedDict):
    """`flocker snapshot` and `flocker snapshots`."""

    snapshots: list[TakenSnapshot]


class Pruned(TypedDict):
    """`flocker prune`."""

    reference: str


class HistoryEvent(TypedDict):
    """Something that happened to a volume; `by` is empty if the node did it automatically."""

    volume: str
    at: str
    node: str
    what: str
    why: str
    by: str


class History(TypedDict):
    """`flocker history`: oldest first."""

    events: list[HistoryEvent]


class PurgedHere(TypedDict):
    """One node's part of a purge.

    Attributes:
        failed: why something could not be purged.
        kept: copies with writes that only a replaced owner had.
    """

    purged: list[str]
    failed: list[str]
    kept: list[str]
    freed_bytes: int
    free_bytes: int


class PurgedNode(TypedDict):
    """A node, what it has purged, and why not more."""

    node: str
    purged: list[str]
    failed: list[str]
    freed_bytes: int
    free_bytes: int


class Purged(TypedDict):
    """`flocker purge`."""

    nodes: list[PurgedNode]
    kept: list[str]
    silent: list[str]


class Forgotten(TypedDict):
    """`flocker forget`: one of both."""

    volume: str | None
    node: str | None


class VerifiedCopy(TypedDict):
    """A copy that was compared with its owner's data; `why` says more."""

    node: str
    snapshot: int | None
    result: Result
    why: str
    size_bytes: int | None


class Verified(TypedDict):
    """`flocker verify`."""

    volume: str
    at: str
    copies: list[VerifiedCopy]
