"""Decide what a node may do with a volume. Knows no HTTP, no btrfs and no etcd.

Longer than 300 lines because each call of the engine has its method here, and they share their
checks.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from flocker.base.belief import Belief
from flocker.base.errors import (
    BadRequest,
    ControlPlaneAway,
    HoldsMore,
    LeavesBehind,
    NotAdmitted,
    OwnerAway,
    OwnerLost,
    PoolError,
    Refused,
    StaleEpoch,
    VolumeNotFound,
)
from flocker.base.options import (
    Options,
    Reference,
    check_name,
    differences,
    format_size,
    read_options,
    read_reference,
)
from flocker.base.records import ClusterState, Event, Snapshot, Volume, now
from flocker.consensus.majority import FEWEST_VOTERS, refusal
from flocker.consensus.ownership import existing
from flocker.engine.client import EngineUse
from flocker.engine.typed_options import TypedOptions
from flocker.moving.handoff import Arrivals
from flocker.moving.replica_choice import complete_until, is_current, lost, missing
from flocker.moving.succession import has_given_up, is_away
from flocker.node.context import NodeContext

log = logging.getLogger(__name__)

ASK_AGAIN_SECONDS = 1.0  # an owner that does not answer but is not lost yet
LEADER_POLL_SECONDS = 1.0  # while etcd cannot decide


class PeerVolumes(Protocol):
    """Has other nodes do what only they can. Every call may raise OwnerAway."""

    def create(self, node: str, name: str, options: dict[str, str]) -> None:
        """Create a volume there: the node that has what it is made from."""

    def remove(self, volume: Volume) -> None:
        """Have the owner remove the volume."""

    def forget(self, volume: Volume) -> None:
        """Tell all other nodes that the volume was removed; nobody waits for their answers."""


class Guarding(Protocol):
    """Has this node's fence know of the volumes that others take over when it falls silent."""

    def covering(self, volume: Volume, within: float) -> AbstractContextManager[None]:
        """Have the fence know of a volume before the block counts a use of it.

        Raises:
            Refused: the fence would not stop it in time.
        """

    def refresh(self) -> None:
        """Note that uses have ended."""


@dataclass(frozen=True)
class Description:
    """A volume as this node sees it; `mountpoint` only where the volume can be written."""

    volume: Volume
    mountpoint: Path | None


class Driver:
    """The volumes of the cluster, from one node. All calls may come twice and at once.

    Args:
        typed_options: what the engine was told when volumes were created on this node.
        guard: knows which volumes must be stopped when this node falls silent.
        refuse: raises Refused if this node may not use a volume; called with the volume locked.
        answer_seconds: how long a mount may wait for data or for other calls.
    """

    def __init__(
        self,
        context: NodeContext,
        *,
        peers: PeerVolumes,
        arrivals: Arrivals,
        typed_options: TypedOptions,
        guard: Guarding,
        refuse: Callable[[Volume], None],
        answer_seconds: float,
    ) -> None:
        self._node = context.node
        self._ownership = context.ownership
        self._mirror = context.mirror
        self._pool = context.pool
        self._use = context.use
        self._peers = peers
        self._arrivals = arrivals
        self._typed_options = typed_options
        self._guard = guard
        self._refuse = refuse
        self._answer_seconds = answer_seconds

    def engine_started(self) -> None:
        """The engine activates its plugins anew: none of its former calls will be taken back."""
        self._use.new_engine()

    def create(self, name: str, opts: dict[str, str]) -> None:
        """Make a volume owned by this node; one that exists anywhere stays as it is.

        Raises:
            BadRequest: the name or an option cannot be, or the volume exists with other options.
            Refused: what it is to be made from cannot be had, or nobody could take it over.
        """
        check_name(name)
        options = read_options(opts)
        present = self._mirror.volume(name)
        if present is not None:
            _refuse_if_different(options, present)
            return
        if options.failover == "auto" and (voters := self._ownership.voters()) < FEWEST_VOTERS:
            raise Refused(refusal(voters))
        source = None if options.made_from is None else self._source(options.made_from)
        if isinstance(source, str):
            self._peers.create(source, name, opts)
            self._mirror.settle(lambda state: name in state.volumes)
            return
        volume = Volume(
            name=name,
            id=str(uuid.uuid4()),
            owner=self._node,
            epoch=1,
            created_at=now(),
            size_bytes=options.size_bytes,
            replicas=options.replicas,
            failover=options.failover,
            made_from=options.made_from,
        )
        if volume.size_bytes is not None:
            self._pool.prepare_sizes()
        # Data before record: whoever sees the record may open the volume at once.
        try:
            self._make(volume, source)
        except HoldsMore as error:
            raise Refused(
                f"volume '{name}' cannot be made from {volume.made_from}: {error}"
            ) from error
        why = f"from {volume.made_from}" if volume.made_from else ""
        event = Event(volume.id, name, volume.created_at, self._node, "created", why)
        winner = self._ownership.create(volume, event)
        if winner.id != volume.id:  # another node was faster
            self._pool.discard(volume.id, name, self._node, self._belief_that_gone(volume))
            _refuse_if_different(options, winner)
        self._mirror.settle(lambda state: name in state.volumes)

    def remove(self, name: str) -> None:
        """Remove a volume on every node; one that is not there is removed already.

        It can be had back until the retention ends.

        Raises:
            InUse: a container uses it.
            StillNeeded: a stopped container on its owner was made with it.
            OwnerAway: its owner, who has the data, does not answer.
        """
        self._remove(name, is_for_peer=False)

    def remove_for_peer(self, name: str) -> None:
        """As `remove`, asked for by another node, whose engine knows its own containers only.

        Each engine lists every volume of the cluster, and calls "dangling" what none of its own
        containers has. So those of the owner count here, stopped ones too. On a former owner they
        do not: its containers are left behind by every move, and the volume is the new owner's.
        An engine that removes a volume from its own node has looked at its own containers.
        """
        self._remove(name, is_for_peer=True)

    def _remove(self, name: str, *, is_for_peer: bool) -> None:
        volume = self._ownership.volume(name)
        if volume is None:
            return
        if volume.owner != self._node:
            self._peers.remove(volume)
        else:
            with self._use.locked(volume):
                # This node's engine asks only when none of its containers has the volume.
                self._use.refuse_if_any(volume, None if is_for_peer else EngineUse.NONE)
                if is_for_peer:
                    self._use.refuse_if_needed(volume)
                self._ownership.unmount(volume)  # recorded by a mount nobody heard of
                event = volume.event(self._node, "removed")
                self._ownership.remove(volume, event)
                # There is no such volume any more, so this is no error of the removal: where
                # the disk is in the way, tidying does it as soon as it can, and shows it until
                # then.
                with suppress(PoolError, OSError, ControlPlaneAway):
                    belief = self._belief_that_gone(volume)
                    self._pool.discard(volume.id, name, self._node, belief)
            self._peers.forget(volume)
            if is_for_peer:
                self._typed_options.removed(volume)
        self._mirror.settle(lambda state: volume.id not in state.volume_ids())

    def mount(self, name: str, mount_id: str) -> Path:
        """Make a volume writable on this node and return where it is.

        Safe to repeat: the engine asks again when the socket drops. A failed
        mount is never followed by an unmount, so it leaves nothing counted.

        Args:
            name: chosen by the user, unique in the cluster.
            mount_id: the engine's opaque id for one use of the volume.

        Returns:
            Absolute path on this node; it stays valid until the last unmount.

        Raises:
            VolumeNotFound: no node knows the name.
            InUse: containers on another node use it.
            StillCopying: the data is on its way; the next call picks it up.
            OwnerAway: the node that has the data does not answer.
            ControlPlaneAway: etcd did not answer for all of `answer_seconds`.
            Refused: this node's fence would not stop it in time.

        Source: Docker volume plugin protocol, VolumeDriver.Mount.
        """
        deadline = time.monotonic() + self._answer_seconds
        while True:
            try:
                return self._mount_once(name, mount_id, deadline)
            except NotAdmitted:  # waiting changes nothing about that
                raise
            except ControlPlaneAway:
                # The engine starts a container with a restart policy once. When all nodes get
                # their power back, members of etcd find each other only after that.
                if time.monotonic() + LEADER_POLL_SECONDS > deadline:
                    raise
                self._mirror.changes(self._mirror.state, within=LEADER_POLL_SECONDS)

    def _mount_once(self, name: str, mount_id: str, deadline: float) -> Path:
        try:
            return self._mount(existing(self._ownership, name), mount_id, deadline)
        except StaleEpoch:
            # It moved between reading the record and using it; what is true now decides.
            return self._mount(existing(self._ownership, name), mount_id, deadline)

    def _mount(self, volume: Volume, mount_id: str, deadline: float) -> Path:
        if volume.owner != self._node:
            volume = self._bring(volume, deadline)
        with self._use.locked(volume, max(0, deadline - time.monotonic())):
            self._refuse(volume)
            self._ownership.mount(volume)
            try:
                mountpoint = self._open(volume)
                with self._guarded(volume, deadline):
                    self._use.add(volume, mount_id)
            except BaseException:
                if not self._use.any(volume):
                    self._clear_mount(volume)
                raise
        return mountpoint

    def _guarded(self, volume: Volume, deadline: float) -> AbstractContextManager[None]:
        if volume.failover != "auto":
            return nullcontext()
        return self._guard.covering(volume, max(0, deadline - time.monotonic()))

    def _bring(self, volume: Volume, deadline: float) -> Volume:
        """Have the volume here, waiting for a node that is about to take it over."""
        while True:
            state = self._mirror.state
            if has_given_up(volume, state):
                volume = self._after_takeover(volume, state, deadline, lost(volume, state))
                if volume.owner == self._node:
                    return volume
            try:
                return self._arrivals.bring(
                    volume, "a container starts here", deadline - time.monotonic()
                )
            except OwnerAway as error:
                state = self._ownership.state()
                if volume.owner in state.nodes:
                    # Its lease may be about to run out, or it may only be slow.
                    if volume.failover != "auto" or time.monotonic() + ASK_AGAIN_SECONDS > deadline:
                        raise
                    self._mirror.changes(self._mirror.state, within=ASK_AGAIN_SECONDS)
                    continue
                why = lost(volume, state)
                if volume.failover != "auto":
                    raise why from error
            volume = self._after_takeover(volume, state, deadline, why)
            if volume.owner == self._node:
                return volume

    def _after_takeover(
        self, volume: Volume, state: ClusterState, deadline: float, why: OwnerLost
    ) -> Volume:
        """The record once its owner has changed.

        Raises:
            OwnerLost: nobody took it over in time.
        """
        while (left := deadline - time.monotonic()) > 0:
            now_known = state.volumes.get(volume.name)
            if now_known is None:
                raise VolumeNotFound(volume.name)
            if now_known.epoch != volume.epoch or not is_away(volume, state):
                return now_known
            state = self._mirror.changes(state, within=left)
        raise why

    def unmount(self, name: str, mount_id: str) -> None:
        """End one use of a volume. Never waits for data: the engine gives it 60 s."""
        volume = self._mirror.volume(name)
        if volume is None:
            raise VolumeNotFound(name)
        with self._use.locked(volume):
            self._use.remove(volume, mount_id)
            if not self._use.any(volume):
                if volume.failover == "auto":
                    self._guard.refresh()
                if volume.owner == self._node:
                    self._clear_mount(volume)

    def describe(self, name: str) -> Description:
        """What can be said of one volume.

        Raises:
            VolumeNotFound: etcd says there is none. Never only because etcd is away.
        """
        volume = self._mirror.volume(name)
        if volume is None:
            raise VolumeNotFound(name)
        return self._description(volume)

    def describe_all(self) -> list[Description]:
        """All volumes of the cluster, by name."""
        return [self._description(volume) for volume in self._mirror.volumes()]

    def status(self, volume: Volume) -> dict[str, Any]:
        """What `docker volume inspect` shows of a volume besides the engine's own fields."""
        state = self._mirror.state
        status: dict[str, Any] = {
            "id": volume.id,
            "owner": volume.owner,
            "epoch": volume.epoch,
            "size": "no limit" if volume.size_bytes is None else format_size(volume.size_bytes),
            "failover": volume.failover,
            "replicas": {
                node: _age(volume, node, state)
                for node in sorted(state.copies_of(volume))
                if node != volume.owner
            },
        }
        if volume.owner == self._node:
            used = self._pool.used_bytes(volume.id)
            if used is not None:
                status["used_bytes"] = used
        if move := state.moves.get(volume.id):
            percent = "" if move.percent is None else f", {move.percent} %"
            status["move"] = f"to {move.target}{percent}"
        if asked_for := self._typed_options.differences(volume):
            status["asked for here"] = "; ".join(asked_for)
        if problem := self.problem(volume):
            status["problem"] = problem
        self._typed_options.look_later(volume)
        return status

    def problem(self, volume: Volume) -> str | None:
        """What keeps a volume from being used, in words; None if nothing is known to."""
        state = self._mirror.state
        if volume.owner == self._node:
            try:
                self._open(volume)
                if problem := self._pool.problem(volume.id):
                    return problem
            except (PoolError, Refused) as error:
                return str(error)
        if not self._mirror.is_connected:
            return "etcd does not answer; this is what was known last"
        if volume.owner not in state.nodes:
            return str(lost(volume, state))
        return None

    def _source(self, made_from: str) -> Reference | str:
        """What a volume is made from, or the node that can make it."""
        source = read_reference(made_from)
        if source.aside is not None:
            here = any(aside.reference == made_from for aside in self._pool.asides())
            return source if here else self._other(source)
        volume = existing(self._ownership, source.volume)
        if volume.owner == self._node or (
            source.number is not None and self._snapshot(volume, source.number) is not None
        ):
            return source
        return volume.owner

    def _other(self, source: Reference) -> str:
        """The node that put a copy aside which is not here.

        Whether it is there only that node can tell, also when it is away.
        """
        state = self._mirror.state
        others = (state.nodes.keys() | state.seen.keys()) - {self._node}
        named = [node for node in others if str(source.aside).startswith(f"{node}-")]
        if not named:
            raise Refused(
                f"there is no copy {source}; `flocker conflicts` and `flocker trash` list those "
                "there are"
            )
        return max(named, key=len)  # node1-old is another node than node1

    def _make(self, volume: Volume, source: Reference | None) -> None:
        if source is None:
            self._pool.create(volume.claim, volume.size_bytes)
        elif source.aside is not None:
            self._pool.clone_aside(str(source), volume.claim, volume.size_bytes)
        else:
            original = existing(self._ownership, source.volume)
            if source.number is None:
                snapshot: Snapshot | None = self._whole(original)
            else:
                snapshot = self._snapshot(original, source.number)
            if snapshot is None:
                raise Refused(
                    f"{self._node} has no snapshot {source.number} of volume '{original.name}'; "
                    f"`flocker snapshots {original.name}` lists those there are"
                )
            self._pool.clone(original.id, snapshot, volume.claim, volume.size_bytes)

    def _whole(self, volume: Volume) -> Snapshot:
        try:
            return self._pool.take_snapshot(volume.claim, is_whole=True)
        except LeavesBehind as error:
            raise Refused(f"volume '{volume.name}' cannot be cloned: {error}") from error

    def _snapshot(self, volume: Volume, number: int) -> Snapshot | None:
        return self._mirror.state.numbered(volume, number, self._pool.snapshots(volume.id))

    def _belief_that_gone(self, volume: Volume) -> Belief:
        def confirm() -> None:
            there = self._ownership.volume(volume.name)
            if there is not None and there.id == volume.id:
                raise PoolError(f"volume '{volume.name}' is there again")

        return Belief(confirm, volume.epoch)

    def _open(self, volume: Volume) -> Path:
        try:
            return self._pool.open(volume.claim)
        except PoolError as error:
            if not self._pool.is_open(volume.id):
                raise missing(volume, self._mirror.state) from error
            raise PoolError(
                f"volume '{volume.name}' cannot be opened on {self._node}: {error}"
            ) from error

    def _description(self, volume: Volume) -> Description:
        mountpoint = None
        if volume.owner == self._node:
            # To the engine an error here would mean that the volume is gone. `problem` tells it.
            with suppress(PoolError, StaleEpoch):
                mountpoint = self._pool.open(volume.claim)
        return Description(volume, mountpoint)

    def _clear_mount(self, volume: Volume) -> None:
        try:
            self._ownership.unmount(volume)
        except ControlPlaneAway as error:
            # The count here is what matters: a peer asks this node before it moves the volume,
            # and that clears the record.
            log.warning("unmount of volume '%s' not recorded: %s", volume.name, error)


def _refuse_if_different(options: Options, volume: Volume) -> None:
    if found := differences(options, volume):
        raise BadRequest(f"volume '{volume.name}' exists already: {'; '.join(found)}")


def _age(volume: Volume, node: str, state: ClusterState) -> str:
    """How current a replica is, in words."""
    copy = state.copies_of(volume)[node]
    if is_current(volume, copy, state) and volume.owner in state.nodes:
        return "current"
    return f"complete up to {complete_until(volume, copy, state)}"
