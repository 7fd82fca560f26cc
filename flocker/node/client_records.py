"""The addresses of this node's clients of the shared storage, as the nodes agree about them."""

from __future__ import annotations

from collections.abc import Callable

from flocker.base.errors import StaleEpoch
from flocker.base.records import Claim, ClusterState, Volume
from flocker.consensus.ownership import Ownership


class ClientRecords:
    """They outlive every lease, and the node: whoever takes a volume over stops these clients.

    It implements `RecordedSessions` of pool/remote_pool.py.

    Args:
        state: what this node has last heard of; it may be late.
    """

    def __init__(self, node: str, ownership: Ownership, state: Callable[[], ClusterState]) -> None:
        self._node = node
        self._ownership = ownership
        self._state = state

    def begin(self, claim: Claim, address: str) -> None:
        volume = _with(claim, self._state()) or _with(claim, self._ownership.state())
        if volume is None:
            raise StaleEpoch(f"volume {claim.volume_id} has another owner by now")
        self._ownership.begin_session(volume, address)

    def end(self, claim: Claim, address: str) -> None:
        self._ownership.end_session(claim, address)

    def of(self, claim: Claim) -> list[str]:
        return self._ownership.sessions(claim.volume_id).get(claim.epoch, [])

    def begin_root(self, address: str) -> None:
        self._ownership.begin_root(self._node, address)

    def end_root(self, address: str) -> None:
        self._ownership.end_root(self._node, address)

    def root(self) -> list[str]:
        return self._ownership.root(self._node)


def _with(claim: Claim, state: ClusterState) -> Volume | None:
    return next((each for each in state.volumes.values() if each.claim == claim), None)
