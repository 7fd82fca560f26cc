"""Tell whether anything on this node uses a volume, and stop it: the one place that decides.

Mounts and unmounts of the engine are counted. But an Unmount may never come: dockerd sends each
once, whether or not it arrives, and none after a kill (docs/decisions/0001). So a count that is
older than a start can take, and that neither the kernel nor the engine backs, ends by itself. An
engine that does not answer backs everything.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager

from flocker.base.errors import EngineAway, InUse, Refused, StillNeeded
from flocker.base.records import Volume, ago
from flocker.engine.client import EngineUse
from flocker.engine.mount_counts import MountCounts
from flocker.engine.users import Containers, Mounts, stop_users

log = logging.getLogger(__name__)

STOP_SECONDS = 10.0
# From a mount to the moment in which the kernel shows it: the container starts in between. While it
# does the engine says so as well; this is for engines that might not.
START_SECONDS = 30.0


class VolumeUse:
    """The uses of this node's volumes."""

    def __init__(
        self, node: str, counts: MountCounts, containers: Containers, mounts: Mounts
    ) -> None:
        self._node = node
        self._counts = counts
        self._containers = containers
        self._mounts = mounts

    @contextmanager
    def locked(self, volume: Volume, within: float = -1) -> Iterator[None]:
        """Let no other thread change what this node does with the volume meanwhile.

        Args:
            within: seconds to wait for the others; without end if negative.

        Raises:
            Refused: they were not done in time.
        """
        with ExitStack() as held:
            try:
                held.enter_context(self.locked_id(volume.id, within))
            except TimeoutError:
                raise Refused(
                    f"volume '{volume.name}' is busy on {self._node}; run the command again"
                ) from None
            yield  # not within the try: a disk or Ceph may time out here, too

    @contextmanager
    def locked_id(self, volume_id: str, within: float = -1) -> Iterator[None]:
        """As `locked`, for a volume that may have no record any more.

        Raises:
            TimeoutError: another thread was not done in time.
        """
        with self._counts.locked(volume_id, within):
            yield

    def volumes(self) -> set[str]:
        """Ids of the volumes of which a use is counted."""
        return self._counts.volumes()

    def former(self) -> set[str]:
        """Ids of the volumes with uses that only the kernel can confirm: to be reconciled."""
        return self._counts.former()

    def any(self, volume: Volume) -> bool:
        """Tell whether a use is counted."""
        return self._counts.any(volume.id)

    def any_of(self, volume_id: str) -> bool:
        """Tell whether a use is counted or the kernel shows one; needs no record of the volume."""
        return self._counts.any(volume_id) or bool(self._mounts.mounted([volume_id]))

    def add(self, volume: Volume, mount_id: str) -> None:
        """Count one more use, which outlives this daemon.

        To be called with the volume locked, before the engine hears of it.

        Raises:
            OSError: it cannot be kept.
        """
        self._counts.add(volume.id, mount_id)

    def remove(self, volume: Volume, mount_id: str) -> None:
        """Count one use less; an ID that is not known changes nothing."""
        self._counts.remove(volume.id, mount_id)

    def new_engine(self) -> None:
        """Note that the engine was started anew: it will not end the uses that were before."""
        self._counts.new_engine()

    def refuse_if_any(self, volume: Volume, engine_says: EngineUse | None = None) -> None:
        """For whoever wants the volume to himself; to be called with the volume locked.

        Args:
            engine_says: what is known of the engine already; None: it is asked. While it removes
                a volume it answers no question about volumes, and has none of its containers left.

        Raises:
            InUse: containers here use it, or one may be about to; the message says which, or what
                the use is.
        """
        is_mounted = bool(self._mounts.mounted([volume.id]))
        self._counts.reconcile(volume.id, is_mounted)
        if not self._counts.any(volume.id):
            return
        if names := self._names(volume):
            raise InUse(volume.name, self._node, names)
        if is_mounted:
            raise InUse(
                volume.name, self._node, [],
                "processes there have it mounted, which "
                f"`grep -l {volume.id} /proc/[0-9]*/mountinfo` lists; stop these, then try again",
            )  # fmt: skip
        if why := self._why_counted(volume, engine_says):
            raise InUse(volume.name, self._node, [], why)

    def refuse_if_needed(self, volume: Volume) -> None:
        """For a removal that another node's engine asks for: it knows its own containers only.

        Raises:
            StillNeeded: containers here were made with it; the message names them.
            Refused: the engine here does not answer.
        """
        try:
            containers = self._containers.containers_with(volume.name)
        except EngineAway as error:
            raise Refused(
                f"volume '{volume.name}' is not removed: stopped containers on {self._node} may "
                f"need it, and {error}; try again when it does"
            ) from error
        if containers:
            raise StillNeeded(volume.name, self._node, containers)

    def reconcile(self, volume: Volume) -> None:
        """Drop counts that a former engine left, and count uses that nobody counted."""
        with self._counts.locked(volume.id):
            self._counts.reconcile(volume.id, bool(self._mounts.mounted([volume.id])))

    def end_unbacked(self, volumes: Collection[Volume]) -> None:
        """End the uses of these that nothing backs; cheap when all are new or mounted.

        The engine is asked once for all of them: each alone may take as long as one that hangs.
        """
        old = [volume for volume in volumes if self._is_old(volume)]
        mounted = self._mounts.mounted([volume.id for volume in old]) if old else set()
        unseen = [volume for volume in old if volume.id not in mounted]
        if not unseen:
            return
        asked_at = self._counts.now()
        try:
            # Not locked: the engine may take long to answer, and an Unmount must not wait.
            uses = self._containers.uses_of([volume.name for volume in unseen])
        except EngineAway:  # it backs all of them
            return
        for volume in unseen:
            self._end_unless_busy(volume, uses[volume.name], asked_at)

    def end_gone(self, volume_ids: Collection[str]) -> None:
        """End the uses of volumes that have no record any more, and that nothing has mounted.

        The engine asks for an unmount by name, and nobody knows that name any more.
        """
        before = self._counts.now() - START_SECONDS
        for volume_id in set(volume_ids) - self._mounts.mounted(volume_ids):
            if self._counts.end(volume_id, added_before=before):
                log.warning("volume %s is gone: its use here has ended", volume_id)

    def among(self, volume_ids: Collection[str]) -> set[str]:
        """Those of which a use is counted or the kernel shows one; needs no records."""
        return self._counts.volumes() & set(volume_ids) | self._mounts.mounted(volume_ids)

    def end(self, volumes: Collection[Volume]) -> None:
        """Stop what uses volumes that this node has lost, all within the time that one may take.

        Not with a volume locked: the engine unmounts meanwhile.
        """
        lost = {volume.id: volume for volume in volumes}
        self.end_all(
            {volume.id: volume.name for volume in volumes},
            lambda volume_id: f"is owned by {lost[volume_id].owner} now",
        )

    def end_all(
        self,
        names: Mapping[str, str],
        why: Callable[[str], str],
        engine_seconds: float = STOP_SECONDS,
    ) -> None:
        """Stop what uses any of these volumes, which need no record; otherwise as `end`.

        Args:
            names: by id.
            why: for the log: what has become of the volume of an id.
            engine_seconds: what the engine may take of the time.

        Raises:
            PoolError: something does not end.
        """
        mounted = {each: names[each] for each in self._mounts.mounted(names)}
        if mounted:
            stop_users(self._containers, self._mounts, mounted, why, engine_seconds)

    def _names(self, volume: Volume) -> list[str]:
        try:
            return self._containers.containers_using(volume.name)
        except EngineAway as error:
            log.warning("containers that use volume '%s' cannot be named: %s", volume.name, error)
            return []

    def _why_counted(self, volume: Volume, engine_says: EngineUse | None = None) -> str | None:
        """End the uses of a volume that is not mounted, or tell why they stay and what to do.

        The kernel was asked before, the engine is asked here: a container that was just started
        is seen by one of them.
        """
        asked_at = self._counts.now()
        try:
            use = engine_says or self._containers.uses_of([volume.name])[volume.name]
        except EngineAway as error:
            why = (
                f"whether a container needs it is not known: {error}; "
                f"`systemctl status docker` on {self._node} tells more"
            )
            return self._since_and(volume, why)
        if use is EngineUse.BUSY:
            return self._since_and(volume, f"{use.value}; try again when that is done")
        self._end_unless_busy(volume, use, asked_at)
        left = [at + START_SECONDS - asked_at for at in self._counts.added(volume.id)]
        if not left:
            return None
        why = f"{use.value}; it counts as in use for {max(left):.0f} s more, then try again"
        return self._since_and(volume, why)

    def _end_unless_busy(self, volume: Volume, use: EngineUse, asked_at: float) -> None:
        """End the uses that are old, and that neither the kernel nor the engine backed then."""
        since = self._since(volume)
        is_over = use is not EngineUse.BUSY
        if is_over and self._counts.end(volume.id, added_before=asked_at - START_SECONDS):
            log.warning(
                "volume '%s': a use %s has ended: %s, and its unmount was never asked for",
                volume.name, since, use.value,
            )  # fmt: skip

    def _since_and(self, volume: Volume, why: str) -> str | None:
        """None if nothing is counted any more."""
        since = self._since(volume)
        return f"it was mounted there {since}, and {why}" if since else None

    def _since(self, volume: Volume) -> str:
        """When it was mounted last, of the uses that are counted; empty if none is."""
        added = self._counts.added(volume.id)
        return f"at {ago(self._counts.now() - added[-1])}" if added else ""

    def _is_old(self, volume: Volume) -> bool:
        added = self._counts.added(volume.id)
        return bool(added) and added[0] <= self._counts.now() - START_SECONDS
