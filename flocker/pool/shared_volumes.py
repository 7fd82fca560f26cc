"""Volumes of a shared pool: mounted here, taken over, limited."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from flocker.base.errors import StaleEpoch
from flocker.base.records import Claim, Volume
from flocker.base.volume_id import is_uuid
from flocker.ceph import folders
from flocker.ceph.folders import failure
from flocker.pool.shared_parts import SharedParts, content_bytes, refuse_if_larger


class SharedVolumes(SharedParts):
    """See PoolVolumes, and RemotePool."""

    def create(self, claim: Claim, size_bytes: int | None = None) -> None:
        self._make(claim, None, size_bytes)

    def writable_path(self, claim: Claim) -> Path:
        with self._locked(claim.volume_id) as folder:
            folder.live_of(claim)
            folder.drop_unused()
            return self._sessions.path(claim)

    def has_writable(self, volume_id: str) -> bool:
        return self._folder(volume_id).epoch() is not None

    def writable_ids(self) -> set[str]:
        return {each for each in self.volume_ids() if self.has_writable(each)}

    def volume_ids(self) -> list[str]:
        try:
            return sorted(each.name for each in self.root.iterdir() if is_uuid(each.name))
        except OSError as error:
            raise failure("the shared pool cannot be read", error) from error

    def problem(self, volume_id: str) -> str | None:
        if self._folder(volume_id).epoch() is None:
            return f"the shared pool has no volume {volume_id}"
        return self._sessions.problem(volume_id)

    def epoch(self, volume_id: str) -> int | None:
        return self._folder(volume_id).epoch()

    def mountpoint(self, volume_id: str) -> Path | None:
        return self._sessions.mountpoint(volume_id)

    def opened(self) -> list[Claim]:
        return self._sessions.opened()

    def cut_off(self, volume_id: str) -> None:
        self._sessions.kill(volume_id)  # not locked: whoever has the lock may wait for that client

    def close(self, volume_id: str) -> None:
        with self._locked(volume_id):
            self._sessions.end(volume_id)

    def keep_out(self, addresses: Collection[str]) -> None:
        self._sessions.keep_out(addresses)

    def take_over(self, claim: Claim, former: Mapping[int, Collection[str]]) -> None:
        with self._locked(claim.volume_id) as folder:
            stored = folder.epoch()
            if stored is not None and stored > claim.epoch:
                raise StaleEpoch(f"volume {claim.volume_id} is at epoch {stored} already")
            known = former if stored is None else {stored: (), **former}
            for epoch in sorted(known):
                if epoch < claim.epoch:
                    self._sessions.stop(Claim(claim.volume_id, epoch), known[epoch])
            # Last: it waits for a client that is stopped, unless that was blocked.
            if stored is not None and stored < claim.epoch:
                try:
                    folder.live(stored).rename(folder.live(claim.epoch))
                except OSError as error:
                    raise failure(f"volume {claim.volume_id} could not be taken", error) from error

    def set_size(self, claim: Claim, size_bytes: int | None) -> None:
        with self._locked(claim.volume_id) as folder:
            live = folder.live_of(claim)
            # Not what Ceph has counted: that lacks what clients have not flushed yet.
            refuse_if_larger(content_bytes(live), size_bytes)
            folders.limit(live, size_bytes)

    def used_bytes(self, volume_id: str) -> int | None:
        folder = self._folder(volume_id)
        stored = folder.epoch()
        return None if stored is None else folders.held_bytes(folder.live(stored))

    def prepare_sizes(self) -> None:
        pass  # Ceph counts always

    def keep_record(self, volume: Volume) -> None:
        with self._locked(volume.id) as folder:
            if folder.path.is_dir():
                folder.write_record(volume)

    def record(self, volume_id: str) -> Volume | None:
        return self._folder(volume_id).record()
