"""The addresses of clients of a shared storage, in memory, for tests only."""

from __future__ import annotations

from flocker.base.errors import StaleEpoch
from flocker.base.records import Claim


class MemorySessions:
    """One for all nodes of a cluster; roots are those of one node.

    Attributes:
        epochs: volume id -> the epoch of its record, where a test says that it has changed.
    """

    def __init__(self) -> None:
        self.epochs: dict[str, int] = {}
        self._addresses: dict[Claim, set[str]] = {}
        self._roots: list[str] = []

    def begin(self, claim: Claim, address: str) -> None:
        if self.epochs.get(claim.volume_id, claim.epoch) != claim.epoch:
            raise StaleEpoch(f"volume {claim.volume_id} has another owner")
        self._addresses.setdefault(claim, set()).add(address)

    def end(self, claim: Claim, address: str) -> None:
        self._addresses[claim].discard(address)

    def of(self, claim: Claim) -> list[str]:
        return sorted(self._addresses.get(claim, ()))

    def begin_root(self, address: str) -> None:
        self._roots.append(address)

    def end_root(self, address: str) -> None:
        self._roots.remove(address)

    def root(self) -> list[str]:
        return list(self._roots)

    def by_epoch(self, volume_id: str) -> dict[int, set[str]]:
        """The addresses that have not ended, by the epochs of their owners."""
        return {
            claim.epoch: addresses
            for claim, addresses in self._addresses.items()
            if claim.volume_id == volume_id and addresses
        }
