"""The cluster's records; longer than 300 lines because most lines describe their fields.

Plain data, with the conclusions from it: all nodes agree about the records, and every one of them
can be written to etcd as JSON and read back. Times are RFC 3339 with a zone, as the engine wants
them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, Self

from flocker.base import audit
from flocker.base.field_types import field_types
from flocker.base.volume_name import is_name

Failover = Literal["manual", "auto"]
PoolKind = Literal["btrfs", "shared"]
DEFAULT_REPLICAS = 2
YEARS = range(1970, 9000)  # of a clock; time that is counted from the last ones has an end
CUTS_KEPT = 500  # of one volume; a node that missed more promotions may take too much for its part


@dataclass(frozen=True)
class Record:
    """Something that is kept as JSON.

    Nodes are updated one after the other, so a newer version may have added fields.
    They are kept in `unknown`, and written back with the rest.
    """

    unknown: Mapping[str, Any] = field(default_factory=dict, kw_only=True, hash=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        whole = {
            name: _plain(value) if isinstance(value, (Record, tuple)) else value
            for name, value in vars(self).items()
        }
        del whole["unknown"]
        return {**self.unknown, **whole}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a record; a field that it lacks has its default.

        Raises:
            ValueError: a field is of another type.
        """
        types = field_types(cls)
        known = {name: value[name] for name in types if name in value}
        for name, each in known.items():
            if not types[name].fits(each):
                raise ValueError(f"{name} of a {cls.__name__} cannot be {str(each)[:80]!r}")
        if len(known) == len(value):
            return cls(**known)
        unknown = {name: value[name] for name in value if name not in types}
        return cls(**known, unknown=unknown)


def _plain(value: Any) -> Any:
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value


@dataclass(frozen=True)
class Claim:
    """The right to write to one volume: good until the epoch grows."""

    volume_id: str
    epoch: int


@dataclass(frozen=True)
class Snapshot(Record):
    """A read-only point in time of a volume.

    `identity` stays the same when the snapshot is sent to another node: numbers
    can be equal by accident, identities cannot. `epoch` is that of the owner who
    took it; 0 if nobody wrote that down: then it is older than every promotion.
    `held_bytes` is what the volume held where it was taken; only its taker says that, and
    only where sizes are counted.
    """

    number: int
    identity: str
    epoch: int = field(default=0, compare=False)
    held_bytes: int | None = field(default=None, compare=False)
    unknown: Mapping[str, Any] = field(
        default_factory=dict, kw_only=True, compare=False, repr=False
    )


@dataclass(frozen=True)
class Cut(Record):
    """Where a promotion went on.

    Of the snapshots from before its epoch, those up to `number` are part of the volume.
    """

    epoch: int
    number: int


@dataclass(frozen=True)
class Volume(Record):
    """A volume's record.

    `id` is a UUID and names the data on disk; `name` is what people type.
    `base` is the snapshot the owner began this epoch with: whatever an earlier
    owner wrote after it is not part of the volume any more. `cuts` are the promotions
    there were, for nodes that have not heard of them; both epoch and number grow
    from one to the next. `pool` says where the data is: on the owner's disk, with replicas
    on others, or once, on a storage that all nodes reach.
    """

    name: str
    id: str
    owner: str
    epoch: int
    created_at: str
    size_bytes: int | None = None  # the most it may hold; None for as much as the pool has
    replicas: int = DEFAULT_REPLICAS
    failover: Failover = "manual"
    base: Snapshot | None = None
    made_from: str | None = None  # what it was cloned from, as typed
    cuts: tuple[Cut, ...] = ()
    pool: PoolKind = "btrfs"

    @property
    def claim(self) -> Claim:
        return Claim(self.id, self.epoch)

    @property
    def is_shared(self) -> bool:
        """True if all nodes reach the one copy there is."""
        return self.pool == "shared"

    @property
    def is_fenced(self) -> bool:
        """True if its node's fence stops it when the node falls silent.

        The storage keeps the former owner of a shared volume out.
        """
        return self.failover == "auto" and not self.is_shared

    def owned_by(self, node: str, base: Snapshot | None) -> Volume:
        """The same volume after a change of owner that has all of it."""
        return replace(self, owner=node, epoch=self.epoch + 1, base=base)

    def promoted_on(self, node: str, base: Snapshot) -> Volume:
        """The same volume after a change to an owner that has it up to `base`."""
        promoted = self.owned_by(node, base)
        older = [cut for cut in self.cuts if cut.number < base.number]
        cuts = (*older, Cut(promoted.epoch, base.number))
        return replace(promoted, cuts=cuts[-CUTS_KEPT:])

    def event(self, node: str, what: str, why: str = "") -> Event:
        """Something that a node has just done with the volume."""
        return Event(self.id, self.name, now(), node, what, why)

    def includes(self, snapshot: Snapshot) -> bool:
        """True if a snapshot is a state that the volume was in, as its present owner knows it.

        Numbers alone do not tell: after a promotion they grow again from where it went
        on, and soon pass those of what it left behind. A shared volume has one copy, of which no
        promotion leaves anything behind.
        """
        if self.is_shared:
            return True
        is_former = 0 < snapshot.epoch < self.epoch
        if is_former and (self.base is None or snapshot.number > self.base.number):
            return False
        return all(snapshot.number <= cut.number for cut in self.cuts if cut.epoch > snapshot.epoch)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a record, as above.

        Raises:
            ValueError: no volume can have that name, which Docker would print as it is; or
                `created_at` is no time.
        """
        name = value.get("name")
        if not isinstance(name, str) or not is_name(name):
            raise ValueError(f"{str(name)[:80]!r} is no volume's name")
        base = value.get("base")
        known = None if base is None else Snapshot.from_json(base)
        cuts = tuple(Cut.from_json(cut) for cut in value.get("cuts", ()))
        volume = super().from_json({**value, "base": known, "cuts": cuts})
        check_time(volume.created_at)
        return volume


@dataclass(frozen=True)
class Move(Record):
    """A volume on its way to another node.

    `token` tells this move from an earlier one of the same volume: a node that
    was paused while its move expired must not finish a later one.
    `is_locked` says that nobody can mount the volume: its last snapshot is being fetched.
    `waits_for` is the node that the target still fetches the volume from for something else; or
    empty.
    """

    volume_id: str
    source: str
    target: str
    token: str
    bytes_done: int = 0
    bytes_total: int | None = None  # not known before the source has counted
    is_locked: bool = True
    waits_for: str = ""

    @property
    def percent(self) -> int | None:
        return percent(self.bytes_done, self.bytes_total)


@dataclass(frozen=True)
class Node(Record):
    """A machine running the daemon; known while its lease lasts.

    `pool_free_bytes` is what volumes can still write there; it may be less than
    the difference of the other two.
    `problems` are sentences for people: what does not work there. `stuck` are the ids of
    volumes whose copies there do not get any further, and why. `machine` is the id of the
    machine that has this name (identity.py). `gives_up` says that its pool cannot write and
    nothing uses its volumes with failover=auto: others may take them over. `authority` is the
    serial number of the authority that signs what this node shows etcd; empty if it has none.
    `reaches_shared` says that it can have shared volumes.
    """

    name: str
    address: str
    version: str
    pool_used_bytes: int
    pool_total_bytes: int
    pool_free_bytes: int = 0
    problems: tuple[str, ...] = ()
    stuck: Mapping[str, str] = field(default_factory=dict)
    machine: str = ""
    gives_up: bool = False
    authority: str = ""
    reaches_shared: bool = False

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return super().from_json({**value, "problems": tuple(value.get("problems", ()))})


@dataclass(frozen=True)
class Copy(Record):
    """The newest complete snapshot of a volume that a node holds.

    `taken_at` is when the owner took it, by the owner's clock.
    """

    volume_id: str
    node: str
    snapshot: Snapshot
    taken_at: str

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a record, as above.

        Raises:
            ValueError: `taken_at` is no time.
        """
        copy = super().from_json({**value, "snapshot": Snapshot.from_json(value["snapshot"])})
        check_time(copy.taken_at)
        return copy


@dataclass(frozen=True)
class Look(Record):
    """The last time a node looked at all of its volumes and said what had changed.

    Whatever was written to them before `at` is in the copies it has said it holds. Of the volumes
    in `behind` that is true up to another time; an empty one: nothing more is known than
    when the copy was taken. All times are by the node's clock.
    """

    node: str
    at: str
    behind: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a record, as above.

        Raises:
            ValueError: `at`, or a text in `behind` that is not empty, is no time.
        """
        look = super().from_json(value)
        for each in (look.at, *filter(None, look.behind.values())):
            check_time(each)
        return look

    def covers(self, volume: Volume) -> str:
        """Up to when all that was written to a volume is in what its owner has said it holds."""
        return self.behind.get(volume.id, self.at)


@dataclass(frozen=True)
class NamedSnapshot(Record):
    """A snapshot a person asked for: kept as long as the volume."""

    volume_id: str
    snapshot: Snapshot
    taken_at: str
    label: str = ""

    @property
    def key(self) -> tuple[int, int]:
        """Number and epoch: numbers alone come again after a promotion."""
        return self.snapshot.number, self.snapshot.epoch

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a record, as above.

        Raises:
            ValueError: `taken_at` is no time.
        """
        named = super().from_json({**value, "snapshot": Snapshot.from_json(value["snapshot"])})
        check_time(named.taken_at)
        return named


@dataclass(frozen=True)
class Event(Record):
    """Something that happened to a volume: who did what, when and why."""

    volume_id: str
    volume: str
    at: str
    node: str
    what: str  # created, moved, promoted, resized, restored, removed, undeleted ...
    why: str = ""
    by: str = field(default_factory=audit.by)  # who asked for it; empty: the node itself

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a record, as above.

        Raises:
            ValueError: `at` is no time: nobody could list it.
        """
        event = super().from_json({"by": "", **value})
        check_time(event.at)
        return event


@dataclass(frozen=True)
class Removed(Record):
    """A volume that was removed and can still be restored."""

    volume: Volume
    removed_at: str

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """Read a record, as above.

        Raises:
            ValueError: no volume can have that name, or `removed_at` is no time.
        """
        removed = super().from_json({**value, "volume": Volume.from_json(value["volume"])})
        check_time(removed.removed_at)
        return removed


@dataclass(frozen=True)
class ClusterState:
    """All that is agreed about, at one instant.

    Attributes:
        volumes: by name.
        mounts: volume id -> node that has it mounted.
        moves: by volume id.
        nodes: those whose lease has not expired, by name.
        seen: node -> when it was last heard of; also of nodes that are away.
        looks: by node; also of nodes that are away.
        retired: node -> when it was forgotten; nobody of that name is trusted any more.
        refused: serial number of an authority -> the node it signed for; etcd lets in nobody who
            shows it.
        copies: volume id -> node -> copy.
        snapshots: volume id -> number and epoch -> snapshot.
        removed: by volume id.
    """

    volumes: Mapping[str, Volume] = field(default_factory=dict)
    mounts: Mapping[str, str] = field(default_factory=dict)
    moves: Mapping[str, Move] = field(default_factory=dict)
    nodes: Mapping[str, Node] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)
    looks: Mapping[str, Look] = field(default_factory=dict)
    retired: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)
    copies: Mapping[str, Mapping[str, Copy]] = field(default_factory=dict)
    snapshots: Mapping[str, Mapping[tuple[int, int], NamedSnapshot]] = field(default_factory=dict)
    removed: Mapping[str, Removed] = field(default_factory=dict)

    def volume_ids(self) -> set[str]:
        """The ids of all volumes that are not removed."""
        return {volume.id for volume in self.volumes.values()}

    def copies_of(self, volume: Volume) -> Mapping[str, Copy]:
        """Node -> newest copy there."""
        return self.copies.get(volume.id, {})

    def named(self, volume: Volume) -> list[NamedSnapshot]:
        """The snapshots people asked for, oldest first; without what a promotion left behind."""
        named = [each for _, each in sorted(self.snapshots.get(volume.id, {}).items())]
        return [each for each in named if volume.includes(each.snapshot)]

    def numbered(self, volume: Volume, number: int, here: Iterable[Snapshot]) -> Snapshot | None:
        """The snapshot of that number among those of a node.

        None: there is none, or the one people asked for was another, left behind by a
        promotion.
        """
        kept = self.snapshots.get(volume.id, {}).values()
        # What is agreed says more of a snapshot than the pool.
        meant = [named.snapshot for named in kept if named.snapshot.number == number]
        for snapshot in here:
            if snapshot.number == number and (not meant or snapshot in meant):
                return meant[meant.index(snapshot)] if meant else snapshot
        return None


def now() -> str:
    """The time, as records hold it."""
    return _told(datetime.now(UTC))


def ago(seconds: float) -> str:
    """The time so many seconds before now, to be compared with what records hold."""
    return _told(datetime.now(UTC) - timedelta(seconds=seconds))


def check_time(text: str) -> str:
    """The same text, if it is a time that can be compared with others and counted from.

    Raises:
        ValueError: it is none.
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None or time.year not in YEARS:
        raise ValueError(f"{text[:80]!r} is no time with a zone")
    return text


def _told(time: datetime) -> str:
    return time.isoformat(timespec="milliseconds")


def percent(bytes_done: int, bytes_total: int | None) -> int | None:
    """The progress of a copy; None while the total is not known."""
    if bytes_total is None:
        return None
    # The total is an estimate: headers of the stream come on top, so stop short of 100.
    return min(99, 100 * bytes_done // max(bytes_total, 1))
