"""Tell this node's fence which volumes it guards: no auto volume is used without it.

The fence reads a list of volumes, and says at each look which list it has read. A mount puts its
volume on the list by the record it has read, not by the mirror, which may still be empty then. The
volume stays there for as long as a use of it is counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager

from flocker.base.errors import Refused
from flocker.base.records import Volume
from flocker.consensus.mirror import Mirror
from flocker.fence.lease_file import NO_LIST, AutoList, AutoVolume, Heartbeat, LeaseFile, boottime

FRESH_SECONDS = 3.0  # the fence looks twice a second
WAIT_SECONDS = 10.0  # systemd ends a fence that hangs after 5 s, and starts it anew
POLL_SECONDS = 0.05
# In use at once. Measured: tests/contract/flocker/fence/test_fence_many.py, docs/decisions/0029.
VOLUMES_AT_MOST = 200


class Guard:
    """The daemon's side of the fence; it implements `mounting.FenceCover` and `ports.FenceGuard`.

    Args:
        used: ids of the volumes of which a use is counted.
        mounted: selects those of some volume ids that any process has mounted.
        live: where the writable copy of a volume id is; without symbolic links.
        clock: seconds, as `boottime`.
    """

    def __init__(
        self,
        node: str,
        files: LeaseFile,
        mirror: Mirror,
        used: Callable[[], set[str]],
        mounted: Callable[[Collection[str]], set[str]],
        live: Callable[[str], str],
        clock: Callable[[], float] = boottime,
    ) -> None:
        self._node = node
        self._files = files
        self._mirror = mirror
        self._used = used
        self._mounted = mounted
        self._live = live
        self._clock = clock
        self._changing = threading.Lock()
        self._coming: set[str] = set()  # being mounted, and not counted yet
        listed = self._read_list()  # by the daemon before this one, whose uses may go on
        self._version = listed.version
        self._listed = {volume.id: volume for volume in listed.volumes}

    @contextmanager
    def covering(self, volume: Volume, within: float) -> Iterator[None]:
        """Have the fence know of a volume while the block counts its first use.

        Args:
            within: seconds to wait for the fence, at most.

        Raises:
            Refused: the fence does not look, or has more to stop than it can in time.
        """
        with self._changing:
            self._refuse_if_too_many(volume)
            self._coming.add(volume.id)
            self._write({**self._listed, volume.id: self._entry(volume)})
            version = self._version
        try:
            self._await(volume, version, min(within, WAIT_SECONDS))
            yield
        finally:
            with self._changing:
                self._coming.discard(volume.id)

    def refresh(self) -> None:
        """Bring the list into line with the counted uses and with what the cluster agrees about."""
        with self._changing:
            used = self._used() | self._coming
            known = [each for each in self._mirror.state.volumes.values() if each.is_fenced]
            present = {
                volume.id: self._entry(volume)
                for volume in known
                # One too many does no harm: the fence asks the kernel what is mounted.
                if volume.owner == self._node or volume.id in used
            }
            surplus = self._listed.keys() - present.keys() - used
            if surplus and self._mirror.is_connected:
                surplus -= self._mounted(surplus)
            else:
                surplus = set()
            kept = {id_: each for id_, each in self._listed.items() if id_ not in surplus}
            self._write({**kept, **present})

    def listed(self) -> list[AutoVolume]:
        """The volumes that the fence gets to know."""
        with self._changing:
            return list(self._listed.values())

    def is_watched(self) -> bool:
        """Tell whether the fence looks."""
        return self._looked_ago() <= FRESH_SECONDS

    def problems(self) -> list[str]:
        """Describe why volumes with failover=auto are not mounted here, for people."""
        if self.is_watched():
            return []
        return [
            f"flocker-fence {self._silence()}, so no volume with failover=auto is mounted here; "
            f"`systemctl status flocker-fence` on {self._node} tells more"
        ]

    def _await(self, volume: Volume, version: int, within: float) -> None:
        """Wait until the fence has read a list of at least that version, and still looks."""
        waiting, deadline = threading.Event(), self._clock() + within
        while not (self.is_watched() and self._heartbeat().version >= version):
            if self._clock() >= deadline:
                raise Refused(
                    f"volume '{volume.name}' (failover=auto) is not mounted: flocker-fence on "
                    f"{self._node}, which has to stop its containers in time, {self._silence()}; "
                    f"`systemctl status flocker-fence` on {self._node} tells more"
                )
            waiting.wait(POLL_SECONDS)

    def _refuse_if_too_many(self, volume: Volume) -> None:
        in_use = (self._used() & self._listed.keys()) | self._coming
        if volume.id not in in_use and len(in_use) >= VOLUMES_AT_MOST:
            raise Refused(
                f"volume '{volume.name}' (failover=auto) is not mounted: {len(in_use)} such "
                f"volumes are in use on {self._node}, and its fence is not known to stop more "
                "of them in time; start the container on another node, or stop others here"
            )

    def _entry(self, volume: Volume) -> AutoVolume:
        return AutoVolume(volume.name, volume.id, self._live(volume.id))

    def _write(self, listed: dict[str, AutoVolume]) -> None:
        if listed != self._listed or not self._version:
            self._version = self._files.write_auto(listed.values())
            self._listed = listed

    def _read_list(self) -> AutoList:
        try:
            return self._files.read_auto()
        except ValueError:
            return NO_LIST

    def _heartbeat(self) -> Heartbeat:
        try:
            return self._files.read_heartbeat() or Heartbeat(float("-inf"), 0)
        except ValueError:
            return Heartbeat(float("-inf"), 0)

    def _looked_ago(self) -> float:
        return self._clock() - self._heartbeat().looked_at

    def _silence(self) -> str:
        ago = self._looked_ago()
        if ago == float("inf"):
            return "has not run since the node started"
        if ago > FRESH_SECONDS:
            return f"has not looked for {ago:.0f} s"
        return "has not read that the volume is about to be used"
